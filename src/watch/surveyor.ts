import type { Clock } from "../base/clock.ts";
import { type CanonicalPath, joinPath } from "../base/path.ts";
import type { Interest } from "./api.ts";
import { diff, isReplaced, pairMoves } from "./diff.ts";
import type { Change, ResyncReason, ResyncScope, Via } from "./events.ts";
import { type Picture, type PictureNode, reconcile, type TouchLog } from "./picture.ts";
import type { Budget, Listing, Scanner } from "./scanner.ts";
import { EntryFlag, Snapshot } from "./snapshot.ts";
import { type DirectorySource, SourceError } from "./source.ts";
import type { Doubt } from "./watcher-status.ts";

/** Who hears what a survey finds. */
export interface SurveyReport<T> {
  /** `node.snapshot` has been replaced; these are the differences. */
  differences(node: PictureNode<T>, via: Via, changes: readonly Change[]): void;
  /** The directory has been listed; `silent` when nobody had been told of it before. */
  listed(node: PictureNode<T>, silent: boolean): void;
  /** Differences cannot be told. */
  resync(path: CanonicalPath, scope: ResyncScope, reason: ResyncReason): void;
  /**
   * Names may have come and gone between two listings. Who listed by himself after `since` may have seen
   * what no comparison of ours can tell.
   */
  gap(node: PictureNode<T>, since: number, reason: ResyncReason): void;
  /** A sub-directory that could not be listed. */
  skipped(path: CanonicalPath, error: SourceError): void;
}

interface Target<T> {
  readonly node: PictureNode<T>;
  readonly path: CanonicalPath;
  readonly modified: bigint;
  /** Just made: no name can have come and gone in it. */
  readonly pristine: boolean;
}

interface Listed<T> extends Target<T> {
  readonly listing: Listing;
  readonly log: TouchLog;
  readonly begunAt: number;
}

/**
 * The one way out of every doubt: list a directory (or tree), compare with what has been told, tell the
 * differences. Directories that turn out to be new are told to the owner, who has them watched and
 * surveyed by themselves, so that nothing below is told before they are.
 */
export class Surveyor<T> {
  readonly #source: DirectorySource;
  readonly #scanner: Scanner;
  readonly #picture: Picture<T>;
  readonly #clock: Clock;
  readonly #maxEntries: number;
  readonly #report: SurveyReport<T>;

  constructor(
    source: DirectorySource,
    scanner: Scanner,
    picture: Picture<T>,
    clock: Clock,
    maxEntries: number,
    report: SurveyReport<T>,
  ) {
    this.#source = source;
    this.#scanner = scanner;
    this.#picture = picture;
    this.#clock = clock;
    this.#maxEntries = maxEntries;
    this.#report = report;
  }

