import { Backoff, sleep } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { foldCase } from "../../base/path.ts";
import { EntryFlag, type Picture, type PictureNode, type Snapshot, TouchLog } from "../picture/index.ts";
import type { DirectoryEntry, EntryInfo } from "../source.ts";
import type { Habits } from "./habits.ts";
import type { NameLookup } from "./name-lookup.ts";

/** What follows from what a name turned out to be. */
export interface NameReport<T> {
  /** Listed, and consumers do not have it. */
  emerged(node: PictureNode<T>, entries: readonly DirectoryEntry[]): void;
  /** Consumers have it; no listing shows it, and it cannot be opened. */
  vanished(node: PictureNode<T>, names: readonly string[]): void;
  /** Told as new, a directory: watch it. */
  isDirectory(node: PictureNode<T>, name: string, info: EntryInfo): void;
  /** What was said about this directory does not add up, or nobody could say. */
  doubtful(node: PictureNode<T>): void;
  /** Something in it may go by another name: list it, and compare. */
  compare(node: PictureNode<T>): void;
  /** It is not for us, or not there: what its names are, is not known. */
  refused(node: PictureNode<T>): void;
}

/** What those who look names up have in common. */
export interface NameServices<T> {
  readonly lookup: NameLookup;
  readonly picture: Picture<T>;
  readonly clock: Clock;
  /** Aborted, and then another one, when nobody watches anything any more: there is nobody to look for. */
  readonly signal: AbortSignal;
  readonly habits: Habits;
}

/** What takes a name away, or shows it, is told by then: most names that are not listed have gone again. */
const GRACE_MS = 500;
const FIRST_LOOK_MS = 1_000;
const LAST_LOOK_MS = 60_000;
/**
 * So long a name that opens and is not listed stays told: until then it may only be new (`hide new files timeout`). With
 * what it takes to notice that, no more than two minutes.
 */
const KEPT_MS = 110_000;
/** So long a name that does not even open is looked for: a link whose target may come, a file that may be shown. */
const WANTED_MS = 600_000;
/** Names of one directory that are missing from a listing, and are opened by name before their removal is told. */
const OPENED_BEFORE_REMOVAL = 64;
const SAMPLE = 4;
const NONE: ReadonlySet<string> = new Set();

/**
 * Names that a server speaks of and no listing shows. Samba tells of dangling links, of vetoed and unreadable files and
 * of files that `hide new files timeout` keeps back, as of any other; listings leave them out. Consumers are to have what
 * they would list: a name that stays unlisted is told to be removed, unless it can be opened, which says that
 * it is hidden for a while. What is shown later is found by looking again.
 */
export class UnlistedNames<T> {
  readonly #lookup: NameLookup;
  readonly #picture: Picture<T>;
  readonly #clock: Clock;
  readonly #services: NameServices<T>;
  readonly #habits: Habits;
  readonly #report: NameReport<T>;
  /** Directories that are looked at again from time to time, and how to begin anew with short pauses. */
  readonly #looking = new Map<PictureNode<T>, { readonly pause: Backoff; readonly signal: AbortSignal }>();

  constructor(services: NameServices<T>, report: NameReport<T>) {
    this.#lookup = services.lookup;
    this.#picture = services.picture;
    this.#clock = services.clock;
    this.#services = services;
    this.#habits = services.habits;
    this.#report = report;
  }

