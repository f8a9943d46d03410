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
import { Roster } from "./roster.ts";
import { Scanner } from "./scanner.ts";
import { EntryFlag, REPARSE_POINT } from "./snapshot.ts";
import type { DirectorySource, EntryInfo, SourceError } from "./source.ts";
import { Surveyor } from "./surveyor.ts";
import { isAbsence, TreeRoots } from "./tree-roots.ts";
import type { Watcher } from "./watcher.ts";
import type { WatcherHost, WatcherView } from "./watcher-port.ts";
import type { Doubt } from "./watcher-status.ts";

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
  readonly #roster: Roster;
  readonly #roots: TreeRoots;
  /** Keys of recursive interests that would need more than `maxHandles`. */
  readonly #fallen = new Set<string>();

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
    this.#roster = new Roster(key);
    this.#roots = new TreeRoots(
      {
        treeOf: (active) => this.#treeOf(active.interest.path),
        survey: (active, signal) => this.#surveyor.survey(active.interest, undefined, "rescan", signal),
        refresh: (active) => this.#refresh(active),
      },
      surroundings,
      this.#stop.signal,
    );
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
    return this.#roster.size;
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
      this.#roots.look(active);
    } else {
      const watcher = this.#ensureDirectory(node);
      if (watcher === undefined) this.#fall(active);
      else if (recursive && node.told) this.#expand(node, true);
    }
    this.#refresh(active);
  }

  remove(active: ActiveInterest): void {
    this.#interests.delete(active);
    this.#roots.wake(active);
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
    await this.#roster.close();
  }

  notified(watcher: WatcherView, changes: readonly LocatedChange[]): void {
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

  async survey(watcher: WatcherView, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void> {
    const { path, recursive } = watcher.spec;
    if (!recursive) {
      await this.#surveyor.survey({ path, recursive: false }, doubt, via, signal);
      return;
    }
    for (const active of this.#rootsUnder(watcher)) {
      try {
        await this.#surveyor.survey(active.interest, doubt, via, signal);
        this.#roots.found(active);
      } catch (error) {
        if (!isAbsence(error) || this.#key(active.interest.path) === this.#key(path)) throw error;
        this.#roots.missing(active, error);
      }
    }
  }

  statusChanged(watcher: WatcherView): void {
    const { path, recursive } = watcher.spec;
    this.#roster.note(watcher);
    if (recursive) {
      if (watcher.status.state === "live") this.#retire(path);
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
    const watcher = this.#watcherOf(path);
    if (watcher === undefined) return;
    const { status } = watcher;
    if (status.state !== "live") this.#report(active, status);
    else if (tree !== undefined) this.#refreshInTree(active, status);
    else if (!recursive) this.#report(active, status);
    else {
      if (!active.wasLive && this.#roster.isAwaited(path)) return;
      const trouble = this.#roster.troubleBelow(path);
      this.#report(active, trouble === undefined ? status : { ...status, state: "degraded", error: trouble });
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
    if (this.#roster.size >= this.#options.maxHandles) return undefined;
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
    return this.#roster.enlist(
      { path, recursive, filter, rescanMinutes },
      {
        ...this.#surroundings,
        source: this.#source,
        host: this,
        checks: this.#checks,
        options: this.#options,
      },
    );
  }

  #rescanMinutes(path: CanonicalPath): number {
    const wishes = this.#interests
      .covering(path)
      .map(({ overrides }) => overrides.rescanMinutes ?? this.#options.rescanMinutes)
      .filter((minutes) => minutes > 0);
    return wishes.length === 0 ? 0 : Math.min(...wishes);
  }

  #dismiss(watcher: Watcher): void {
    if (!this.#roster.dismiss(watcher)) return;
    for (const active of this.#interests.covering(watcher.spec.path)) this.#refresh(active);
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
    for (const active of this.#interests.at(node.path)) this.#roots.wake(active);
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
      this.#doubtful(tree);
    }
  }

  async #enquire(node: Node, names: readonly string[]): Promise<void> {
    const path = node.path;
    try {
      const found = await this.#inquirer.look(path, names, this.#stop.signal);
      if (this.picture.find(path) !== node) return;
      for (const [name, info] of found) this.#identified(node, name, info);
    } catch {
      if (!this.#stop.signal.aborted) this.#doubtful(path);
    }
  }

  #identified(node: Node, name: string, info: EntryInfo): void {
    const mark = node.snapshot?.get(name);
    // Gone again, and that was told.
    if (mark === undefined && !node.blind) return;
    if (info.type === "directory") {
      if ((info.attributes & REPARSE_POINT) === 0) this.#herald.enter(node, name);
    } else if (((mark?.flags ?? 0) & EntryFlag.directory) !== 0) this.#doubtful(node.path);
  }

  /** What was said about this directory does not add up. */
  #doubtful(path: CanonicalPath): void {
    this.#watcherOf(path)?.doubt("overflow");
  }

  /** The watcher that answers for a directory. */
  #watcherOf(path: CanonicalPath): Watcher | undefined {
    const tree = this.#treeFor(path);
    return tree === undefined ? this.picture.find(path)?.attachment?.directory : this.#treeOf(path);
  }

  #treeOf(path: CanonicalPath): Watcher | undefined {
    const tree = this.#treeFor(path);
    return tree === undefined ? undefined : this.picture.find(tree)?.attachment?.tree;
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

  #rootsUnder(watcher: WatcherView): ActiveInterest[] {
    const key = this.#key(watcher.spec.path);
    return [...this.#interests].filter(({ interest }) => {
      const tree = this.#treeFor(interest.path);
      return tree !== undefined && this.#key(tree) === key;
    });
  }

  #nodeOf(watcher: WatcherView): Node | undefined {
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
