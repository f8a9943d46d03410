import type { Header } from "../../codec/header.ts";
import type { Spender } from "./credits.ts";

/** A character for each byte, for what is kept long with each of tens of thousands: a typed array has 200 bytes besides. */
export function bytesToText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** Requests that wait together for the credits of one frame. */
export interface SharedFrame extends Spender {
  readonly requests: readonly PendingRequest[];
}

/** One response message: its decoded header, and its bytes from the header to its end. */
export interface Response {
  readonly header: Header;
  readonly message: Uint8Array;
}

/**
 * - `new`: not submitted yet, or waiting for credits.
 * - `sent`: on the wire, no answer yet.
 * - `interim`: answered by STATUS_PENDING; the final answer is due.
 * - `abandoned`: nobody waits any more, but the answer may still come.
 * - `done`
 */
export type RequestState = "new" | "sent" | "interim" | "abandoned" | "done";

export interface RequestOptions {
  /** SMB2 Command. */
  readonly command: number;
  /** The body behind the header, without padding. */
  readonly body: Uint8Array;
  readonly treeId?: number;
  /** The larger of what is sent and what may come back, in bytes; decides the CreditCharge. Default 0. */
  readonly payload?: number;
  /** Follows the message before it in a compound (SMB2_FLAGS_RELATED_OPERATIONS). */
  readonly related?: boolean;
  /** The path in it is a DFS path (SMB2_FLAGS_DFS_OPERATIONS). */
  readonly dfs?: boolean;
}

/** A request on its way. The table, the sender and the receive chain own its fields; subclasses own the meaning. */
export abstract class PendingRequest {
  readonly command: number;
  readonly treeId: number;
  readonly payload: number;
  readonly related: boolean;
  readonly dfs: boolean;
  /** Silence in ms that this request bears once sent; `undefined` where waiting is the point. */
  patienceMs: number | undefined;
  state: RequestState = "new";
  /** Set while it waits for credits. */
  shipment: SharedFrame | undefined;
  /** Dropped once sent. */
  body: Uint8Array | undefined;
  messageId = 0n;
  asyncId: bigint | undefined;
  /** Watchdog time of sending, or of the interim response. */
  since = 0;
  /** Watchdog time of sending. */
  sentAt = 0;
  /** Signature field as sent (`bytesToText`): servers that give up early echo it. */
  signature: string | undefined;
  /** Sent inside a transform, so its answer must come in one. */
  encrypted = false;

  constructor(options: RequestOptions, patienceMs: number | undefined) {
    this.command = options.command;
    this.body = options.body;
    this.treeId = options.treeId ?? 0;
    this.payload = options.payload ?? 0;
    this.related = options.related ?? false;
    this.dfs = options.dfs ?? false;
    this.patienceMs = patienceMs;
  }

  /** Back to the start, with another body, after an answer that said "not now". */
  protected reset(body: Uint8Array): void {
    this.state = "new";
    this.body = body;
    this.asyncId = undefined;
    this.signature = undefined;
  }

  /** The message as it goes out, before signing; only a login looks at it. */
  onSent(_message: Uint8Array): void {}

  /** STATUS_PENDING arrived. */
  onInterim(): void {}

  /** The final answer, whatever its status. */
  abstract onResponse(response: Response): void;

  /** No answer will come, or none is waited for. */
  abstract onFailure(error: Error): void;

  /** The answer to a request that had been abandoned. */
  onOrphan(_response: Response): void {}
}

/** A request whose answer somebody waits for. */
export class Call extends PendingRequest {
  response: Response | undefined;
  failure: Error | undefined;
  /** Called once, when it has one or the other. */
  onEnd: (() => void) | undefined;
  readonly #orphan: ((response: Response) => void) | undefined;

  /** @param orphan takes the answer that comes after the caller went away: a handle to be closed, say. */
  constructor(
    options: RequestOptions,
    patienceMs: number | undefined,
    orphan?: (response: Response) => void,
  ) {
    super(options, patienceMs);
    this.#orphan = orphan;
  }

  get ended(): boolean {
    return this.response !== undefined || this.failure !== undefined;
  }

  override onResponse(response: Response): void {
    this.response = response;
    this.onEnd?.();
  }

  override onFailure(error: Error): void {
    this.failure = error;
    this.onEnd?.();
  }

  override onOrphan(response: Response): void {
    this.#orphan?.(response);
  }
}

/** A round of a login, whose bytes both ways go into the preauthentication integrity hash (MS-SMB2 3.2.5.3). */
export class HandshakeCall extends Call {
  /** The request as it left. */
  sentMessage: Uint8Array | undefined;

  override onSent(message: Uint8Array): void {
    this.sentMessage = message;
  }
}
