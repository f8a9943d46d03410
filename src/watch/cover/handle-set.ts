import { baseName, type CanonicalPath, parentOf } from "../../base/path.ts";
import { type ActiveInterest, Announcer, InterestIndex } from "../deliver/index.ts";
import type { Comparison } from "../doubt.ts";
import { type HandleHost, type HandleView, type LocatedChange, takesSecondLook } from "../handle/index.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import { type Gate, Pacer } from "../pacing.ts";
import { type CheckpointDirectory, EntryFlag, Picture, type PictureNode } from "../picture/index.ts";
import {
  LinkLoops,
  ListedNames,
  LookupQueue,
  type NameLookup,
  Rescanner,
  Spellings,
} from "../rescan/index.ts";
import type { DirectorySource, EntryInfo, SourceError } from "../source.ts";
import { BesideTree } from "./beside-tree.ts";
import { CoverPlan } from "./cover-plan.ts";
import { AFRESH, Descent } from "./descent.ts";
import { HandleRegistry, isSure } from "./handle-registry.ts";
import { Hearing } from "./hearing.ts";
import { InterestReports } from "./interest-reports.ts";
import { type NodeHandles, Placement } from "./placement.ts";
import { recallTold } from "./recall.ts";
import { LET_WORK_MS, TreeRoots } from "./tree-roots.ts";

