import type { Clock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { Change, PublicState, ResyncReason, Via, WatchMode } from "../events.ts";
import type { Interest } from "../interest.ts";
import type { MirrorEntry, MirroredDirectory } from "./tree.ts";

/** Where in the order of events a picture stands: it knows of everything its owner told up to `told` in this epoch. */
export interface MirrorPosition {
  readonly epoch: string;
  readonly told: number;
}

/** What has been told so far, from whoever tells. */
export interface TakenSnapshot extends MirrorPosition {
  /** See `MirrorBase`. */
  readonly stored: boolean;
  /** What its owner watches. */
  readonly servedBy: Interest;
  readonly directories: Iterable<MirroredDirectory>;
}

/** Why a snapshot was taken: the first; the directory came to be another (`moved`); or what a `resync` said. */
export type MirrorReason = "first" | "moved" | ResyncReason;

export type MirrorState = PublicState | "starting" | "unclaimed";

/** How the watch fares. `degraded` also where a snapshot has been asked for in vain. */
export interface MirrorStatus {
  readonly state: MirrorState;
  readonly mode: WatchMode;
  readonly error?: string;
}

/** What `on("change")` hears. */
export type MirrorChange =
  | { readonly type: "snapshot"; readonly reason: MirrorReason; readonly position: MirrorPosition }
  | {
      readonly type: "changes";
      readonly path: CanonicalPath;
      readonly via: Via;
      readonly changes: readonly Change[];
    }
  | ({ readonly type: "state" } & MirrorStatus);

/** For `useSyncExternalStore` and its kin: the same object until something changes. */
export interface MirrorView {
  /** The picture is whole. */
  readonly ready: boolean;
  readonly state: MirrorState;
  readonly error?: string;
  /** Of the directory itself; see `Mirror.entries`. */
  readonly entries: readonly MirrorEntry[];
}

/** A directory, or a tree, that is kept right without listing it. */
export interface Mirror extends AsyncDisposable {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  /** Resolves with the first whole picture. Rejects with what cannot heal by itself, or AbortedError. */
  readonly ready: Promise<void>;
  readonly state: MirrorState;
  /** Snapshots taken so far, by reason. */
  readonly snapshots: Readonly<Record<string, number>>;
  /**
   * Entries of the directory, or of one below it, in no order. The same array until something of it changes. Empty where
   * there is no such directory.
   */
  entries(path?: string): readonly MirrorEntry[];
  /** By a name in the directory, or a path below it (`sub/name`). */
  get(name: string): MirrorEntry | undefined;
  /** All entries, with their full paths. */
  walk(): IterableIterator<readonly [CanonicalPath, MirrorEntry]>;
  /** Called after the picture has followed. Must not throw. Returns the function that takes it back. */
  on(event: "change", listener: (change: MirrorChange) => void): () => void;
  /** With `getSnapshot`, what React's `useSyncExternalStore` asks for. */
  subscribe(listener: () => void): () => void;
  getSnapshot(): MirrorView;
  close(): Promise<void>;
}

export interface LiveMirrorOptions {
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  readonly caseSensitive: () => boolean;
  /** What has been told so far. Everything told after it must reach `hear`. */
  readonly take: (signal: AbortSignal) => Promise<TakenSnapshot>;
  /**
   * What a failure of `take` means: the directory is not there; it will never be; or else it is asked again.
   */
  readonly failure: (error: unknown) => "absent" | "final" | "again";
  readonly onClose: () => void | Promise<void>;
  readonly clock: Clock;
}