  get #signal(): AbortSignal {
    return this.#services.signal;
  }

  /** A lookup has not found these. Never rejects. @param found - what is listed now, and consumers have already */
  async missed(
    node: PictureNode<T>,
    names: readonly string[],
    found: (entry: DirectoryEntry) => void,
  ): Promise<void> {
    const log = new TouchLog();
    node.listen(log);
    try {
      await sleep(GRACE_MS, { signal: this.#signal, clock: this.#clock });
      await this.#judge(node, names.filter(isOpen(node, log)), log, found);
    } catch {
      if (!this.#signal.aborted) this.#report.doubtful(node);
    } finally {
      node.unlisten(log);
    }
  }

  /**
   * Which of the names that a listing no longer shows are hidden rather than gone. All are asked for where that is known
   * to happen, of many a sample. @throws SourceError, AbortedError
   */
  async keeps(
    node: PictureNode<T>,
    names: readonly string[],
    listing: Snapshot,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const kept = new Set(names.filter((name) => node.unlisted?.get(name)?.told === true));
    const missing = names.filter((name) => !kept.has(name));
    const heard = missing.filter((name) => ((node.snapshot?.get(name)?.flags ?? 0) & EntryFlag.known) === 0);
    const doubted = this.#habits.hides ? missing.slice(0, OPENED_BEFORE_REMOVAL) : suspects(heard, missing);
    if (doubted.length === 0) return kept;
    const opened = await this.#lookup.readable(node.path, doubted, signal);
    const others = opened.size === 0 ? NONE : foldedNames(listing);
    for (const name of opened.keys()) {
      if (others.has(foldCase(name))) continue;
      kept.add(name);
      this.#habits.hid();
      this.#keep(node, name, true, true);
    }
    return kept;
  }

  async #judge(
    node: PictureNode<T>,
    names: readonly string[],
    log: TouchLog,
    found: (entry: DirectoryEntry) => void,
  ): Promise<void> {
    if (names.length === 0 || !this.#isThere(node)) return;
    const path = node.path;
    const answer = await this.#lookup.listed(path, names, this.#signal);
    if (answer === undefined || !this.#isThere(node)) return;
    const { listed, respelled } = answer;
    for (const [name, entry] of listed) if (!log.has(name) && node.unlisted?.has(name) !== true) found(entry);
    this.#show(node, [...listed.values()], log);
    const missing = names.filter((name) => !listed.has(name) && isOpen(node, log)(name));
    if (missing.length === 0) return;
    const opened = await this.#lookup.readable(path, unless(respelled, missing), this.#signal);
    if (!this.#isThere(node)) return;
    const gone: string[] = [];
    for (const name of missing.filter(isOpen(node, log))) {
      const info = opened.get(name);
      const told = node.unlisted?.get(name)?.told !== false;
      // What was never told, and is nowhere, says nothing: it may be no name at all.
      if (told || info !== undefined) this.#habits.hid();
      this.#keep(node, name, told && info !== undefined, info !== undefined);
      if (info === undefined && told) gone.push(name);
      if (info !== undefined && told && info.type === "directory") this.#report.isDirectory(node, name, info);
      // It goes by another name in listings, or is to be seen soon.
      if (info !== undefined && !told) this.#report.compare(node);
    }
    if (gone.length > 0) this.#report.vanished(node, gone);
    // Nobody has said by which name it goes now.
    if (missing.some((name) => respelled.has(name))) this.#report.compare(node);
  }

  #keep(node: PictureNode<T>, name: string, told: boolean, opens: boolean): void {
    node.conceal(name, { told, opens, since: this.#clock.monotonic() });
    const looking = this.#looking.get(node);
    // One may end for those who wanted to know before.
    if (looking?.signal.aborted === false) looking.pause.reset();
    else void this.#lookAgain(node);
  }

  /** Looks for what is hidden, until nothing is. */
  async #lookAgain(node: PictureNode<T>): Promise<void> {
    const pause = new Backoff({ initialMs: FIRST_LOOK_MS, maxMs: LAST_LOOK_MS, random: () => 1 });
    const signal = this.#signal;
    const looking = { pause, signal };
    this.#looking.set(node, looking);
    try {
      while (node.unlisted !== undefined && node.unlisted.size > 0) {
        const ms = Math.min(pause.next(), this.#untilExpired(node));
        await sleep(ms, { signal, clock: this.#clock });
        if (!this.#isThere(node)) return;
        await this.#look(node).catch(() => undefined);
      }
    } catch {
      // We were stopped.
    } finally {
      if (this.#looking.get(node) === looking) this.#looking.delete(node);
    }
  }

  /** Until something that is told has been hidden for too long, ms. */
  #untilExpired(node: PictureNode<T>): number {
    const now = this.#clock.monotonic();
    const told = [...(node.unlisted?.values() ?? [])].filter((one) => one.told);
    return told.reduce(
      (ms, { since }) => Math.min(ms, Math.max(FIRST_LOOK_MS, since + KEPT_MS - now)),
      LAST_LOOK_MS,
    );
  }

  async #look(node: PictureNode<T>): Promise<void> {
    const log = new TouchLog();
    node.listen(log);
    try {
      const names = [...(node.unlisted?.keys() ?? [])];
      const found = await this.#lookup.listed(node.path, names, this.#signal);
      if (found === undefined || !this.#isThere(node)) return;
      this.#show(node, [...found.listed.values()], log);
      const hidden = names.filter((name) => node.unlisted?.get(name)?.opens === true && !log.has(name));
      const opened = await this.#lookup.readable(node.path, unless(found.respelled, hidden), this.#signal);
      if (this.#isThere(node)) this.#expire(node, hidden, opened, log);
    } finally {
      node.unlisten(log);
    }
  }

  #expire(
    node: PictureNode<T>,
    hidden: readonly string[],
    opened: ReadonlyMap<string, EntryInfo>,
    log: TouchLog,
  ): void {
    const now = this.#clock.monotonic();
    const gone: string[] = [];
    for (const [name, { told, opens, since }] of [...(node.unlisted ?? [])]) {
      if (log.has(name)) continue;
      if (hidden.includes(name) && !opened.has(name)) {
        node.unlisted?.delete(name);
        if (told) gone.push(name);
      } else if (told && now - since >= KEPT_MS) {
        node.conceal(name, { told: false, opens, since });
        gone.push(name);
      } else if (!opens && now - since >= WANTED_MS) node.unlisted?.delete(name);
    }
    if (gone.length > 0) this.#report.vanished(node, gone);
  }

  /** What is listed now. */
  #show(node: PictureNode<T>, entries: readonly DirectoryEntry[], log: TouchLog): void {
    const fresh: DirectoryEntry[] = [];
    for (const entry of entries) {
      if (log.has(entry.name)) continue;
      if (node.reveal(entry.name)) fresh.push(entry);
    }
    if (fresh.length > 0) this.#report.emerged(node, fresh);
  }

  #isThere(node: PictureNode<T>): boolean {
    return this.#picture.find(node.path) === node;
  }
}

/** Whether a name has not been spoken of since, and consumers have it, or it is known that they do not. */
function isOpen<T>(node: PictureNode<T>, log: TouchLog): (name: string) => boolean {
  return (name) =>
    !log.has(name) && (node.blind || node.snapshot?.has(name) || node.unlisted?.has(name)) === true;
}

/** A server that compares without case opens what is listed by another spelling: that is no sign of a name. */
function unless(respelled: ReadonlySet<string>, names: readonly string[]): readonly string[] {
  return respelled.size === 0 ? names : names.filter((name) => !respelled.has(name));
}

/** To find what is there, but by another spelling. */
export function foldedNames(listing: Snapshot): ReadonlySet<string> {
  const folded = new Set<string>();
  for (const [name] of listing.entries()) folded.add(foldCase(name));
  return folded;
}

/** Those only heard of have never been on a listing; of what has been, a few stand for all. */
function suspects(heard: readonly string[], all: readonly string[]): string[] {
  return [...new Set([...heard.slice(0, SAMPLE * 4), ...all.slice(0, SAMPLE)])];
}
