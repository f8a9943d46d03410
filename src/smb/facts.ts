import { type Channel, channel } from "../base/channels.ts";

/**
 * What the engine tells whoever listens. `connection` is the label the owner gave in its options and
 * `id` a number unique in this process; no path, user name or secret is ever part of a fact.
 */
interface ConnectionFact {
  readonly connection: string;
  readonly id: number;
}

export type ConnectionState =
  | "connecting"
  | "negotiating"
  | "authenticating"
  | "ready"
  | "closing"
  | "closed";

/** A connection moved from one state to another. */
export interface StateFact extends ConnectionFact {
  readonly from: ConnectionState;
  readonly to: ConnectionState;
  /** Why it closed; absent when we asked for it. */
  readonly error?: Error | undefined;
}

/** A request ended. `outcome` is an NTSTATUS name, or the `code` of one of our errors. */
export interface RequestFact extends ConnectionFact {
  readonly command: string;
  readonly outcome: string;
  readonly ms: number;
}

/** Credits at hand after an answer, and requests waiting for some. */
export interface CreditsFact extends ConnectionFact {
  readonly available: number;
  readonly waiting: number;
}

/** A session proved itself anew before its credentials ended, or could not yet; it lives on in both cases. */
export type SessionFact = ConnectionFact &
  (
    | { readonly type: "renewed" /** Unix ms. */; readonly expiresAt: number | undefined }
    | { readonly type: "renewal-failed"; readonly expiresAt: number; readonly error: Error }
  );

/** A CHANGE_NOTIFY ended. */
export interface NotifyFact extends ConnectionFact {
  readonly outcome: "records" | "overflow" | "cleanup" | "cancelled" | "failed";
  readonly records: number;
}

export interface EchoFact extends ConnectionFact {
  readonly ms: number;
}

/** A message that fits no request and does no harm: an oplock break, the late answer to an abandoned request. */
export interface DeadLetterFact extends ConnectionFact {
  readonly command: string;
  readonly reason: "abandoned" | "unsolicited" | "refused-cancel";
}

/** The pool's view: dialling, its pauses, and lowered limits. */
export type PoolFact = { readonly connection: string } & (
  | { readonly type: "connected"; readonly role: "scan" | "watch"; readonly ms: number }
  | { readonly type: "dial-failed"; readonly retryMs: number | undefined; readonly error: Error }
  | { readonly type: "lost"; readonly role: "scan" | "watch"; readonly error: Error | undefined }
  | { readonly type: "watch-cap"; readonly cap: number }
  /** Answers to compounds have wrong signatures: from now on one request a frame. */
  | { readonly type: "no-compounds"; readonly error: Error }
  /** The share takes no further connection: watches and listings share one. */
  | { readonly type: "shared" }
);

export const connectionFacts: Channel<StateFact> = channel("smb.connection");
/** Paths of a share are kept elsewhere from now on. `//server/share`, without directories. */
export interface DfsFact {
  readonly connection: string;
  /** `routed`: a link was resolved, from where it stands. `failed-over`: from a target that is away. */
  readonly type: "routed" | "failed-over";
  readonly from: string;
  readonly to: string;
}

export const dfsFacts: Channel<DfsFact> = channel("smb.dfs");
export const sessionFacts: Channel<SessionFact> = channel("smb.session");
export const requestFacts: Channel<RequestFact> = channel("smb.request");
export const creditFacts: Channel<CreditsFact> = channel("smb.credits");
export const notifyFacts: Channel<NotifyFact> = channel("smb.notify");
export const echoFacts: Channel<EchoFact> = channel("smb.echo");
/** A subset of `smb.notify`, for those who count only lost buffers. */
export const overflowFacts: Channel<ConnectionFact> = channel("smb.overflow");
export const deadLetterFacts: Channel<DeadLetterFact> = channel("smb.dead-letter");
export const poolFacts: Channel<PoolFact> = channel("smb.pool");
