import { baseName, type CanonicalPath, joinPath, parentOf } from "../../base/path.ts";
import { type ActiveInterest, InterestIndex, type InterestStatus } from "../deliver/active-interest.ts";
import { Announcer } from "../deliver/announcer.ts";
import type { Doubt } from "../doubt.ts";
import type { Via } from "../events.ts";
import { type LocatedChange, runsByDirectory } from "../handle/coalesce.ts";
import type { HandleHost, HandleView } from "../handle/handle-port.ts";
import { takesSecondLook } from "../handle/second-look.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import { Breather, forEachAtOnce, type Gate, Pacer } from "../pacing.ts";
import { Picture, type PictureNode } from "../picture/picture.ts";
import type { RescanReasons } from "../rescan/difference-reporter.ts";
import { Identification, unknownNames } from "../rescan/identification.ts";
import { LookupQueue } from "../rescan/lookup-queue.ts";
import type { NameLookup } from "../rescan/name-lookup.ts";
import { Rescanner } from "../rescan/rescanner.ts";
import { Scanner } from "../rescan/scanner.ts";
import type { DirectorySource, SourceError } from "../source.ts";
import { CoverPlan } from "./cover-plan.ts";
import { HandleRegistry, isSure } from "./handle-registry.ts";
import { statusByDirectories, statusByTree } from "./interest-status.ts";
import { type NodeHandles, Placement } from "./placement.ts";
import { isAbsence, TreeRoots } from "./tree-roots.ts";

type Node = PictureNode<NodeHandles>;

/** For directories inside a recursive handle, which has been listening before. */
const AFRESH: RescanReasons = { doubt: undefined, via: "rescan", provisional: false };

/** Second looks are in nobody's way: ten thousand watches take them in under two minutes. */
const LOOKS_PER_SECOND = 100;

/**
 * Runs the handles of a share: placement one wherever an interest calls for it, follows directories as they
 * come and go, and knows how each interest fares.
 */
export class HandleSet implements HandleHost {
  readonly picture: Picture<NodeHandles>;
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  readonly #surroundings: Surroundings;
  readonly #interests: InterestIndex;
  readonly #announcer: Announcer<NodeHandles>;
  readonly #rescanner: Rescanner<NodeHandles>;
  readonly #placement: Placement;
  readonly #stop = new AbortController();
  readonly #registry: HandleRegistry;
  readonly #roots: TreeRoots;
  readonly #plan: CoverPlan;
  readonly #lookups: LookupQueue<Node>;

