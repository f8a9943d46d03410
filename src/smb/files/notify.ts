import { type Deferred, deferred } from "../../base/async.ts";
import { stages } from "../../base/channels.ts";
import { AbortedError } from "../../base/errors.ts";
import { Command } from "../../codec/header.ts";
import {
  decodeChangeNotifyResponse,
  encodeChangeNotifyRequest,
  WATCH_TREE,
} from "../../codec/msg/change-notify.ts";
import { decodeFileNotifyInformation } from "../../codec/msg/file-notify-information.ts";
import { NtStatus } from "../../codec/status.ts";
import { SmbProtocolError, SmbStatusError } from "../errors.ts";
import type { Tree } from "../login/index.ts";
import { PendingRequest, type Response } from "../wire/index.ts";

/** One FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1). */
export interface NotifyRecord {
  /** FILE_ACTION_*. */
  readonly action: number;
  /** Relative to the watched directory, `/`-separated. */
  readonly name: string;
  /** Of a directory in the making: never listed. */
  readonly temporary?: true;
  /** Listings may show it, or a directory on the way to it, by another name. */
  readonly odd?: true;
}

export type NotifyOutcome =
  /** `doubtful`: something else has changed as well: list again. No records: only the directory itself has. */
  | { readonly type: "records"; readonly records: readonly NotifyRecord[]; readonly doubtful: boolean }
  /** The server lost track, or told of nothing that has a usable name: list again. */
  | { readonly type: "overflow" }
  /** The server dropped handle, tree or session. */
  | { readonly type: "cleanup" }
  /** By `cancel`, or by closing the handle. */
  | { readonly type: "cancelled" }
  | { readonly type: "failed"; readonly error: Error };

export interface ArmOptions {
  /** Sub-directories too. Fixed by the first request on a handle, and so is `filter` (MS-SMB2 3.3.1.3). */
  readonly recursive: boolean;
  /** FILE_NOTIFY_CHANGE_* (MS-SMB2 2.2.35). */
  readonly filter: number;
  /** Most bytes of an answer; what does not fit is lost in an `overflow`. Default and most: 65,536. */
  readonly bufferBytes?: number;
}

/** The handle that a notify stands on. */
export interface NotifySubject {
  readonly tree: Tree;
  readonly fileId: Uint8Array;
  /** We are closing it, or have. */
  readonly closing: boolean;
  /** A notify on it ended. `short` when the server had no slot for it. */
  ended(notify: ArmedNotify, short: boolean): void;
}

/** One credit's worth, the most that Windows accepts from its own clients over the network. */
const BUFFER_BYTES = 65_536;

/** One CHANGE_NOTIFY request (MS-SMB2 3.2.4.21): at most one answer, after as long as it takes. */
export class ArmedNotify extends PendingRequest {
  readonly #subject: NotifySubject;
  readonly #options: ArmOptions;
  /** Never rejects. */
  readonly outcome: Promise<NotifyOutcome>;
  #settle!: (outcome: NotifyOutcome) => void;
  /** `undefined`: not known yet. */
  #accepted: boolean | undefined;
  /** Of whoever waits to know: tens of thousands of requests are armed, and most of them nobody has asked. */
  #awaited: Deferred<boolean> | undefined;
  #ended = false;
  #cancelled = false;

