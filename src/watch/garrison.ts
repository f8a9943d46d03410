import { baseName, type CanonicalPath, joinPath, parentOf } from "../base/path.ts";
import type { LocatedChange } from "./coalesce.ts";
import type { Via } from "./events.ts";
import { Herald } from "./herald.ts";
import { Identification, unknownNames } from "./identification.ts";
import type { Inquirer } from "./inquirer.ts";
import { Inquiries } from "./inquiries.ts";
import { type ActiveInterest, InterestIndex, type InterestStatus } from "./interest.ts";
import type { ResolvedOptions, Surroundings } from "./options.ts";
import { Breather, forEachAtOnce, type Gate, Pacer } from "./pacing.ts";
import { Picture, type PictureNode } from "./picture.ts";
import { type Post, Posts } from "./posts.ts";
import { isSure, Roster } from "./roster.ts";
import { Scanner } from "./scanner.ts";
import { takesSecondLook } from "./second-look.ts";
import type { DirectorySource, SourceError } from "./source.ts";
import { Surveyor } from "./surveyor.ts";
import type { SurveyReasons } from "./teller.ts";
import { Territory } from "./territory.ts";
import { isAbsence, TreeRoots } from "./tree-roots.ts";
import { judgeDirectories, judgeTree } from "./verdict.ts";
import type { WatcherHost, WatcherView } from "./watcher-port.ts";
import type { Doubt } from "./watcher-status.ts";

type Node = PictureNode<Post>;

/** For directories inside a recursive handle, which has been listening before. */
const AFRESH: SurveyReasons = { doubt: undefined, via: "rescan", provisional: false };

/** Second looks are in nobody's way: ten thousand watches take them in under two minutes. */
const LOOKS_PER_SECOND = 100;

/**
 * Runs the handles of a share: posts one wherever an interest calls for it, follows directories as they
 * come and go, and knows how each interest fares.
 */
