import type { CanonicalPath } from "../../base/path.ts";
import type { Comparison, Doubt } from "../doubt.ts";
import type { Via } from "../events.ts";
import type { HandleState } from "../facts.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import type { Pacer } from "../pacing.ts";
import type { DirectorySource, EntryInfo } from "../source.ts";
import type { Beginnings } from "./beginnings.ts";
import type { LocatedChange } from "./coalesce.ts";
import type { HandleStatus } from "./handle-status.ts";
import type { RemovalHabit } from "./late-removals.ts";
import type { StrayRecords } from "./stray-records.ts";
import type { Trust } from "./trust.ts";
import type { Upkeep } from "./upkeep.ts";

/** What a handle is for. */
export interface HandleSpec {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  /** CompletionFilter bits (MS-SMB2 2.2.35). */
  readonly filter: number;
  /** 0: only when in doubt. */
  readonly rescanMinutes: number;
  /** Nothing is held: the directory is only listed, every `pollSeconds`. Default false. */
  readonly polled?: boolean;
}

/** A handle as its owner's callbacks see it. */
export interface HandleView {
  readonly spec: HandleSpec;
  readonly state: HandleState;
  readonly status: HandleStatus;
  /** The server may have been deaf at first, and nobody has looked since. */
  readonly lookDue: boolean;
  /** How often in a row it failed. */
  readonly failures: number;
  /** Names came or went in its directory that the server had not told, within the last day. */
  readonly untold: boolean;
  /** The first answer is in: live, polling, or failed in a way that will not heal by itself. */
  readonly settled: boolean;
}

/** What a handle needs of its owner. */
export interface HandleHost {
  /** Whether the directory that was opened is to be watched. @throws SourceError, AbortedError */
  admit(handle: HandleView, info: EntryInfo, signal: AbortSignal): Promise<void>;
  /** Tells what the server said. */
  notified(handle: HandleView, changes: readonly LocatedChange[]): void;
  /** Lists and compares all that this handle answers for; returns what became of its own directory. @throws SourceError */
  rescan(
    handle: HandleView,
    doubt: Doubt | undefined,
    via: Via,
    signal: AbortSignal,
  ): Promise<Comparison | undefined>;
  statusChanged(handle: HandleView): void;
}

export interface HandleServices extends Surroundings {
  readonly source: DirectorySource;
  readonly host: HandleHost;
  /** Bounds how many handles of a share begin at a time. */
  readonly beginnings: Beginnings;
  /** Spreads the health checks of a share. */
  readonly checks: Pacer;
  /** Spreads the second looks of a share. */
  readonly looks: Pacer;
  readonly options: ResolvedOptions;
  /** When what is to be done. */
  readonly upkeep: Upkeep;
  readonly strays: StrayRecords;
  readonly trust: Trust;
  readonly removals: RemovalHabit;
}