  /** Does not send: the handle does. */
  constructor(subject: NotifySubject, options: ArmOptions) {
    super(
      {
        command: Command.CHANGE_NOTIFY,
        treeId: subject.tree.id,
        payload: answerBytes(subject.tree, options),
        body: encode(subject, options),
      },
      undefined,
    );
    this.#subject = subject;
    this.#options = options;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /**
   * `true` once the server holds the request (its interim response is here) or has answered it: from then on
   * no change is missed. `false` when it failed first. Never rejects.
   */
  get accepted(): Promise<boolean> {
    if (this.#accepted !== undefined) return Promise.resolve(this.#accepted);
    this.#awaited ??= deferred();
    return this.#awaited.promise;
  }

  /**
   * Asks the server to give it up. `outcome` tells what became of it: mostly `cancelled`, or what the server
   * said meanwhile, or said later where it does not react (DittoFS 0.29 answers no CANCEL).
   */
  cancel(): void {
    if (this.#ended || this.#cancelled) return;
    this.#cancelled = true;
    this.#subject.tree.connection.cancel(this);
  }

  override onInterim(): void {
    this.#accept(true);
  }

  override onResponse({ header, message }: Response): void {
    stages.publish("verified");
    const { status } = header;
    switch (status) {
      case NtStatus.SUCCESS:
        this.#end(this.#read(message));
        return;
      case NtStatus.NOTIFY_ENUM_DIR:
        this.#end({ type: "overflow" });
        return;
      case NtStatus.NOTIFY_CLEANUP:
      case NtStatus.CANCELLED:
        this.#end({ type: this.#cancelled || this.#subject.closing ? "cancelled" : "cleanup" });
        return;
      case NtStatus.NETWORK_SESSION_EXPIRED:
        void this.#renew();
        return;
      default:
        this.#end(
          { type: "failed", error: new SmbStatusError("CHANGE_NOTIFY", status) },
          status === NtStatus.INSUFFICIENT_RESOURCES,
        );
        this.#subject.tree.judge(Command.CHANGE_NOTIFY, status);
    }
  }

  override onFailure(error: Error): void {
    const ours = error instanceof AbortedError || this.#subject.closing;
    this.#end(ours ? { type: "cancelled" } : { type: "failed", error });
  }

  /** The first word counts. */
  #accept(accepted: boolean): void {
    this.#accepted ??= accepted;
    this.#awaited?.resolve(this.#accepted);
    this.#awaited = undefined;
  }

  #read(message: Uint8Array): NotifyOutcome {
    try {
      const buffer = decodeChangeNotifyResponse(message);
      if (buffer.length > this.payload) {
        throw new SmbProtocolError(`CHANGE_NOTIFY: ${buffer.length} bytes for a buffer of ${this.payload}`);
      }
      const { records, doubtful, itself } = decodeFileNotifyInformation(buffer);
      if (records.length === 0 && (doubtful || itself !== true)) return { type: "overflow" };
      return {
        type: "records",
        doubtful,
        records: records.map(({ fileName, ...rest }) => ({ ...rest, name: fileName.replaceAll("\\", "/") })),
      };
    } catch (cause) {
      // The chain that called us ends the connection; this request is no longer in its table.
      const error = new SmbProtocolError("CHANGE_NOTIFY: the answer is malformed", cause);
      this.#end({ type: "failed", error });
      throw error;
    }
  }

  /** The session expired before the request was looked at: the handle is well, ask again under a renewed session. */
  async #renew(): Promise<void> {
    const { tree } = this.#subject;
    try {
      await tree.session.reauthenticate();
    } catch (error) {
      this.onFailure(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#cancelled || this.#subject.closing) {
      this.#end({ type: "cancelled" });
      return;
    }
    this.reset(encode(this.#subject, this.#options));
    tree.connection.submit([this]);
  }

  #end(outcome: NotifyOutcome, short = false): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#accept(outcome.type === "records" || outcome.type === "overflow");
    this.#settle(outcome);
    const records = outcome.type === "records" ? outcome.records.length : 0;
    this.#subject.tree.connection.telemetry.notify(outcome.type, records);
    this.#subject.ended(this, short);
  }
}

function answerBytes(tree: Tree, { bufferBytes = BUFFER_BYTES }: ArmOptions): number {
  return Math.min(bufferBytes, BUFFER_BYTES, tree.info.maxTransactSize);
}

function encode(subject: NotifySubject, options: ArmOptions): Uint8Array {
  return encodeChangeNotifyRequest({
    flags: options.recursive ? WATCH_TREE : 0,
    outputBufferLength: answerBytes(subject.tree, options),
    fileId: subject.fileId,
    completionFilter: options.filter,
  });
}
