import type { CanonicalPath } from "../../base/path.ts";
import { LeaseState } from "../../codec/msg/lease.ts";
import { SmbNotSentError } from "../errors.ts";
import type { Tree, TreeResource } from "../login/index.ts";
import { bytesToText, type HeldLease } from "../wire/index.ts";
import type { FileInfo } from "./file-info.ts";
import { ArmedNotify, type ArmOptions, type NotifySubject } from "./notify.ts";
import { closeQuietly, createDirectory, type Opened, open } from "./open.ts";

/** Who counts the handles of a connection. */
export interface HandleOwner {
  /** One handle less. */
  released(): void;
  /** The server has no slot left for what this connection carries. */
  short(): void;
}

export interface OpenDirectoryOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Asks for a lease with handle caching (SMB 3.0 and later): whoever wants to delete or rename what the handle
   * stands on is made to wait until we have closed it, as soon as `recalled` says so. Default false.
   */
  readonly lease?: boolean;
}

const NONE: readonly ArmedNotify[] = [];
const NOBODY: HandleOwner = { released: () => undefined, short: () => undefined };

/** A directory opened for watching. */
export class DirectoryHandle implements NotifySubject, TreeResource {
  readonly path: CanonicalPath;
  /** Identity of the directory this handle holds, whatever its path means by now. */
  readonly info: FileInfo;
  readonly tree: Tree;
  readonly leased: boolean;
  /** A character for each byte: a seventh of what an array of them takes, and it is asked for twice in a long life. */
  readonly #fileId: string;
  readonly #lease: HeldLease | undefined;
  readonly #owner: HandleOwner;
  /** Few: a list that is exactly as long as it is takes a third of a set. */
  #armed: readonly ArmedNotify[] = NONE;
  #closing: Promise<void> | undefined;

  /** Use `openDirectory`. */
  constructor(
    tree: Tree,
    path: CanonicalPath,
    { fileId, info, granted }: Opened,
    owner: HandleOwner,
    lease?: HeldLease,
  ) {
    this.leased = lease !== undefined && (granted & LeaseState.HANDLE) !== 0;
    if (lease !== undefined) tree.connection.leases.learn(this.leased);
    this.#lease = lease;
    this.tree = tree;
    this.path = path;
    this.#fileId = bytesToText(fileId);
    this.info = info;
    this.#owner = owner;
    tree.resources.add(this);
  }

  get fileId(): Uint8Array {
    return Buffer.from(this.#fileId, "latin1");
  }

  /**
   * Resolves when the server wants the handle closed. Never when no lease was asked for, or none granted:
   * `leased` tells.
   */
  get recalled(): Promise<void> {
    return this.#lease?.recalled ?? new Promise(() => undefined);
  }

  get closing(): boolean {
    return this.#closing !== undefined;
  }

  /** Fulfilled when the connection below is gone: with the reason, or `undefined` when we closed it. */
  get lost(): Promise<Error | undefined> {
    return this.tree.lost;
  }

  /** Sends one CHANGE_NOTIFY. Several may be stacked: they are served first in, first out. Never throws. */
  arm(options: ArmOptions): ArmedNotify {
    const notify = new ArmedNotify(this, options);
    if (this.closing) {
      notify.onFailure(new SmbNotSentError("CHANGE_NOTIFY", new Error("the handle is closed")));
    } else {
      this.#armed = [...this.#armed, notify];
      this.tree.connection.submit([notify]);
    }
    return notify;
  }

  ended(notify: ArmedNotify, short: boolean): void {
    const rest = this.#armed.filter((each) => each !== notify);
    this.#armed = rest.length === 0 ? NONE : rest;
    if (short) this.#owner.short();
  }

  /** What is armed ends as `cancelled`. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  disown(): void {
    this.#closing ??= this.#end(Promise.resolve());
  }

  #close(): Promise<void> {
    const { connection } = this.tree;
    return this.#end(
      connection.state === "closed" ? Promise.resolve() : closeQuietly(this.tree, this.fileId),
    );
  }

  async #end(closed: Promise<void>): Promise<void> {
    // What has not been sent yet must not go out on a closed handle.
    for (const notify of this.#armed) if (notify.state === "new") notify.cancel();
    this.tree.resources.delete(this);
    await closed;
    this.#lease?.end();
    // Some servers leave them without a last word.
    for (const notify of this.#armed) this.tree.connection.expire(notify);
    this.#owner.released();
  }
}

/** Opens `name` (as on the wire) for watching; `path` is what its owner calls it. @throws SmbStatusError and what `Tree.exchange` throws */
export async function openDirectory(
  tree: Tree,
  path: CanonicalPath,
  name: string,
  {
    signal,
    lease: wanted = false,
    owner = NOBODY,
  }: OpenDirectoryOptions & { readonly owner?: HandleOwner } = {},
): Promise<DirectoryHandle> {
  const lease = wanted && tree.info.dialect >= 0x0300 ? tree.connection.leases.take() : undefined;
  try {
    const opened = await open(tree, createDirectory(tree, name, lease?.key), signal);
    return new DirectoryHandle(tree, path, opened, owner, lease);
  } catch (error) {
    lease?.end();
    throw error;
  }
}
