import type { CanonicalPath } from "../base/path.ts";
import type { LocatedChange } from "./coalesce.ts";
import type { Via } from "./events.ts";
import type { WatcherState } from "./facts.ts";
import type { ResolvedOptions, Surroundings } from "./options.ts";
import type { Pacer } from "./pacing.ts";
import type { DirectorySource } from "./source.ts";
import type { Strays } from "./strays.ts";
import type { Doubt, WatcherStatus } from "./watcher-status.ts";

/** What a watcher is for. */
export interface WatcherSpec {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  /** CompletionFilter bits (MS-SMB2 2.2.35). */
  readonly filter: number;
  /** 0: only when in doubt. */
  readonly rescanMinutes: number;
}

/** A watcher as its owner's callbacks see it. */
export interface WatcherView {
  readonly spec: WatcherSpec;
  readonly state: WatcherState;
  readonly status: WatcherStatus;
  /** The server may have been deaf at first, and nobody has looked since. */
  readonly lookDue: boolean;
  /** How often in a row it failed. */
  readonly failures: number;
  /** The first answer is in: live, polling, or failed in a way that will not heal by itself. */
  readonly settled: boolean;
}

/** What a watcher needs of its owner. */
export interface WatcherHost {
  /** Tells what the server said. */
  notified(watcher: WatcherView, changes: readonly LocatedChange[]): void;
  /** Lists and compares all that this watcher answers for. @throws SourceError */
  survey(watcher: WatcherView, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void>;
  statusChanged(watcher: WatcherView): void;
}

export interface WatcherServices extends Surroundings {
  readonly source: DirectorySource;
  readonly host: WatcherHost;
  /** Spreads the health checks of a share. */
  readonly checks: Pacer;
  /** Spreads the second looks of a share. */
  readonly looks: Pacer;
  readonly options: ResolvedOptions;
  readonly strays: Strays;
}