  constructor(
    source: DirectorySource,
    options: ResolvedOptions,
    surroundings: Surroundings,
    gate: Gate,
    lookup: NameLookup,
  ) {
    const { clock } = surroundings;
    this.#source = source;
    this.#options = options;
    this.#surroundings = surroundings;
    this.picture = new Picture(options.caseSensitive);
    this.#plan = new CoverPlan(source, options);
    const key = (path: CanonicalPath): string => this.#plan.key(path);
    this.#interests = new InterestIndex(key);
    this.#registry = new HandleRegistry(key);
    this.#roots = new TreeRoots(
      {
        treeOf: (active) => this.#placement.treeOf(active.interest.path),
        rescan: (active, signal) => this.#rescanner.rescan(active.interest, AFRESH, signal),
        refresh: (active) => this.#refresh(active),
      },
      surroundings,
      this.#stop.signal,
    );
    this.#placement = new Placement({
      picture: this.picture,
      interests: this.#interests,
      plan: this.#plan,
      registry: this.#registry,
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
    const identity = new Identification<NodeHandles>(lookup, this.picture, signal, {
      isDirectory: (node, name) => this.#announcer.enter(node, name),
      doubtful: (path) => this.#doubtful(path),
    });
    this.#lookups = new LookupQueue(clock, signal, (node, names) => identity.find(node, names));
    this.#announcer = new Announcer(this.picture, this.#interests, clock, key, {
      left: (node) => this.#placement.withdraw(node),
      vacated: (node) => {
        node.attachment?.directory?.evict();
        node.attachment?.tree?.evict();
        if (this.#placement.treeOf(node.path) === undefined) return;
        for (const active of this.#interests.at(node.path)) this.#roots.again(active);
      },
      poke: (node) => this.#poke(node),
      touched: (node) => this.#touched(node),
      entered: (node) => this.#entered(node),
      enquire: (node, names) => this.#lookups.add(node, names),
    });
    const breather = new Breather(clock, options.entriesPerTurn);
    const scanner = new Scanner(source, gate, clock, breather, {
      label: options.label,
      entriesPerSecond: options.scanEntriesPerSecond,
    });
    this.#rescanner = new Rescanner(scanner, this.picture, clock, breather, options.maxEntries, {
      differences: (node, via, changes) => this.#announcer.differences(node, via, changes),
      expands: (node) => this.#expander(node) !== undefined,
      listed: (node, silent, directories) => {
        this.#registry.trouble(node.path, undefined);
        this.#expand(node, silent, directories);
      },
      adopted: (node, names) => this.#announcer.appeared(node, names),
      resync: (path, announcement) => this.#announcer.resync(path, announcement),
      gap: (node, gap) => this.#announcer.gap(node, gap),
      skipped: (path, error) => this.#skipped(path, error),
    });
  }

  get handles(): number {
    return this.#registry.size;
  }

  add(active: ActiveInterest): void {
    this.#interests.add(active);
    this.picture.ensure(active.interest.path);
  }

  /** Sees to it that the interest is covered. */
  serve(active: ActiveInterest): void {
    if (active.closed || this.#stop.signal.aborted) return;
    const unit = this.#plan.unitFor(active.interest);
    const node = this.picture.ensure(unit.path);
    if (unit.recursive) {
      this.#placement.ensureTree(node, active);
      this.#roots.look(active);
    } else {
      this.#placement.ensureDirectory(node, false);
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
    this.#announcer.appeared(node, unknownNames(node.snapshot));
  }

  remove(active: ActiveInterest): void {
    this.#interests.delete(active);
    this.#roots.wake(active);
    if (this.#stop.signal.aborted) return;
    if (this.#plan.rise(active)) this.#serveWithin(active.interest.path);
    this.#placement.retire(active.interest.path);
  }

  /** There is no contact with the server. */
  report(error: SourceError, interests: Iterable<ActiveInterest> = this.#interests): void {
    const state = error.failure === "unreachable" ? "unreachable" : "denied";
    for (const active of interests) this.#report(active, { state, mode: "notify", error });
  }

  retry(): void {
    this.#registry.retry();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const active of [...this.#interests]) await active.close();
    await this.#registry.close();
  }

  notified(handle: HandleView, located: readonly LocatedChange[]): void {
    const base = this.picture.find(handle.spec.path)?.path ?? handle.spec.path;
    for (const { directory, changes } of runsByDirectory(located))
      this.#announcer.records(joinPath(base, directory), changes);
  }

  /** Whether all that happened so far has been told, or will be told by a handle that listens from now on. */
  isSure({ interest: { path, recursive } }: ActiveInterest): boolean {
    const own = this.#placement.handleOf(path);
    if (own === undefined || !isSure(own)) return false;
    return !recursive || (this.#registry.isSure(path) && !this.#owes(path));
  }

  recheck({ interest }: ActiveInterest): void {
    this.#registry.recheck(interest);
  }

  /** Whether names at or below `path` have been told, and what lies below them has not. */
  #owes(path: CanonicalPath): boolean {
    return this.#lookups.open.some((node) => this.#plan.isWithin(path, node.path));
  }

  async rescan(handle: HandleView, doubt: Doubt | undefined, via: Via, signal: AbortSignal): Promise<void> {
    const { path, recursive } = handle.spec;
    const provisional = !recursive && via !== "poll" && takesSecondLook(this.#source);
    const reasons = { doubt, via, provisional };
    if (!recursive) {
      await this.#rescanner.rescan({ path, recursive: false }, reasons, signal);
      return;
    }
    const roots = [...this.#placement.rootsUnder(handle)];
    await forEachAtOnce(roots, this.#options.scansAtOnce, async (active) => {
      try {
        await this.#rescanner.rescan(active.interest, reasons, signal);
        this.#roots.found(active);
      } catch (error) {
        if (!isAbsence(error) || this.#plan.key(active.interest.path) === this.#plan.key(path)) throw error;
        this.#roots.missing(active, error);
      }
    });
  }

  statusChanged(handle: HandleView): void {
    const { path, recursive } = handle.spec;
    const above = path === "/" ? undefined : this.picture.find(parentOf(path));
    this.#registry.note(handle, above?.snapshot?.has(baseName(path)) === true);
    if (handle.settled) this.#placement.settled(handle);
    if (recursive) {
      if (handle.status.state === "live") this.#placement.retire(path);
      for (const active of this.#interests) {
        if (this.#plan.isWithin(path, active.interest.path)) this.#refresh(active);
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
    const handle = this.#placement.handleOf(path);
    if (handle === undefined) return;
    const status =
      this.#plan.treeFor(path) === undefined
        ? statusByDirectories(active, handle, this.#registry)
        : statusByTree(active, handle, this.#registry, this.#fallback);
    if (status !== undefined) this.#report(active, status);
  }

  get #fallback(): string | undefined {
    if (this.#plan.cover === "tree") return undefined;
    return `more than ${this.#options.maxHandles} directories: one recursive handle and rescans instead`;
  }

  #poke(node: Node): void {
    node.attachment?.directory?.poke();
    node.attachment?.tree?.poke();
    for (const active of this.#interests.at(node.path)) this.#roots.wake(active);
  }

  /** Mode, owner or times of a directory have changed: whoever was refused may come in now. */
  #touched(node: Node): void {
    const { directory } = node.attachment ?? {};
    if (directory?.state === "denied") directory.retry();
    else if (directory === undefined && this.#registry.isSkipped(node.path)) this.#entered(node);
  }

  /** In `directory` cover: the interest for which sub-directories have handles of their own. */
  #expander(node: Node): ActiveInterest | undefined {
    if (this.#plan.treeFor(node.path) !== undefined) return undefined;
    return this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
  }

  #expand(node: Node, silent: boolean, directories: Iterable<string>): void {
    const recursive = this.#expander(node);
    if (this.#stop.signal.aborted || recursive === undefined) return;
    for (const name of directories) {
      const child = node.ensure(name);
      const handle = child.attachment?.directory;
      // Whoever waits for it found none so far; those above have not heard of it either.
      const late = handle?.settled === true && !child.told;
      if (handle !== undefined && !late) continue;
      // It waits for its next try; whoever lists the tree now has to wait for its answer.
      if (late && silent) this.#placement.withdraw(child);
      if (!silent && !child.told) this.#announcer.enter(node, name);
      else if (this.#placement.ensureDirectory(child, true) === undefined) {
        this.#fall(recursive);
        return;
      }
    }
  }

  #entered(node: Node): void {
    if (this.#stop.signal.aborted) return;
    const tree = this.#plan.treeFor(node.path);
    if (tree !== undefined) return void this.#lookups.during(node, this.#rescanBelow(node, tree));
    const existing = node.attachment?.directory;
    if (existing !== undefined) {
      existing.poke();
      existing.doubt("timer");
    } else if (this.#placement.ensureDirectory(node, true) === undefined) {
      const recursive = this.#interests.covering(node.path).find(({ interest }) => interest.recursive);
      if (recursive !== undefined) this.#fall(recursive);
    } else this.#expand(node, false, node.snapshot?.directories() ?? []);
  }

  /** Too many directories for handles of their own. */
  #fall(active: ActiveInterest): void {
    this.#plan.fall(active);
    this.#serveWithin(active.interest.path);
  }

  #serveWithin(path: CanonicalPath): void {
    for (const other of [...this.#interests]) {
      if (this.#plan.isWithin(path, other.interest.path)) this.serve(other);
    }
  }

  async #rescanBelow(node: Node, tree: CanonicalPath): Promise<void> {
    try {
      await this.#rescanner.rescan({ path: node.path, recursive: true }, AFRESH, this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!isAbsence(error)) return this.#doubtful(tree);
      if (error.failure === "denied") this.#skipped(node.path, error);
    }
  }

  /** A directory inside a recursive handle cannot be listed. */
  #skipped(path: CanonicalPath, error: SourceError): void {
    this.#registry.trouble(path, error.message);
    for (const active of this.#interests.covering(path)) this.#refresh(active);
  }

  /** What was said about this directory does not add up. */
  #doubtful(path: CanonicalPath): void {
    this.#placement.handleOf(path)?.doubt("overflow");
  }
}
