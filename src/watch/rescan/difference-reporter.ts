import { baseName, type CanonicalPath } from "../../base/path.ts";
import type { Doubt } from "../doubt.ts";
import type { Change, Via } from "../events.ts";
import {
  type Announcement,
  type Gap,
  gapAfterListing,
  resyncOfTooLarge,
  resyncOnceRemembered,
  staysOpen,
} from "../gap-rules.ts";
import { type Breather, Gate } from "../pacing.ts";
import {
  diffSteps,
  EntryFlag,
  moveSteps,
  type Picture,
  type PictureNode,
  reconcile,
  type Snapshot,
  type TouchLog,
  UNKNOWN,
} from "../picture/index.ts";
import type { SourceError } from "../source.ts";
import { HEEDING, mayHaveLost, revealedIn, withoutHeard } from "./heeding.ts";
import { unknownNames } from "./identification.ts";
import type { Listing } from "./scanner.ts";

const NONE: ReadonlySet<string> = new Set();

/** Who hears what a rescan finds. */
export interface RescanReport<T> {
  /** `node.snapshot` has been replaced; these are the differences. @param number - of the listing */
  differences(node: PictureNode<T>, via: Via, changes: readonly Change[], number: number): void;
  /** The picture is that of a listing; `fresh`: it may hold names of which nothing had been told. */
  pictured(node: PictureNode<T>, listed: { modified: bigint; begunAt: number; fresh: boolean }): void;
  /** Names that are missing from a listing, and are hidden rather than gone. @throws SourceError, AbortedError */
  keeps(
    node: PictureNode<T>,
    names: readonly string[],
    listing: Snapshot,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>>;
  /** Somebody asked for this directory by its path. */
  asked(node: PictureNode<T>): boolean;
  /** Sub-directories have handles of their own. */
  expands(node: PictureNode<T>): boolean;
  /** The directory has been listed, with these sub-directories; `silent` when nobody had been told of it before. */
  listed(node: PictureNode<T>, silent: boolean, directories: Iterable<string>): void;
  /** Told for the first time; of these names the server spoke while it was listed, and nobody knows what they are. */
  adopted(node: PictureNode<T>, names: readonly string[]): void;
  /** Differences cannot be told. */
  resync(path: CanonicalPath, announcement: Announcement): void;
  /**
   * Names may have come and gone between two listings. Who listed by himself after `since` may have seen
   * what no comparison of ours can tell.
   */
  gap(node: PictureNode<T>, gap: Gap): void;
  /** A sub-directory that could not be listed. */
  skipped(path: CanonicalPath, error: SourceError): void;
}

/** Why a set of directories was listed. */
export interface RescanReasons {
  readonly doubt: Doubt | undefined;
  readonly via: Via;
  /** The server may be deaf as yet, and a second look follows: what a new directory leaves open is for that to say. */
  readonly provisional: boolean;
}

interface Rescan extends RescanReasons {
  readonly recursive: boolean;
}

/** A directory to be listed. */
export interface Target<T> {
  readonly node: PictureNode<T>;
  readonly path: CanonicalPath;
}

/** One directory as it was found. */
export interface Listed<T> extends Target<T> {
  readonly listing: Listing;
  readonly log: TouchLog;
  /** Monotonic ms. */
  readonly begunAt: number;
  /** Names had come or gone, and were told. */
  names: boolean;
}

/** The differences of one directory before they are told. */
interface News<T> {
  readonly listed: Listed<T>;
  readonly path: CanonicalPath;
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly changes: readonly Change[];
}

/**
 * Tells what listings have found. Neither listing nor comparing nor telling is atomic: what the server says
 * meanwhile is told at once, and of the names it spoke of since a listing began, the listing says nothing
 * any more.
 */
export class DifferenceReporter<T> {
  readonly #picture: Picture<T>;
  readonly #breather: Breather;
  readonly #report: RescanReport<T>;
  /** Two rescans of one directory must not tell turn by turn. */
  readonly #telling = new Gate(1);
  /** Which doubt the last listing was to settle: where two interests share a directory, it is listed for each. */
  readonly #settled = new WeakMap<PictureNode<T>, Doubt>();

  constructor(picture: Picture<T>, breather: Breather, report: RescanReport<T>) {
    this.#picture = picture;
    this.#breather = breather;
    this.#report = report;
  }

  /** Parents before what is below them. @throws AbortedError */
  async tell(found: readonly Listed<T>[], rescan: Rescan, signal: AbortSignal): Promise<void> {
    const leave = await this.#telling.enter(signal);
    const remembered: CanonicalPath[] = [];
    try {
      await this.#tell(found, rescan, signal, remembered);
    } finally {
      leave();
      // Last: what lies below has been adopted in silence, and is in a snapshot from now on.
      const due = resyncOnceRemembered(rescan.recursive, rescan.doubt);
      for (const path of remembered) this.#report.resync(path, due);
    }
  }

