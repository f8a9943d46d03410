import type { CanonicalPath } from "../base/path.ts";
import type {
  Change,
  Late,
  PublicState,
  ResyncReason,
  ResyncScope,
  Via,
  WatchMode,
} from "../watch/events.ts";

/** The bodies of event messages (contract section 3). Field order is the order on the wire. */

interface EventBase {
  readonly connection: string;
  readonly path: CanonicalPath;
  /** One uninterrupted armed watch under one claim: `<bucket nonce>-<claim revision>` and a counter. */
  readonly epoch: string;
  /** Grows by one per message of the epoch. */
  readonly seq: number;
  /**
   * The message's place in the order in which its owner told things: a snapshot of the same epoch knows of all up to its
   * own number. Absent: newer than any snapshot that was taken before the message was received.
   */
  readonly told?: number;
  /** RFC 3339 UTC with milliseconds. */
  readonly time: string;
}

export interface ChangesMessage extends EventBase {
  readonly via: Via;
  readonly changes: readonly Change[];
}

export interface ResyncMessage extends EventBase {
  readonly scope: ResyncScope;
  readonly reason: ResyncReason;
  /** See `ResyncEvent`. */
  readonly picture?: "kept";
}

export interface StateMessage extends Omit<EventBase, "epoch" | "seq" | "told"> {
  readonly epoch?: string;
  readonly seq?: number;
  readonly state: PublicState;
  readonly mode: WatchMode;
  readonly error?: string;
  readonly late?: Late;
}

export const EVENT_TYPES = {
  changes: "smb2nats.changes",
  resync: "smb2nats.resync",
  state: "smb2nats.state",
} as const;

export type EventMessage =
  | { readonly type: "changes"; readonly body: ChangesMessage }
  | { readonly type: "resync"; readonly body: ResyncMessage }
  | { readonly type: "state"; readonly body: StateMessage };
