import type { Clock } from "../base/clock.ts";
import type { CoverPolicy } from "./interest.ts";
import type { ReadySetting } from "./ready-options.ts";

/** Time and chance, as parameters. */
export interface Surroundings {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

export interface ShareWatcherOptions {
  /** Which connection this is, in facts. Default "". */
  readonly label?: string;
  /** How interests become handles. Default `auto`. */
  readonly cover?: CoverPolicy;
  /** CompletionFilter bits (MS-SMB2 2.2.35). Default 0x1f: names, attributes, size, last write. */
  readonly filter?: number;
  /** Default false, as SMB is. */
  readonly caseSensitive?: boolean;
  /** Changes carry type, size, modified and fileId where they can be read. Default false. */
  readonly stat?: boolean;
  /** Files are told once they were quiet this long, ms. Default 0: at once. */
  readonly settleMs?: number;
  /** Files are told when they are complete. Default `off`. */
  readonly ready?: ReadySetting;
  /** Lists and compares every so often, on top of notifications. Default 0: never. */
  readonly rescanMinutes?: number;
  /** Where the server cannot notify. Default 30. */
  readonly pollSeconds?: number;
  /**
   * Beside a recursive handle that does not hear everything, leased handles on the directories themselves, where the
   * server gives leases. A trial: of 100 moves of a directory by another client, up to five failed. Default false.
   */
  readonly leases?: boolean;
  /** Names one watch may remember; beyond it a doubt ends in `resync too-large`. Default 200,000. */
  readonly maxEntries?: number;
  /** Files that all watches with `ready` wait for at the same time; others are looked for when there is room. Default 100,000. */
  readonly maxReady?: number;
  /** Handles in `directory` cover; beyond it a recursive interest falls back to a tree handle. Default 5,000. */
  readonly maxHandles?: number;
  /** Does the path still name the directory we hold? Default 60. */
  readonly healthSeconds?: number;
  /** One request of each watch, of two that are stacked the older, is armed anew this often, new before old. Default 10. */
  readonly refreshMinutes?: number;
  /** Health checks per second over the whole share. Default 5. */
  readonly checksPerSecond?: number;
  /** Directories listed at the same time, on one connection, which Samba serves one request after the other. Default 16. */
  readonly scansAtOnce?: number;
  /** Entries read per second and listing; 0 means as fast as the server answers. Default 0. */
  readonly scanEntriesPerSecond?: number;
  /** Entries packed, compared or told before the event loop gets a turn: a few milliseconds. Default 1,000. */
  readonly entriesPerTurn?: number;
  /** Rescans inside a recursive handle that does not hear everything, where `rescanMinutes` is 0. Default 5. */
  readonly fallbackRescanMinutes?: number;
}

export type ResolvedOptions = Required<ShareWatcherOptions>;

const DEFAULTS: ResolvedOptions = {
  label: "",
  cover: "auto",
  filter: 0x1f,
  caseSensitive: false,
  stat: false,
  settleMs: 0,
  ready: "off",
  rescanMinutes: 0,
  pollSeconds: 30,
  leases: false,
  maxEntries: 200_000,
  maxReady: 100_000,
  maxHandles: 5_000,
  healthSeconds: 60,
  refreshMinutes: 10,
  checksPerSecond: 5,
  scansAtOnce: 16,
  scanEntriesPerSecond: 0,
  entriesPerTurn: 1_000,
  fallbackRescanMinutes: 5,
};

export function resolveOptions(options: ShareWatcherOptions): ResolvedOptions {
  return { ...DEFAULTS, ...options };
}