  /** @param remembered - gets those that were too large until now */
  async #tell(
    found: readonly Listed<T>[],
    rescan: Rescan,
    signal: AbortSignal,
    remembered: CanonicalPath[],
  ): Promise<void> {
    const { recursive, doubt, provisional } = rescan;
    const news: News<T>[] = [];
    for (const listed of found) {
      const { node, listing, path } = listed;
      if (this.#picture.find(path) !== node || listing.tooLarge || isOutdated(listed)) continue;
      if (node.snapshot !== undefined) news.push(await this.#compare(listed, node.snapshot, signal));
    }
    const paired = await this.#breather.run(moveSteps(news), signal);
    const byListing = new Map(
      news.map((each, index) => [each.listed, { ...each, changes: paired[index] ?? [] }]),
    );
    for (const listed of found) {
      const { node, path, listing } = listed;
      await this.#breather.after(1, signal);
      // An ancestor's differences, told a moment ago, may have taken this directory away.
      if (this.#picture.find(path) !== node) continue;
      if (node.entered) markDirectory(node);
      const wasTold = node.told;
      // A later one of the directory alone says nothing of what lies below, and was not listed here either.
      if (!isOutdated(listed) || (listing.tooLarge && recursive)) {
        if (listing.tooLarge) this.#tellTooLarge(listed, recursive, wasTold);
        else if (node.snapshot === undefined) {
          if (node.blind) remembered.push(path);
          this.#adopt(listed);
        } else {
          await this.#tellDifferences(listed, byListing.get(listed), rescan, signal);
          if (this.#picture.find(path) !== node) continue;
          // New, and not looked at for the last time: its gap goes on.
          if (staysOpen(node, provisional, doubt)) {
            node.listing = listed.log.number;
            this.#report.listed(node, false, subdirectories(listed));
            continue;
          }
          this.#tellGap(listed, doubt, byListing.get(listed)?.changes);
        }
        this.#tellFiles(listed);
        const { modified } = listing;
        const unheard = doubt !== undefined && node.dirModified !== modified;
        const fresh = node.inherited || node.dirModified === undefined || unheard;
        this.#report.pictured(node, { modified, begunAt: listed.begunAt, fresh });
        node.inherited = false;
        node.dirModified = listing.modified;
        node.rescannedAt = listed.begunAt;
        node.listing = Math.max(node.listing, listed.log.number);
        if (doubt !== undefined) this.#settled.set(node, doubt);
      } else if (doubt !== undefined && this.#settled.get(node) !== doubt) this.#report.gap(node, doubt);
      this.#report.listed(node, !wasTold, subdirectories(listed));
    }
  }

  async #compare(listed: Listed<T>, before: Snapshot, signal: AbortSignal): Promise<News<T>> {
    const after = reconcile(before, listed.listing.snapshot, listed.log);
    const changes = await this.#breather.run(diffSteps(before, after), signal);
    const hidden = await this.#hidden(listed, changes, after, signal);
    for (const name of hidden) after.set(name, before.get(name) ?? UNKNOWN);
    const told = hidden.size === 0 ? changes : changes.filter(({ name }) => !hidden.has(name));
    return { listed, path: listed.path, before, after, changes: told };
  }

  /** Removals that are none. */
  async #hidden(
    { node }: Listed<T>,
    changes: readonly Change[],
    after: Snapshot,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const added = new Set<string>();
    const removed: string[] = [];
    for (const { action, name } of changes) {
      if (action === "removed") removed.push(name);
      else if (action === "added") added.add(name);
    }
    const missing = removed.filter((name) => !added.has(name));
    return missing.length === 0 ? NONE : this.#report.keeps(node, missing, after, signal);
  }

  async #tellDifferences(
    listed: Listed<T>,
    known: News<T> | undefined,
    rescan: Rescan,
    signal: AbortSignal,
  ): Promise<void> {
    const { node, path } = listed;
    let news = known;
    for (;;) {
      const told = node.snapshot;
      if (this.#picture.find(path) !== node || told === undefined) return;
      // Another picture than the one compared: the directory was told to be empty meanwhile.
      if (news?.before !== told) news = await this.#compare(listed, told, signal);
      else if (await this.#tellInParts(news, rescan, signal)) return;
    }
  }

  /** `false` when the picture was replaced before all was told. */
  async #tellInParts(
    { listed, path, before, after, changes: found }: News<T>,
    { via, doubt }: Rescan,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { node, log } = listed;
    const revealed = mayHaveLost(doubt) ? NONE : revealedIn(found, before);
    const others = revealed.size === 0 ? found : found.filter(({ name }) => !revealed.has(name));
    const changes = HEEDING.has(doubt?.reason) ? withoutHeard(others, before, after) : others;
    const atOnce = this.#breather.stepsPerTurn;
    for (let at = 0; at < changes.length; at += atOnce) {
      const part = changes.slice(at, at + atOnce).flatMap((change) => untouched(change, log));
      for (const change of part) {
        node.distinguish(change.name);
        if (change.action === "removed") before.delete(change.name);
        else before.set(change.name, after.get(change.name) ?? UNKNOWN);
        if (change.oldName !== undefined) before.delete(change.oldName);
      }
      listed.names ||= part.some(({ action }) => action !== "modified");
      if (part.length > 0) this.#report.differences(node, via, part, log.number);
      await this.#breather.after(part.length, signal);
      if (this.#picture.find(path) !== node || node.snapshot !== before) return false;
    }
    node.snapshot = reconcile(before, after, log);
    if (revealed.size > 0) this.#report.adopted(node, [...revealed]);
    return true;
  }

  #tellGap(
    { node, listing: { modified }, begunAt }: Listed<T>,
    doubt: Doubt | undefined,
    changes: readonly Change[] | undefined,
  ): void {
    const namesAgree = changes?.every(({ action }) => action === "modified") === true;
    const { gap, explained } = gapAfterListing(node, { modified, begunAt, namesAgree }, doubt);
    if (explained) node.explainedAt = begunAt;
    if (gap !== undefined) this.#report.gap(node, gap);
  }

  /** What is a file holds nothing: names that were told below it are ghosts, and no listing of their own will say so. */
  #tellFiles({ node, log }: Listed<T>): void {
    for (const child of node.children()) {
      const { snapshot } = child;
      if (snapshot === undefined || snapshot.size === 0) continue;
      const { flags = 0 } = node.snapshot?.get(child.name) ?? {};
      if ((flags & (EntryFlag.known | EntryFlag.directory | EntryFlag.link)) !== EntryFlag.known) continue;
      const changes = [...snapshot.entries()].map(([name]): Change => ({ action: "removed", name }));
      for (const { name } of changes) snapshot.delete(name);
      this.#report.differences(child, "rescan", changes, log.number);
    }
  }

  /** The first listing of a directory that nobody was told of, or that was too large until now. */
  #adopt({ node, listing, log }: Listed<T>): void {
    const adopted = reconcile(node.snapshot, listing.snapshot, log);
    node.snapshot = adopted;
    node.blind = false;
    const unknown = [...log.keys()].filter((name) => {
      const mark = adopted.get(name);
      return mark !== undefined && (mark.flags & EntryFlag.known) === 0;
    });
    if (unknown.length > 0) this.#report.adopted(node, unknown);
  }

  #tellTooLarge({ node, listing, log }: Listed<T>, recursive: boolean, wasTold: boolean): void {
    // Nothing below was listed either: what is remembered of it may be of another time.
    for (const each of recursive ? node.walk() : [node]) {
      // Somebody is about to say what they are.
      const unknown = each.snapshot === undefined ? [] : [...unknownNames(each.snapshot)];
      if (unknown.length > 0) each.unidentified = new Set([...(each.unidentified ?? []), ...unknown]);
      each.snapshot = undefined;
      each.blind = true;
    }
    // Sub-directories with handles of their own are all that is remembered of it.
    if (this.#report.expands(node)) {
      const there = new Set([...listing.directories.keys()].map((name) => node.child(name)));
      const gone = [...node.children()].filter((child) => child.told && !there.has(child));
      const removed = gone.map((child): Change => ({ action: "removed", name: baseName(child.path) }));
      const unheard = removed.filter(({ name }) => !log.has(name));
      if (unheard.length > 0) this.#report.differences(node, "rescan", unheard, log.number);
    }
    const due = resyncOfTooLarge(recursive, wasTold);
    if (due !== undefined) this.#report.resync(node.path, due);
  }
}