type Node = PictureNode<NodeHandles>;

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
  readonly #interests: InterestIndex;
  readonly #announcer: Announcer<NodeHandles>;
  readonly #rescanner: Rescanner<NodeHandles>;
  readonly #placement: Placement;
  readonly #stop = new AbortController();
  readonly #registry: HandleRegistry;
  readonly #roots: TreeRoots;
  /** Directories that turned out to be none, and were compared because of it. */
  readonly #compared = new WeakSet<Node>();
  readonly #plan: CoverPlan;
  readonly #lookups: LookupQueue<Node>;
  readonly #loops: LinkLoops;
  readonly #names: ListedNames<NodeHandles>;
  readonly #spellings: Spellings<NodeHandles>;
  readonly #descent: Descent;
  readonly #beside: BesideTree;
  readonly #hearing: Hearing;
  readonly #reports: InterestReports;

  constructor(
    source: DirectorySource,
    options: ResolvedOptions,
    surroundings: Surroundings,
    gate: Gate,
    lookup: NameLookup,
  ) {
    const { clock } = surroundings;
    const { signal } = this.#stop;
    this.#source = source;
    this.#options = options;
    this.picture = new Picture(options.caseSensitive);
    const key = (path: CanonicalPath): string => this.picture.key(path);
    this.#plan = new CoverPlan(source, options, key);
    this.#interests = new InterestIndex(key);
    this.#registry = new HandleRegistry(key);
    this.#roots = new TreeRoots(
      {
        treeFor: (active) => this.#plan.treeFor(active.interest.path),
        treeOf: (active) => this.#placement.treeOf(active.interest.path),
        rescan: (active, signal) => this.#rescanner.rescan(active.interest, AFRESH, signal),
        refresh: (active) => this.#reports.refresh(active),
      },
      surroundings,
      signal,
    );
    this.#loops = new LinkLoops(source);
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
      dismissed: (path) => this.#reports.refreshCovering(path),
    });
    this.#reports = new InterestReports({
      ...{ interests: this.#interests, plan: this.#plan, placement: this.#placement },
      ...{ registry: this.#registry, options, clock, beside: () => this.#beside },
    });
    this.#spellings = new Spellings(source, clock, signal);
    this.#names = new ListedNames<NodeHandles>(
      source,
      { lookup, picture: this.picture, clock, stop: signal },
      {
        emerged: (node, entries) => this.#announcer.emerged(node, entries),
        vanished: (node, names) => {
          this.#announcer.vanished(node, names);
          this.#beside.missed(node);
        },
        isDirectory: (node, name, { fileId }) => {
          node.ensure(name).fileId = fileId ?? "none";
          this.#announcer.enter(node, name);
        },
        doubtful: (node) => this.#doubtful(node.path),
        compare: (node) => this.#descent.compare(node),
        refused: (node) => this.#descent.refused(node),
      },
    );
    const delay = (node: Node): number => (this.#plan.treeFor(node.path) === undefined ? 0 : LET_WORK_MS);
    this.#lookups = new LookupQueue(clock, signal, (node, asked) => this.#names.find(node, asked), delay);
    this.#announcer = new Announcer(this.picture, this.#interests, clock, key, {
      left: (node) => {
        this.#beside.left(node);
        this.#placement.withdraw(node);
        this.#descent.cleared(node.path);
      },
      vacated: (node) => {
        this.#beside.left(node);
        node.attachment?.directory?.evict();
        node.attachment?.tree?.evict();
        if (this.#placement.treeOf(node.path) === undefined) return;
        for (const active of this.#interests.at(node.path)) this.#roots.again(active);
      },
      poke: (node) => this.#poke(node),
      entered: (node) => this.#descent.entered(node),
      enquire: (node, asked, urgent) => this.#lookups.add(node, asked, urgent),
      modified: (node, name, action) => {
        if (action === "modified") this.#descent.touched(node.child(name));
        this.#names.modified(node, name, action);
      },
    });
    this.#rescanner = new Rescanner(
      source,
      options,
      { picture: this.picture, gate, clock, loops: this.#loops },
      {
        differences: (node, via, changes, number) => {
          this.#announcer.differences(node, via, changes, number);
          if (changes.some(({ action }) => action === "removed")) this.#beside.missed(node);
        },
        pictured: (node, { modified, begunAt, fresh }) => {
          this.#names.pictured(node, modified, fresh);
          this.#beside.pictured(node, modified);
          void this.#spellings.listed(node, begunAt);
        },
        keeps: (...of) => this.#names.keeps(...of),
        expands: (node) => this.#descent.expander(node) !== undefined,
        listed: (node, silent, directories) => {
          this.#descent.cleared(node.path);
          this.#beside.listed(node);
          if (silent) this.#announcer.adopted(node);
          this.#descent.expand(node, silent, directories);
        },
        adopted: (node, names) => this.#announcer.appeared(node, names),
        resync: (path, announcement) => this.#announcer.resync(path, announcement),
        gap: (node, gap) => this.#announcer.gap(node, gap),
        skipped: (path, error) => this.#descent.skipped(path, error),
        asked: (node) => this.#interests.at(node.path).length > 0,
      },
    );
    const share = {
      ...{ picture: this.picture, interests: this.#interests, plan: this.#plan, announcer: this.#announcer },
      ...{ source, options, surroundings, clock, signal },
      doubtful: (path: CanonicalPath): void => this.#doubtful(path),
    };
    this.#descent = new Descent({
      ...share,
      registry: this.#registry,
      placement: this.#placement,
      rescanner: this.#rescanner,
      lookups: this.#lookups,
      loops: this.#loops,
      lookup,
      refresh: (active) => this.#reports.refresh(active),
      serveWithin: (path) => this.#serveWithin(path),
    });
    this.#beside = new BesideTree({
      ...share,
      told: (node, changes) => this.#hearing.take(node.path, changes),
      compare: (node, doubt) => this.#descent.look(node, doubt),
      absent: (node, error) => {
        for (const active of this.#interests.at(node.path)) this.#roots.missing(active, error);
      },
    });
    const [descent, beside, spellings] = [this.#descent, this.#beside, this.#spellings];
    this.#hearing = new Hearing({ ...share, descent, beside, spellings, renames: this.#names.renamed });
  }

  get handles(): number {
    return this.#registry.size + this.#beside.handles;
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
      this.#beside.start();
    } else {
      this.#placement.ensureDirectory(node, false);
      if (unit.expand) for (const below of [...node.walk()]) this.#descent.unfold(below);
    }
    this.#reports.refresh(active);
  }

  remove(active: ActiveInterest): void {
    this.#interests.delete(active);
    this.#roots.wake(active);
    if (this.#interests.size === 0) {
      this.#beside.rest();
      this.#names.rest();
    }
    if (this.#stop.signal.aborted) return;
    if (this.#plan.rise(active)) this.#serveWithin(active.interest.path);
    this.#beside.retire(active.interest.path);
    this.#placement.retire(active.interest.path);
  }

  /** There is no contact with the server. */
  report(error: SourceError, interests: Iterable<ActiveInterest> = this.#interests): void {
    this.#reports.cutOff(error, interests);
  }

  retry(active?: ActiveInterest): void {
    if (active !== undefined) this.#roots.wake(active);
    this.#registry.retry(active?.interest.path);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const active of [...this.#interests]) await active.close();
    await Promise.all([this.#beside.close(), this.#registry.close()]);
  }

  notified(handle: HandleView, located: readonly LocatedChange[]): void {
    const base = this.picture.find(handle.spec.path)?.path ?? handle.spec.path;
    this.#hearing.take(base, located);
  }

  /** Whether all that happened so far has been told, or will be told by a handle that listens from now on. */
  isSure({ interest: { path, recursive } }: ActiveInterest): boolean {
    const own = this.#placement.handleOf(path);
    if (own === undefined || !isSure(own)) return false;
    // Whether names at or below have been told, and what lies below them has not.
    const open = [...this.#lookups.open, ...this.#names.renamed.open];
    const owes = open.some((node) => this.#plan.isWithin(path, node.path));
    return !recursive || (this.#registry.isSure(path) && !owes);
  }

  recheck({ interest }: ActiveInterest): void {
    this.#registry.recheck(interest);
  }

  recall(told: readonly CheckpointDirectory[]): void {
    recallTold(this.picture, told, (node) => this.#descent.compare(node));
  }

  /** A directory that somebody asked for by its path is watched wherever it leads. */
  async admit({ spec }: HandleView, { fileId }: EntryInfo, signal: AbortSignal): Promise<void> {
    const node = this.picture.find(spec.path);
    if (node === undefined) return;
    node.fileId = fileId ?? "none";
    if (this.#interests.at(spec.path).length === 0) await this.#loops.refuse(node, signal);
  }

  async rescan(
    ...[handle, doubt, via, signal]: Parameters<HandleHost["rescan"]>
  ): Promise<Comparison | undefined> {
    const { path, recursive } = handle.spec;
    const provisional = !recursive && via !== "poll" && takesSecondLook(this.#source);
    const reasons = { doubt, via, provisional };
    if (!recursive) return this.#rescanner.rescan({ path, recursive }, reasons, signal);
    const own = this.#plan.key(path);
    return this.#roots.each([...this.#placement.rootsUnder(handle)], {
      atOnce: this.#options.scansAtOnce,
      rescan: ({ interest }) => this.#rescanner.rescan(interest, reasons, signal),
      isOwn: ({ interest }) => this.#plan.key(interest.path) === own,
    });
  }

  statusChanged(handle: HandleView): void {
    const { path, recursive } = handle.spec;
    const above = path === "/" ? undefined : this.picture.find(parentOf(path));
    this.#registry.note(handle, above?.snapshot?.has(baseName(path)) === true);
    if (handle.settled) this.#placement.settled(handle);
    if (recursive) {
      const { state, error } = handle.status;
      const forgone = path === "/" && error?.failure === "denied" && this.#plan.forgoRoot();
      if (forgone) this.#serveWithin("/");
      if (forgone || state === "live") this.#placement.retire(path);
      this.#reports.refreshWithin(path);
    }
    // A recursive one may take the place of those that an interest above waits for.
    this.#reports.refreshCovering(path);
    if (above !== undefined && handle.status.error?.failure === "not-a-directory")
      this.#mistaken(above, baseName(path));
  }

  /** A file where consumers have been told of a directory, by a record that came late perhaps: what is there is compared, once. */
  #mistaken(parent: Node, name: string): void {
    const node = parent.child(name);
    const told = ((parent.snapshot?.get(name)?.flags ?? 0) & EntryFlag.directory) !== 0;
    if (node === undefined || !told || this.#compared.has(node)) return;
    this.#compared.add(node);
    this.#descent.compare(parent);
  }

  #poke(node: Node): void {
    node.attachment?.directory?.poke();
    node.attachment?.tree?.poke();
    for (const active of this.#interests.at(node.path)) this.#roots.wake(active);
  }

  #serveWithin(path: CanonicalPath): void {
    for (const other of [...this.#interests]) {
      if (this.#plan.isWithin(path, other.interest.path)) this.serve(other);
    }
  }

  /** What was said about this directory does not add up. */
  #doubtful(path: CanonicalPath): void {
    this.#placement.handleOf(path)?.doubt("overflow");
  }
}
