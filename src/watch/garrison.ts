import { Backoff, sleep } from "../base/async.ts";
import { type CanonicalPath, isWithin, joinPath, pathKey } from "../base/path.ts";
import type { LocatedChange } from "./coalesce.ts";
import { effectiveCover, treeFor } from "./cover.ts";
import type { Via } from "./events.ts";
import { Herald } from "./herald.ts";
import type { Inquirer } from "./inquirer.ts";
import { type ActiveInterest, InterestIndex, type InterestStatus } from "./interest.ts";
import type { ResolvedOptions, Surroundings } from "./options.ts";
import { type Gate, Pacer } from "./pacing.ts";
import { Picture, type PictureNode } from "./picture.ts";
import { Scanner } from "./scanner.ts";
import { type DirectorySource, SourceError } from "./source.ts";
import { Surveyor } from "./surveyor.ts";
import { type Doubt, Watcher, type WatcherHost } from "./watcher.ts";

/** The handles of one directory. */
interface Post {
  directory?: Watcher;
  tree?: Watcher;
}

type Node = PictureNode<Post>;

/**
 * Keeps a watcher where one is wanted, and none elsewhere. A new handle is live before the one it
 * replaces lets go, and then looks once more for what the old one may have left half told.
 */
export class Garrison implements WatcherHost {
  readonly picture: Picture<Post>;
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  readonly #surroundings: Surroundings;
  readonly #interests: InterestIndex;
  readonly #herald: Herald<Post>;
  readonly #surveyor: Surveyor<Post>;
  readonly #inquirer: Inquirer;
  readonly #checks: Pacer;
  readonly #stop = new AbortController();
  readonly #watchers = new Set<Watcher>();
  readonly #closing = new Set<Promise<void>>();
  /** Watchers that an interest may have to wait for before it is live. */
  readonly #unsettled = new Set<Watcher>();
  /** Sub-directories that cannot be watched, and why. */
  readonly #troubled = new Map<Watcher, string>();
  /** Keys of recursive interests that would need more than `maxHandles`. */
  readonly #fallen = new Set<string>();
  readonly #retries = new Map<ActiveInterest, () => void>();