export class Garrison implements WatcherHost {
  readonly picture: Picture<Post>;
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  readonly #surroundings: Surroundings;
  readonly #interests: InterestIndex;
  readonly #herald: Herald<Post>;
  readonly #surveyor: Surveyor<Post>;
  readonly #posts: Posts;
  readonly #stop = new AbortController();
  readonly #roster: Roster;
  readonly #roots: TreeRoots;
  readonly #territory: Territory;
  readonly #inquiries: Inquiries<Node>;

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
    this.picture = new Picture(options.caseSensitive);
    this.#territory = new Territory(source, options);
    const key = (path: CanonicalPath): string => this.#territory.key(path);
    this.#interests = new InterestIndex(key);
    this.#roster = new Roster(key);
    this.#roots = new TreeRoots(
      {
        treeOf: (active) => this.#posts.treeOf(active.interest.path),
        survey: (active, signal) => this.#surveyor.survey(active.interest, AFRESH, signal),
        refresh: (active) => this.#refresh(active),
      },
      surroundings,
      this.#stop.signal,
    );
    this.#posts = new Posts({
      picture: this.picture,
      interests: this.#interests,
      territory: this.#territory,
      roster: this.#roster,
      services: {
        ...surroundings,
        source,
        host: this,
        checks: new Pacer(clock, options.checksPerSecond),
        looks: new Pacer(clock, LOOKS_PER_SECOND),
        options,
      },
      dismissed: (path) => {
        for (const active of this.#interests.covering(path)) this.#refresh(active);
      },
    });
    const { signal } = this.#stop;
    const identity = new Identification<Post>(inquirer, this.picture, signal, {
      isDirectory: (node, name) => this.#herald.enter(node, name),
      doubtful: (path) => this.#doubtful(path),
    });
    this.#inquiries = new Inquiries(clock, signal, (node, names) => identity.find(node, names));
    this.#herald = new Herald(this.picture, this.#interests, clock, key, {
      left: (node) => this.#posts.withdraw(node),
      vacated: (node) => {
        node.attachment?.directory?.evict();
        node.attachment?.tree?.evict();
        if (this.#posts.treeOf(node.path) === undefined) return;
        for (const active of this.#interests.at(node.path)) this.#roots.again(active);
      },
      poke: (node) => this.#poke(node),
      entered: (node) => this.#entered(node),
      enquire: (node, names) => this.#inquiries.add(node, names),
    });
    const breather = new Breather(clock, options.entriesPerTurn);
    const scanner = new Scanner(source, gate, clock, breather, {
      label: options.label,
      entriesPerSecond: options.scanEntriesPerSecond,
    });
    this.#surveyor = new Surveyor(scanner, this.picture, clock, breather, options.maxEntries, {
      differences: (node, via, changes) => this.#herald.differences(node, via, changes),
      expands: (node) => this.#expander(node) !== undefined,
      listed: (node, silent, directories) => {
        this.#roster.trouble(node.path, undefined);
        this.#expand(node, silent, directories);
      },
      adopted: (node, names) => this.#herald.appeared(node, names),
      resync: (path, scope, reason) => this.#herald.resync(path, scope, reason),
      gap: (node, since, reason) => this.#herald.gap(node, since, reason),
      skipped: (path, error) => this.#roster.trouble(path, error.message),
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
    const unit = this.#territory.unitFor(active.interest);
    const node = this.picture.ensure(unit.path);
    if (unit.recursive) {
      this.#posts.ensureTree(node, active);
      this.#roots.look(active);
    } else {
      this.#posts.ensureDirectory(node, false);
      if (unit.expand) for (const below of [...node.walk()]) this.#unfold(below);
    }
    this.#refresh(active);
  }

  /** Whoever was here before may have had no need of sub-directories. */
  #unfold(node: Node): void {
    // What is too large to remember must be listed for them.
    if (node.blind) node.attachment?.directory?.doubt("timer");
    if (node.snapshot === undefined) return;
    this.#expand(node, true, node.snapshot.directories());
    this.#herald.appeared(node, unknownNames(node.snapshot));
  }

  remove(active: ActiveInterest): void {
    this.#interests.delete(active);
    this.#roots.wake(active);
    if (this.#stop.signal.aborted) return;
    if (this.#territory.rise(active)) this.#serveWithin(active.interest.path);
    this.#posts.retire(active.interest.path);
  }

  /** There is no contact with the server. */
  report(error: SourceError, interests: Iterable<ActiveInterest> = this.#interests): void {
    const state = error.failure === "unreachable" ? "unreachable" : "denied";
    for (const active of interests) this.#report(active, { state, mode: "notify", error });
  }

  retry(): void {
    this.#roster.retry();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const active of [...this.#interests]) await active.close();
    await this.#roster.close();
  }

  notified(watcher: WatcherView, changes: readonly LocatedChange[]): void {
    const base = this.picture.find(watcher.spec.path)?.path ?? watcher.spec.path;
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

  /** Whether all that happened so far has been told, or will be told by a handle that listens from now on. */
  isSure({ interest: { path, recursive } }: ActiveInterest): boolean {
    const own = this.#posts.watcherOf(path);
    if (own === undefined || !isSure(own)) return false;
    return !recursive || (this.#roster.isSure(path) && !this.#owes(path));
  }

  recheck({ interest }: ActiveInterest): void {
    this.#roster.recheck(interest);
  }

  /** Whether names at or below `path` have been told, and what lies below them has not. */
  #owes(path: CanonicalPath): boolean {
    return this.#inquiries.open.some((node) => this.#territory.isWithin(path, node.path));
  }

  async survey(watcher: WatcherView, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void> {
    const { path, recursive } = watcher.spec;
    const provisional = !recursive && via !== "poll" && takesSecondLook(this.#source);
    const reasons = { doubt, via, provisional };
    if (!recursive) {
      await this.#surveyor.survey({ path, recursive: false }, reasons, signal);
      return;
    }
    const roots = [...this.#posts.rootsUnder(watcher)];
    await forEachAtOnce(roots, this.#options.scansAtOnce, async (active) => {
      try {
        await this.#surveyor.survey(active.interest, reasons, signal);
        this.#roots.found(active);
      } catch (error) {
        if (!isAbsence(error) || this.#territory.key(active.interest.path) === this.#territory.key(path))
          throw error;
        this.#roots.missing(active, error);
      }
    });
  }

  statusChanged(watcher: WatcherView): void {
    const { path, recursive } = watcher.spec;
    const above = path === "/" ? undefined : this.picture.find(parentOf(path));
    this.#roster.note(watcher, above?.snapshot?.has(baseName(path)) === true);
    if (watcher.settled) this.#posts.settled(watcher);
    if (recursive) {
      if (watcher.status.state === "live") this.#posts.retire(path);
      for (const active of this.#interests) {
        if (this.#territory.isWithin(path, active.interest.path)) this.#refresh(active);
      }
    } else {
      for (const active of this.#interests.covering(path)) this.#refresh(active);
    }
  }

  #report(active: ActiveInterest, status: InterestStatus): void {
    active.report(status, this.#surroundings.clock.monotonic());
  }

  #refresh(active: ActiveInterest): void {
    const { path } = active.interest;
    const watcher = this.#posts.watcherOf(path);
    if (watcher === undefined) return;
    const status =
      this.#territory.treeFor(path) === undefined
        ? judgeDirectories(active, watcher, this.#roster)
        : judgeTree(active, watcher, this.#roster, this.#fallback);
    if (status !== undefined) this.#report(active, status);
  }

  get #fallback(): string | undefined {
    if (this.#territory.cover === "tree") return undefined;
    return `more than ${this.#options.maxHandles} directories: one recursive handle and rescans instead`;
  }

  #poke(node: Node): void {
    node.attachment?.directory?.poke();
    node.attachment?.tree?.poke();
    for (const active of this.#interests.at(node.path)) this.#roots.wake(active);
  }

  /** In `directory` cover: the interest for which sub-directories have watchers of their own. */
  #expander(node: Node): ActiveInterest | undefined {
    if (this.#territory.treeFor(node.path) !== undefined) return undefined;
    return this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
  }

  #expand(node: Node, silent: boolean, directories: Iterable<string>): void {
    const recursive = this.#expander(node);
    if (this.#stop.signal.aborted || recursive === undefined) return;
    for (const name of directories) {
      const child = node.ensure(name);
      const watcher = child.attachment?.directory;
      // Whoever waits for it found none so far; those above have not heard of it either.
      const late = watcher?.settled === true && !child.told;
      if (watcher !== undefined && !late) continue;
      // It waits for its next try; whoever lists the tree now has to wait for its answer.
      if (late && silent) this.#posts.withdraw(child);
      if (!silent && !child.told) this.#herald.enter(node, name);
      else if (this.#posts.ensureDirectory(child, true) === undefined) {
        this.#fall(recursive);
        return;
      }
    }
  }

  #entered(node: Node): void {
    if (this.#stop.signal.aborted) return;
    const tree = this.#territory.treeFor(node.path);
    if (tree !== undefined) return void this.#inquiries.during(node, this.#surveyBelow(node, tree));
    const existing = node.attachment?.directory;
    if (existing !== undefined) {
      existing.poke();
      existing.doubt("timer");
    } else if (this.#posts.ensureDirectory(node, true) === undefined) {
      const recursive = this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
      if (recursive !== undefined) this.#fall(recursive);
    } else this.#expand(node, false, node.snapshot?.directories() ?? []);
  }

  /** Too many directories for handles of their own. */
  #fall(active: ActiveInterest): void {
    this.#territory.fall(active);
    this.#serveWithin(active.interest.path);
  }

  #serveWithin(path: CanonicalPath): void {
    for (const other of [...this.#interests]) {
      if (this.#territory.isWithin(path, other.interest.path)) this.serve(other);
    }
  }

  async #surveyBelow(node: Node, tree: CanonicalPath): Promise<void> {
    try {
      await this.#surveyor.survey({ path: node.path, recursive: true }, AFRESH, this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted || isAbsence(error)) return;
      this.#doubtful(tree);
    }
  }

  /** What was said about this directory does not add up. */
  #doubtful(path: CanonicalPath): void {
    this.#posts.watcherOf(path)?.doubt("overflow");
  }
}