  /** @throws SourceError when the root itself cannot be listed; AbortedError. */
  async survey(root: Interest, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void> {
    const node = this.#picture.find(root.path);
    const info = await this.#source.stat(root.path, { signal });
    // A directory that was told to be gone meanwhile: should it return, it is surveyed as a new one.
    if (node === undefined || this.#picture.find(root.path) !== node) return;
    if (info.type !== "directory") {
      throw new SourceError("not-a-directory", `${root.path} is not a directory`);
    }
    const budget: Budget = { left: this.#maxEntries };
    const found: Listed<T>[] = [];
    const pristine = info.created === info.modified;
    let level: Target<T>[] = [{ node, path: root.path, modified: info.modified, pristine }];
    const first = level[0];
    try {
      while (level.length > 0) {
        const next: Target<T>[] = [];
        const lists = level.map((target) => this.#list(target, target === first, budget, signal));
        for (const result of await all(lists)) {
          if (result === undefined) continue;
          found.push(result);
          if (root.recursive && !result.listing.tooLarge) next.push(...this.#below(result));
        }
        level = next;
      }
      this.#tell(found, root.recursive, doubt, via);
    } finally {
      for (const { node, log } of found) node.logs.delete(log);
    }
  }

  async #list(
    target: Target<T>,
    isRoot: boolean,
    budget: Budget,
    signal: AbortSignal,
  ): Promise<Listed<T> | undefined> {
    const { node, path } = target;
    const log: TouchLog = new Map();
    let begunAt = 0;
    try {
      const listing = await this.#scanner.list(path, budget, signal, () => {
        begunAt = this.#clock.monotonic();
        node.logs.add(log);
      });
      return { ...target, listing, log, begunAt };
    } catch (error) {
      node.logs.delete(log);
      if (isRoot || !(error instanceof SourceError)) throw error;
      // What vanished meanwhile is the business of its parent's records.
      if (error.failure === "gone" || error.failure === "not-a-directory") return undefined;
      if (error.failure !== "denied" && error.failure !== "bad-path") throw error;
      this.#report.skipped(path, error);
      return undefined;
    }
  }

  /** Sub-directories to list in the same survey: known ones, and all where nothing has been told yet. */
  #below({ node, path, listing }: Listed<T>): Target<T>[] {
    const targets: Target<T>[] = [];
    for (const [name, modified] of listing.directories) {
      const before = node.snapshot?.get(name);
      const now = listing.snapshot.get(name);
      const known = before !== undefined && now !== undefined && !isReplaced(before, now);
      if (node.told && !known) continue;
      const child = node.ensure(name);
      child.spell(`/${name}`);
      if (node.told && !child.told) child.snapshot = new Snapshot();
      targets.push({ node: child, path: joinPath(path, name), modified, pristine: false });
    }
    return targets;
  }

  #tell(found: readonly Listed<T>[], recursive: boolean, doubt: Doubt | undefined, via: Via): void {
    const news: {
      listed: Listed<T>;
      before: Snapshot;
      after: Snapshot;
      changes: Change[];
      path: CanonicalPath;
    }[] = [];
    for (const listed of found) {
      const { node, listing, log, path } = listed;
      const before = node.snapshot;
      if (this.#picture.find(path) !== node || before === undefined || listing.tooLarge) continue;
      const after = reconcile(before, listing.snapshot, log);
      news.push({ listed, before, after, changes: diff(before, after), path });
    }
    const changes = new Map(
      pairMoves(news).map((paired, index) => [news[index]?.listed, { paired, news: news[index] }]),
    );
    for (const listed of found) {
      const { node, path, listing } = listed;
      // An ancestor's differences, told a moment ago, may have taken this directory away.
      if (this.#picture.find(path) !== node) continue;
      const known = changes.get(listed);
      const wasTold = node.told;
      if (listing.tooLarge) this.#tellTooLarge(node, recursive, wasTold);
      else if (known?.news !== undefined && node.snapshot === known.news.before) {
        const news =
          doubt?.reason === "settling" ? withoutHeard(known.paired, known.news.before) : known.paired;
        this.#tellDifferences(listed, known.news.after, news, doubt, via);
      } else this.#adopt(listed, recursive, doubt);
      node.dirModified = listed.modified;
      node.surveyedAt = listed.begunAt;
      this.#report.listed(node, !wasTold);
    }
  }

  #tellDifferences(
    listed: Listed<T>,
    after: Snapshot,
    changes: readonly Change[],
    doubt: Doubt | undefined,
    via: Via,
  ): void {
    const { node } = listed;
    node.snapshot = after;
    if (changes.length > 0) this.#report.differences(node, via, changes);
    const since = gapBefore(listed, doubt);
    if (since !== undefined)
      this.#report.gap(node, since, doubt === undefined ? "silent" : resyncReason(doubt));
  }

  /** The first listing of a directory that nobody was told of, or that was too large until now. */
  #adopt({ node, listing, log }: Listed<T>, recursive: boolean, doubt: Doubt | undefined): void {
    const wasBlind = node.blind;
    node.snapshot = reconcile(node.snapshot, listing.snapshot, log);
    node.blind = false;
    if (wasBlind) {
      this.#report.resync(
        node.path,
        recursive ? "subtree" : "self",
        doubt === undefined ? "too-large" : resyncReason(doubt),
      );
    }
  }

  #tellTooLarge(node: PictureNode<T>, recursive: boolean, wasTold: boolean): void {
    node.snapshot = undefined;
    node.blind = true;
    if (wasTold) this.#report.resync(node.path, recursive ? "subtree" : "self", "too-large");
  }
}

/** Since when names may have come and gone in a directory unseen; `undefined` if none can have. */
function gapBefore<T>(
  { node, modified, pristine, begunAt }: Listed<T>,
  doubt: Doubt | undefined,
): number | undefined {
  // A directory new to us, but maybe not to a consumer who has just listed the tree by himself.
  if (node.dirModified === undefined) return pristine ? undefined : begunAt;
  if (doubt === undefined || doubt.reason === "settling" || node.dirModified === modified) return undefined;
  return doubt.reason === "timer" ? node.surveyedAt : doubt.since;
}

/**
 * Of a name that came by notification only its being there is known, so a listing makes it look modified. Since
 * it was heard of, the server was listening: a second look need not tell it again.
 */
function withoutHeard(changes: readonly Change[], before: Snapshot): readonly Change[] {
  const heard = (name: string): boolean => ((before.get(name)?.flags ?? 0) & EntryFlag.known) === 0;
  return changes.filter(({ action, name }) => action !== "modified" || !heard(name));
}

function resyncReason(doubt: Doubt): ResyncReason {
  return doubt.reason === "timer" || doubt.reason === "settling" ? "silent" : doubt.reason;
}

/** Waits for all, even when one fails: no listing may go on unobserved. */
async function all<V>(promises: readonly Promise<V>[]): Promise<V[]> {
  const results = await Promise.allSettled(promises);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
