import type { CanonicalPath } from "../base/path.ts";

/** The vocabulary of what a watch tells (contract section 3). Names are as the server wrote them. */

/** `ready`: a file is complete (`ReadyOptions`); it says nothing about names. */
export type ChangeAction = "added" | "removed" | "modified" | "renamed" | "ready";

export interface Change {
  readonly action: ChangeAction;
  /** Name of the entry inside the directory the event is about; no separators. */
  readonly name: string;
  /** With `renamed` only. */
  readonly oldName?: string;
  /** An alternate data stream of `name` changed, not its main content. */
  readonly stream?: true;
  /** Full canonical path this entry went to; with `removed`, proven by file id. */
  readonly movedTo?: CanonicalPath;
  /** Full canonical path this entry came from; with `added`, proven by file id. */
  readonly movedFrom?: CanonicalPath;
  readonly type?: "file" | "directory";
  /** Bytes. */
  readonly size?: number;
  /** Last write, RFC 3339 UTC with milliseconds. */
  readonly modified?: string;
  /** Decimal 64-bit file id. */
  readonly fileId?: string;
  /**
   * With `renamed`: what lies below does not move along, but is told anew. Who keeps a picture from a snapshot drops what
   * he has below both names; others do that with every `renamed`.
   */
  readonly emptied?: true;
  /** Told after the file had been quiet for `settleMs`. */
  readonly settled?: true;
  /** With `ready`: nobody had it open for writing. `false`: that could not be asked, or was not waited for. */
  readonly closed?: boolean;
}

export type Via = "notify" | "rescan" | "poll";

export type ResyncReason =
  | "overflow"
  | "reconnect"
  | "takeover"
  | "server-cleanup"
  | "silent"
  | "outbox-full"
  | "slow-consumer"
  | "retention"
  | "too-large";

export type ResyncScope = "self" | "subtree";

/** What consumers see of a watch's state. */
export type PublicState = "live" | "degraded" | "gone" | "denied" | "unreachable";

/** Whether the server tells us, or we have to look. */
export type WatchMode = "notify" | "poll";

/**
 * What is not told at once but found by looking, and within how many seconds. Absent where the server tells everything.
 */
export interface Late {
  /** Entries made, removed or renamed on the server itself; in `poll` mode by anybody. */
  readonly names: number;
  /** Writes to files that were there. Absent: not found at all. */
  readonly contents?: number;
}

export function sameLate(a: Late | undefined, b: Late | undefined): boolean {
  return a?.names === b?.names && a?.contents === b?.contents;
}

export interface ChangesEvent {
  readonly type: "changes";
  /** The directory whose entries changed, canonical, in the server's spelling. */
  readonly path: CanonicalPath;
  readonly via: Via;
  readonly changes: readonly Change[];
}

/** "Your picture of this scope may be stale, list it again." */
export interface ResyncEvent {
  readonly type: "resync";
  readonly path: CanonicalPath;
  readonly scope: ResyncScope;
  readonly reason: ResyncReason;
  /**
   * What has been told is right, and goes on: only who listed the share by himself may have seen something else. Absent:
   * what has been told is no longer known.
   */
  readonly picture?: "kept";
}

export interface StateEvent {
  readonly type: "state";
  readonly path: CanonicalPath;
  readonly state: PublicState;
  readonly mode: WatchMode;
  /** One clause for people; absent when live. */
  readonly error?: string;
  readonly late?: Late;
}

export type WatchEvent = ChangesEvent | ResyncEvent | StateEvent;