  constructor(
    source: DirectorySource,
    options: ResolvedOptions,
    surroundings: Surroundings,
    gate: Gate,
    inquirer: Inquirer,
  ) {
    const { clock } = surroundings;
    this.#source = source;
    this.#options = options;
    this.#surroundings = surroundings;
    this.#inquirer = inquirer;
    this.#checks = new Pacer(clock, options.checksPerSecond);
    this.picture = new Picture(options.caseSensitive);
    const key = (path: CanonicalPath): string => this.#key(path);
    this.#interests = new InterestIndex(key);
    this.#herald = new Herald(this.picture, this.#interests, clock, key, {
      left: (node) => this.#withdraw(node),
      poke: (node) => this.#poke(node),
      entered: (node) => this.#entered(node),
      enquire: (node, names) => void this.#enquire(node, names),
    });
    const scanner = new Scanner(source, gate, clock, { entriesPerSecond: options.scanEntriesPerSecond });
    this.#surveyor = new Surveyor(source, scanner, this.picture, clock, options.maxEntries, {
      differences: (node, via, changes) => this.#herald.differences(node, via, changes),
      listed: (node, silent) => this.#expand(node, silent),
      resync: (path, scope, reason) => this.#herald.resync(path, scope, reason),
      gap: (node, since, reason) => this.#herald.gap(node, since, reason),
      skipped: () => undefined,
    });
  }

  get handles(): number {
    return this.#watchers.size;
  }

  add(active: ActiveInterest): void {
    this.#interests.add(active);
    this.picture.ensure(active.interest.path);
  }

  /** Sees to it that the interest is covered. */
  serve(active: ActiveInterest): void {
    if (active.closed || this.#stop.signal.aborted) return;
    const { path, recursive } = active.interest;
    const tree = this.#treeFor(path);
    const node = this.picture.ensure(path);
    if (tree !== undefined) {
      this.#ensureTree(this.picture.ensure(tree), active);
      void this.#surveyRoot(active);
    } else {
      const watcher = this.#ensureDirectory(node);
      if (watcher === undefined) this.#fall(active);
      else if (recursive && node.told) this.#expand(node, true);
    }
    this.#refresh(active);
  }

  remove(active: ActiveInterest): void {
    this.#interests.delete(active);
    this.#retries.get(active)?.();
    this.#retries.delete(active);
    if (this.#stop.signal.aborted) return;
    this.#fallen.delete(this.#key(active.interest.path));
    this.#retire(active.interest.path);
  }

  reportAll(error: SourceError): void {
    const state = error.failure === "unreachable" ? "unreachable" : "denied";
    for (const active of this.#interests) this.#report(active, { state, mode: "notify", error });
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const active of [...this.#interests]) await active.close();
    for (const watcher of this.#watchers) this.#dismiss(watcher);
    while (this.#closing.size > 0) await Promise.allSettled(this.#closing);
  }

  notified(watcher: Watcher, changes: readonly LocatedChange[]): void {
    const base = this.#nodeOf(watcher)?.path ?? watcher.spec.path;
    let run: LocatedChange[] = [];
    const tell = (): void => {
      const [first] = run;
      if (first === undefined) return;
      this.#herald.records(
        joinPath(base, first.directory),
        run.map(({ change }) => change),
      );
      run = [];
    };
    for (const located of changes) {
      if (run[0] !== undefined && run[0].directory !== located.directory) tell();
      run.push(located);
    }
    tell();
  }

  async survey(watcher: Watcher, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void> {
    const { path, recursive } = watcher.spec;
    if (!recursive) {
      await this.#surveyor.survey({ path, recursive: false }, doubt, via, signal);
      return;
    }
    for (const active of this.#rootsUnder(watcher)) {
      try {
        await this.#surveyor.survey(active.interest, doubt, via, signal);
        this.#found(active);
      } catch (error) {
        if (!isAbsence(error) || this.#key(active.interest.path) === this.#key(path)) throw error;
        this.#miss(active, error);
      }
    }
  }

  statusChanged(watcher: Watcher): void {
    const { path, recursive } = watcher.spec;
    const { state, error } = watcher.status;
    if (watcher.settled) this.#unsettled.delete(watcher);
    const trouble =
      state === "denied" || state === "degraded" ? `${path}: ${error?.message ?? state}` : undefined;
    if (trouble !== undefined && !recursive) this.#troubled.set(watcher, trouble);
    else this.#troubled.delete(watcher);
    if (recursive) {
      if (state === "live") this.#retire(path);
      for (const active of this.#interests) {
        if (isWithin(this.#key(path), this.#key(active.interest.path))) this.#refresh(active);
      }
    } else {
      for (const active of this.#interests.covering(path)) this.#refresh(active);
    }
  }

  #report(active: ActiveInterest, status: InterestStatus): void {
    active.report(status, this.#surroundings.clock.monotonic());
  }

  #refresh(active: ActiveInterest): void {
    const { path, recursive } = active.interest;
    const tree = this.#treeFor(path);
    const post = this.picture.find(tree ?? path)?.attachment;
    const watcher = tree === undefined ? post?.directory : post?.tree;
    if (watcher === undefined) return;
    const { status } = watcher;
    if (status.state !== "live") this.#report(active, status);
    else if (tree !== undefined) this.#refreshInTree(active, status);
    else if (!recursive) this.#report(active, status);
    else {
      const inside = (other: Watcher): boolean => isWithin(this.#key(path), this.#key(other.spec.path));
      if (!active.wasLive) for (const other of this.#unsettled) if (inside(other)) return;
      for (const [other, trouble] of this.#troubled) {
        if (inside(other)) {
          this.#report(active, { ...status, state: "degraded", error: trouble });
          return;
        }
      }
      this.#report(active, status);
    }
  }

  #refreshInTree(active: ActiveInterest, status: InterestStatus): void {
    const { missing } = active;
    if (missing !== undefined) {
      const state = missing.failure === "denied" ? "denied" : "gone";
      this.#report(active, { state, mode: status.mode, error: missing });
    } else if (!active.surveyed) {
      return;
    } else if (this.#effectiveCover() === "directory") {
      const error = `more than ${this.#options.maxHandles} directories: one recursive handle and rescans instead`;
      this.#report(active, { ...status, state: "degraded", error });
    } else this.#report(active, status);
  }

  #ensureDirectory(node: Node): Watcher | undefined {
    const existing = node.attachment?.directory;
    if (existing !== undefined) return existing;
    if (this.#watchers.size >= this.#options.maxHandles) return undefined;
    const watcher = this.#station(node.path, false, this.#rescanMinutes(node.path));
    node.attachment = { ...node.attachment, directory: watcher };
    watcher.start();
    return watcher;
  }

  #ensureTree(node: Node, active: ActiveInterest): Watcher {
    const existing = node.attachment?.tree;
    if (existing !== undefined) return existing;
    const wanted = this.#rescanMinutes(active.interest.path);
    const fallback = this.#effectiveCover() === "directory" ? this.#options.fallbackRescanMinutes : 0;
    const watcher = this.#station(node.path, true, wanted > 0 ? wanted : fallback);
    node.attachment = { ...node.attachment, tree: watcher };
    watcher.start();
    return watcher;
  }

  #station(path: CanonicalPath, recursive: boolean, rescanMinutes: number): Watcher {
    let { filter } = this.#options;
    for (const { interest, overrides } of this.#interests) {
      const related =
        isWithin(this.#key(interest.path), this.#key(path)) ||
        (recursive && isWithin(this.#key(path), this.#key(interest.path)));
      if (related) filter |= overrides.filter ?? 0;
    }
    const watcher = new Watcher(
      { path, recursive, filter, rescanMinutes },
      {
        ...this.#surroundings,
        source: this.#source,
        host: this,
        checks: this.#checks,
        options: this.#options,
      },
    );
    this.#watchers.add(watcher);
    this.#unsettled.add(watcher);
    return watcher;
  }

  #rescanMinutes(path: CanonicalPath): number {
    const wishes = this.#interests
      .covering(path)
      .map(({ overrides }) => overrides.rescanMinutes ?? this.#options.rescanMinutes)
      .filter((minutes) => minutes > 0);
    return wishes.length === 0 ? 0 : Math.min(...wishes);
  }

  #dismiss(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    this.#unsettled.delete(watcher);
    const wasTrouble = this.#troubled.delete(watcher);
    const ended = watcher.close().finally(() => this.#closing.delete(ended));
    this.#closing.add(ended);
    for (const active of this.#interests.covering(watcher.spec.path)) {
      if (wasTrouble || !active.wasLive) this.#refresh(active);
    }
  }

  #withdraw(node: Node): void {
    const post = node.attachment;
    node.attachment = undefined;
    if (post?.directory !== undefined) this.#dismiss(post.directory);
    if (post?.tree !== undefined) this.#dismiss(post.tree);
  }

  #poke(node: Node): void {
    node.attachment?.directory?.poke();
    node.attachment?.tree?.poke();
    for (const active of this.#interests.at(node.path)) this.#retries.get(active)?.();
  }

  /** In `directory` cover: every known sub-directory of a recursive interest has a watcher of its own. */
  #expand(node: Node, silent: boolean): void {
    if (this.#stop.signal.aborted || node.snapshot === undefined) return;
    const recursive = this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
    if (recursive === undefined || this.#treeFor(node.path) !== undefined) return;
    for (const name of node.snapshot.directories()) {
      const child = node.ensure(name);
      if (child.attachment?.directory !== undefined) continue;
      if (!silent && !child.told) this.#herald.enter(node, name);
      else if (this.#ensureDirectory(child) === undefined) {
        this.#fall(recursive);
        return;
      }
    }
  }

  #entered(node: Node): void {
    if (this.#stop.signal.aborted) return;
    const tree = this.#treeFor(node.path);
    if (tree !== undefined) {
      void this.#surveyBelow(node, tree);
      return;
    }
    const existing = node.attachment?.directory;
    if (existing !== undefined) {
      existing.poke();
      existing.doubt("timer");
    } else if (this.#ensureDirectory(node) === undefined) {
      const recursive = this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
      if (recursive !== undefined) this.#fall(recursive);
    } else this.#expand(node, false);
  }

  /** Too many directories for handles of their own. */
  #fall(active: ActiveInterest): void {
    this.#fallen.add(this.#key(active.interest.path));
    for (const other of this.#interests) {
      if (isWithin(this.#key(active.interest.path), this.#key(other.interest.path))) this.serve(other);
    }
  }

  async #surveyBelow(node: Node, tree: CanonicalPath): Promise<void> {
    try {
      await this.#surveyor.survey(
        { path: node.path, recursive: true },
        undefined,
        "rescan",
        this.#stop.signal,
      );
    } catch (error) {
      if (this.#stop.signal.aborted || isAbsence(error)) return;
      this.picture.find(tree)?.attachment?.tree?.doubt("overflow");
    }
  }

  async #enquire(node: Node, names: readonly string[]): Promise<void> {
    const path = node.path;
    try {
      const found = await this.#inquirer.look(path, names, this.#stop.signal);
      if (this.picture.find(path) !== node) return;
      for (const [name, info] of found) {
        const link = (info.attributes & 0x400) !== 0;
        if (info.type === "directory" && !link && (node.blind || node.snapshot?.has(name) === true)) {
          this.#herald.enter(node, name);
        }
      }
    } catch {
      if (this.#stop.signal.aborted) return;
      const tree = this.#treeFor(path);
      const post = this.picture.find(tree ?? path)?.attachment;
      (tree === undefined ? post?.directory : post?.tree)?.doubt("overflow");
    }
  }

  /** Closes what nobody needs any more at and below `path`, once what replaces it is live. */
  #retire(path: CanonicalPath): void {
    const node = this.picture.find(path);
    const top = this.#effectiveCover() === "tree" ? this.picture.root : undefined;
    const nodes = new Set<Node>([...(node?.walk() ?? []), ...(top === undefined ? [] : [top])]);
    for (const each of nodes) this.#retireAt(each);
    for (const each of [...nodes].reverse()) {
      if (each.attachment !== undefined || this.#interests.covering(each.path).length > 0) continue;
      each.forget();
      this.picture.prune(each);
    }
  }

  #retireAt(node: Node): void {
    const post = node.attachment;
    if (post === undefined) return;
    const path = node.path;
    const tree = this.#treeFor(path);
    const keptBy = tree === undefined ? undefined : this.picture.find(tree)?.attachment?.tree;
    const covered = this.#interests.covering(path).length > 0;
    if (post.directory !== undefined) {
      if (!covered) this.#remove(node, "directory");
      else if (keptBy?.status.state === "live") {
        this.#remove(node, "directory");
        keptBy.doubt("timer");
      }
    }
    if (post.tree !== undefined && this.#rootsUnder(post.tree).length === 0) this.#remove(node, "tree");
  }

  #remove(node: Node, kind: "directory" | "tree"): void {
    const { [kind]: watcher, ...rest } = node.attachment ?? {};
    node.attachment = Object.keys(rest).length === 0 ? undefined : rest;
    if (watcher !== undefined) this.#dismiss(watcher);
  }

  /** In `tree` cover: takes the first picture of one interest, as often as it takes. */
  async #surveyRoot(active: ActiveInterest): Promise<void> {
    const { clock, random } = this.#surroundings;
    const pause = new Backoff({ initialMs: 250, maxMs: 30_000, random });
    const { signal } = this.#stop;
    if (this.#retries.has(active)) return;
    this.#retries.set(active, () => undefined);
    try {
      while (!active.closed && !signal.aborted) {
        const tree = this.#treeFor(active.interest.path);
        const watcher = this.picture.find(tree ?? "/")?.attachment?.tree;
        if (watcher?.status.state === "live" || watcher?.state === "scanning") {
          try {
            await this.#surveyor.survey(active.interest, undefined, "rescan", signal);
            this.#found(active);
            return;
          } catch (error) {
            if (isAbsence(error)) this.#miss(active, error);
          }
        }
        const woken = new AbortController();
        this.#retries.set(active, () => woken.abort());
        await sleep(pause.next(), { clock, signal: AbortSignal.any([signal, woken.signal]) }).catch(
          () => undefined,
        );
      }
    } finally {
      this.#retries.delete(active);
    }
  }

  #found(active: ActiveInterest): void {
    active.missing = undefined;
    active.surveyed = true;
    this.#retries.get(active)?.();
    this.#refresh(active);
  }

  #miss(active: ActiveInterest, error: SourceError): void {
    active.missing = error;
    this.#refresh(active);
    void this.#surveyRoot(active);
  }

  #rootsUnder(watcher: Watcher): ActiveInterest[] {
    const key = this.#key(watcher.spec.path);
    return [...this.#interests].filter(({ interest }) => {
      const tree = this.#treeFor(interest.path);
      return tree !== undefined && this.#key(tree) === key;
    });
  }

  #nodeOf(watcher: Watcher): Node | undefined {
    return this.picture.find(watcher.spec.path);
  }

  #treeFor(path: CanonicalPath): CanonicalPath | undefined {
    const { cover } = this.#options;
    const key = (other: CanonicalPath): string => this.#key(other);
    return treeFor(path, { cover, fullRecursion: this.#fullRecursion, fallen: this.#fallen, key });
  }

  #effectiveCover(): "directory" | "tree" {
    return effectiveCover(this.#options.cover, this.#fullRecursion);
  }

  get #fullRecursion(): boolean {
    return this.#options.cover === "auto" && this.#source.traits.fullRecursion;
  }

  #key(path: CanonicalPath): string {
    return pathKey(path, this.#options.caseSensitive);
  }
}

function isAbsence(error: unknown): error is SourceError {
  return (
    error instanceof SourceError &&
    (error.failure === "gone" ||
      error.failure === "denied" ||
      error.failure === "not-a-directory" ||
      error.failure === "bad-path")
  );
}
