import type { CanonicalPath } from "../base/path.ts";
import type { Late, PublicState, WatchEvent, WatchMode } from "./events.ts";
import type { Interest } from "./interest.ts";
import type { CheckpointDirectory, FrozenPicture, NoPicture } from "./picture/index.ts";
import type { ReadyRecord } from "./ready/index.ts";
import type { ReadySetting } from "./ready-options.ts";
import type { EntryInfo } from "./source.ts";

/** What the upper floors ask of the watch engine. `ShareWatcher` (share-watcher.ts) implements it. */

export interface WatchHandle {
  readonly interest: Interest;
  readonly state: PublicState | "starting";
  readonly mode: WatchMode;
  /** What comes late, and within which time; default: nothing. */
  readonly late?: Late | undefined;
  /**
   * Resolves when first live: the server holds our request and the first picture is taken, so a
   * listing taken from now on cannot miss a change; and nothing that was heard before is told any more. Rejects with SourceError for what cannot heal
   * by itself at the first try (`gone`, `denied`, `not-a-directory`, `credentials`, `policy`, `bad-path`);
   * the watch keeps retrying in the background nevertheless, slowly, until closed.
   */
  readonly live: Promise<void>;
  /**
   * Nothing is in doubt: who has been listening as well need not compare when this watch ends. `false` while listings are
   * compared, before the second look at a server that may be deaf at first, and in poll mode. Default: yes.
   */
  readonly sure?: boolean;
  /** Looks now for what the server does not tell by itself, where that is looked for (`rescanMinutes`). Not `sure` until then. */
  recheck?(): void;
  /**
   * An earlier owner of the same watch has told this while we listened as well: what of it we have never heard of is
   * compared, and told to be removed where it is not there.
   */
  recall?(told: readonly CheckpointDirectory[]): void;
  /** A directory that is gone or refused may be there again: looks now, not after a pause. A refused login is not repeated. */
  retry?(): void;
  /** Tells at once what is held back (settling, `stat`), as it is. */
  release?(): void;
  /**
   * What the sink has been told so far, as a picture for a later owner (`WatchOverrides.checkpoint`). `undefined` before
   * the first listing, and while something is held back (settling, `stat`).
   */
  checkpoint?(): readonly CheckpointDirectory[] | undefined;
  /**
   * What the sink has been told so far, of the whole interest or a part of it, frozen: what is told later changes nothing
   * of it. Files that are held back to settle are not in it.
   */
  snapshot?(scope?: Interest): FrozenPicture | NoPicture;
  /** With `ready`: what is waited for. */
  readonly ready?: ReadyLedger | undefined;
  /** Ends the interest. What is queued is not told any more. Idempotent. */
  close(): Promise<void>;
}

/** The files of an interest that are to be told when they are ready. */
export interface ReadyLedger {
  /** The changes themselves are not told. */
  readonly only: boolean;
  /** For a later owner: a copy. */
  readonly record: ReadyRecord;
  /** Files of which it is not known yet whether they are open, empty or not to be asked about. */
  readonly undecided: number;
  /** Directories with more files than can be waited for at the same time (`maxReady`): they are listed when there is room. */
  readonly deferred: number;
  /** Goes on with what an earlier owner waited for, and does not tell again what he has told. */
  adopt(record: ReadyRecord): void;
  /** Waits for these files as if they had just changed. */
  expect(paths: Iterable<CanonicalPath>): void;
}

/**
 * Events of one interest, in order per directory. Must not throw; must not block.
 * @param told - the event's number in the order in which the picture took it in; it may come out of that order. A snapshot
 *   knows of all up to its own number, and of none beyond. Absent where nothing is numbered.
 */
export type WatchSink = (event: WatchEvent, told?: number) => void;

/** Serves any number of interests on one share with as few handles as its cover policy allows. */
export interface ShareWatch {
  watch(interest: Interest, sink: WatchSink, options?: WatchOverrides): WatchHandle;
  /** Resolves when everything has been heard that the server had sent until now. @throws SourceError, AbortedError */
  /** What entries are like now, read from the file server. Missing: what is not there (any more). @throws SourceError, AbortedError */
  look?(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryInfo>>;
  roundTrip?(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  close(): Promise<void>;
}

/** Per interest overrides of the share's options. */
export interface WatchOverrides {
  /** CompletionFilter bits (MS-SMB2 2.2.35). */
  readonly filter?: number;
  readonly stat?: boolean;
  readonly settleMs?: number;
  readonly rescanMinutes?: number;
  /** Tells files when they are complete, besides the changes or instead. */
  readonly ready?: ReadySetting;
  /** Whoever is told keeps a picture of names by it: changes are told, whatever `only` of `ready` says. Default false. */
  readonly keepsPicture?: boolean;
  /** With `ready`: files were found to be waited for that no event tells of. Must not throw. */
  readonly onWaiting?: () => void;
  /**
   * A picture left by an earlier owner; taken over as it is. The first scan is compared with it and the differences are
   * told (`via: "rescan"`), instead of a `resync`. Directories written to since are told to be listed again as well.
   */
  readonly checkpoint?: readonly CheckpointDirectory[];
  /**
   * Consumers come and go behind this interest, and list when they please, not only when it becomes live or says
   * `resync`: wherever names may have come and gone unseen, a `resync` says so. Default false.
   */
  readonly openAudience?: boolean;
}