/** What is told in it makes it known as one, also where the server spoke of its name meanwhile: should it be a file now, that must be noticed. */
function markDirectory<T>(node: PictureNode<T>): void {
  const { parent, name } = node;
  node.entered = false;
  const mark = parent?.snapshot?.get(name);
  if (mark !== undefined) parent?.snapshot?.set(name, { ...mark, flags: mark.flags | EntryFlag.directory });
}

/** By what is known now, or by the listing of a directory too large to remember. */
function subdirectories<T>({ node, listing }: Listed<T>): Iterable<string> {
  return node.snapshot?.directories() ?? listing.directories.keys();
}

/** A later listing has been told already. */
function isOutdated<T>({ node, log }: Listed<T>): boolean {
  return node.told && log.number < node.listing;
}

/** What is left of a difference where the server has spoken of its names meanwhile. */
function untouched(change: Change, log: TouchLog): Change[] {
  const { action, name, oldName } = change;
  if (oldName === undefined || action !== "renamed") return log.has(name) ? [] : [change];
  if (!log.has(name) && !log.has(oldName)) return [change];
  return [
    ...(log.has(oldName) ? [] : [{ action: "removed", name: oldName } as const]),
    ...(log.has(name) ? [] : [{ action: "added", name } as const]),
  ];
}
