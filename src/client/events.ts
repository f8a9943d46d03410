import type { CanonicalPath } from "../base/path.ts";
import type { Cursor, FleetErrorCode, RefState } from "../fleet/port.ts";
import type { Change, Late, ResyncReason, ResyncScope, Via, WatchMode } from "../watch/events.ts";

/** What `watch` yields. */
export type ClientEvent = ClientLive | ClientChanges | ClientResync | ClientState;

/** The server holds the watch: a listing taken from now on cannot miss a change. Once, before anything else live. */
export interface ClientLive {
  readonly type: "live";
  readonly mode: WatchMode;
  /** What will not be told at once, and within which time it is. */
  readonly late?: Late;
}

export interface ClientChanges {
  readonly type: "changes";
  /** The directory whose entries changed. */
  readonly path: CanonicalPath;
  readonly via: Via;
  readonly changes: readonly Change[];
  /** RFC 3339 UTC. */
  readonly time: string;
  readonly epoch: string;
  readonly seq: number;
  /** Its number in what the owner told in this epoch: a snapshot of that epoch, or a listing with a `position`, knows of all up to its own. */
  readonly told?: number;
  /** For `since`, once this event is dealt with. */
  readonly cursor: Cursor;
}

/** "Your picture of this scope may be stale, list it again." */
export interface ClientResync {
  readonly type: "resync";
  readonly path: CanonicalPath;
  readonly scope: ResyncScope;
  readonly reason: ResyncReason;
  /** Only who listed by himself may have seen something else: a picture kept from snapshots, or from this stream alone, is right as it is. */
  readonly picture?: "kept";
  /** Absent when the gap was found on our side. */
  readonly epoch?: string;
  /** As of `ClientChanges`. */
  readonly told?: number;
  /** Absent when the gap was found on our side. */
  readonly cursor?: Cursor;
}

/** The watch got worse or better after it had been live, or was not well when it became live. */
export interface ClientState {
  readonly type: "state";
  readonly path: CanonicalPath;
  readonly state: RefState["state"];
  readonly mode: WatchMode;
  readonly error?: string;
  readonly late?: Late;
  readonly code?: FleetErrorCode;
}
