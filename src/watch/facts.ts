import { type Channel, channel } from "../base/channels.ts";
import type { CanonicalPath } from "../base/path.ts";
import type { DoubtReason } from "./doubt.ts";
import type { NotifyOutcome, SourceFailure } from "./source.ts";

/** What the watch engine states about itself; the service turns it into log lines and metrics. */

export type HandleState =
  | "idle"
  | "opening"
  | "arming"
  | "scanning"
  | "live"
  | "rescanning"
  | "polling"
  | "gone"
  | "denied"
  | "unreachable"
  | "stopped";

/** What every fact says. */
export interface WatchFact {
  /** `ShareWatcherOptions.label`. */
  readonly connection: string;
  readonly path: CanonicalPath;
}

/** One move of one handle's state machine. */
export interface TransitionFact extends WatchFact {
  readonly recursive: boolean;
  readonly from: HandleState;
  readonly to: HandleState;
  /** Why, when it moved for a failure. */
  readonly failure?: SourceFailure;
}

export interface NotifyFact extends WatchFact {
  readonly outcome: NotifyOutcome["type"];
  readonly records: number;
}

/** The picture of a watch may be stale; a rescan follows. */
export interface DoubtFact extends WatchFact {
  readonly reason: DoubtReason;
}

export interface ScanFact extends WatchFact {
  readonly phase: "started" | "progress" | "finished" | "failed";
  readonly entries: number;
  /** Milliseconds since the scan began. */
  readonly elapsedMs: number;
}

export interface HealthFact extends WatchFact {
  readonly verdict: "same" | "replaced" | "gone" | "unknown";
}

/** What the server said about a file that is waited for. */
export type ProbeOutcome = "closed" | "open" | "unknown" | "gone" | "failed";

/** About files that are to be told when they are ready: any of these. */
export interface ReadyFact {
  /** `ShareWatcherOptions.label`. */
  readonly connection: string;
  /** So many more files are waited for. */
  readonly waiting?: number;
  /** So many more directories hold files that there was no room for. */
  readonly deferred?: number;
  readonly outcome?: ProbeOutcome;
  /** A file was told so long after its last change. */
  readonly seconds?: number;
  /** With `seconds`: whether the server said that nobody writes it. */
  readonly closed?: boolean;
}

export const transitions: Channel<TransitionFact> = channel("watch:transition");
export const notifies: Channel<NotifyFact> = channel("watch:notify");
export const doubts: Channel<DoubtFact> = channel("watch:doubt");
export const scans: Channel<ScanFact> = channel("watch:scan");
export const readies: Channel<ReadyFact> = channel("watch:ready");
export const healths: Channel<HealthFact> = channel("watch:health");
