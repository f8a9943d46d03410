import { sleep } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { baseName, type CanonicalPath, parentOf } from "../../base/path.ts";
import type { ActiveInterest, Announcer, InterestIndex } from "../deliver/index.ts";
import type { Doubt } from "../doubt.ts";
import type { PictureNode } from "../picture/index.ts";
import {
  type LinkLoops,
  type LookupQueue,
  type NameLookup,
  type Rescanner,
  type RescanReasons,
  unknownNames,
} from "../rescan/index.ts";
import type { SourceError } from "../source.ts";
import type { CoverPlan } from "./cover-plan.ts";
import type { HandleRegistry } from "./handle-registry.ts";
import type { NodeHandles, Placement } from "./placement.ts";
import { isAbsence, LET_WORK_MS } from "./tree-roots.ts";

type Node = PictureNode<NodeHandles>;

/** For directories inside a recursive handle, which has been listening before. */
export const AFRESH: RescanReasons = { doubt: undefined, via: "rescan", provisional: false };

export interface DescentContext {
  readonly interests: InterestIndex;
  readonly plan: CoverPlan;
  readonly registry: HandleRegistry;
  readonly placement: Placement;
  readonly announcer: Announcer<NodeHandles>;
  readonly rescanner: Rescanner<NodeHandles>;
  readonly lookups: LookupQueue<Node>;
  readonly loops: LinkLoops;
  readonly lookup: NameLookup;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** An interest's state may be another one. */
  refresh(active: ActiveInterest): void;
  /** The handles that serve what lies at or below `path` are others now. */
  serveWithin(path: CanonicalPath): void;
  /** What was said about this directory does not add up. */
  doubtful(path: CanonicalPath): void;
}

/** How recursive interests follow directories: by a handle for each, or by a listing inside a recursive one. */
export class Descent {
  readonly #context: DescentContext;
  /** Directories that are compared now, and whether that has to be done again. */
  readonly #comparing = new Map<Node, boolean>();

  constructor(context: DescentContext) {
    this.#context = context;
  }

  /** In `directory` cover: the interest for which sub-directories have handles of their own. */
  expander(node: Node): ActiveInterest | undefined {
    const { plan, interests } = this.#context;
    if (plan.treeFor(node.path) !== undefined) return undefined;
    return interests.covering(node.path).find(({ interest }) => interest.recursive);
  }

  /** Sub-directories have been listed. `silent`: nobody had been told of anything here before. */
  expand(node: Node, silent: boolean, directories: Iterable<string>): void {
    const { placement, announcer, signal } = this.#context;
    const recursive = this.expander(node);
    if (signal.aborted || recursive === undefined) return;
    const names = node.snapshot === undefined ? new Set(directories) : directories;
    const listed = names instanceof Set ? names : node.snapshot;
    for (const name of names) {
      const child = node.ensure(name, listed);
      const handle = child.attachment?.directory;
      // Whoever waits for it found none so far; those above have not heard of it either.
      const late = handle?.settled === true && !child.told;
      if (handle !== undefined && !late) continue;
      // It waits for its next try; whoever lists the tree now has to wait for its answer.
      if (late && silent) placement.withdraw(child);
      if (!silent && !child.told) announcer.enter(node, name);
      else if (placement.ensureDirectory(child, true) === undefined) {
        this.#fall(recursive);
        return;
      }
    }
  }

  /** A recursive interest is new, and whoever was here before may have had no need of sub-directories. */
  unfold(node: Node): void {
    // What is too large to remember must be listed for them.
    if (node.blind) node.attachment?.directory?.doubt("timer");
    if (node.snapshot === undefined) return;
    this.expand(node, true, node.snapshot.directories());
    this.#context.announcer.appeared(node, unknownNames(node.snapshot));
  }

  /** A directory has been told as new, or may have been replaced. */
  entered(node: Node): void {
    const { plan, interests, placement, lookups, signal } = this.#context;
    if (signal.aborted) return;
    const tree = plan.treeFor(node.path);
    if (tree !== undefined) return void lookups.during(node, this.#rescanBelow(node, tree));
    const existing = node.attachment?.directory;
    if (existing !== undefined) {
      existing.poke();
      existing.doubt("timer");
    } else if (placement.ensureDirectory(node, true) === undefined) {
      const recursive = interests.covering(node.path).find(({ interest }) => interest.recursive);
      if (recursive !== undefined) this.#fall(recursive);
    } else this.expand(node, false, node.snapshot?.directories() ?? []);
  }

  /** Something in this directory may go by another name than was told: it is listed and compared. */
  compare(node: Node): void {
    const { plan, placement, doubtful, signal } = this.#context;
    const { path } = node;
    if (plan.treeFor(path) === undefined) {
      placement.handleOf(path)?.doubt("timer");
      return;
    }
    // One at a time: what comes up meanwhile is for the next.
    const again = this.#comparing.has(node);
    this.#comparing.set(node, again);
    if (again) return;
    this.look(node, undefined)
      .catch(() => signal.aborted || doubtful(path))
      .finally(() => {
        const more = this.#comparing.get(node);
        this.#comparing.delete(node);
        if (more === true && !signal.aborted) this.compare(node);
      });
  }

  /**
   * Lists one directory inside a recursive handle and compares. A link that leads back is not entered this way either:
   * its last write is that of what it leads to. @throws SourceError, AbortedError
   */
  async look(node: Node, doubt: Doubt | undefined): Promise<unknown> {
    const { interests, loops, rescanner, signal } = this.#context;
    if (interests.at(node.path).length === 0) await loops.refuse(node, signal);
    return rescanner.rescan({ path: node.path, recursive: false }, { ...AFRESH, doubt }, signal);
  }

  /** Names that came in it could not be looked up. With a handle of its own, that finds out by itself. */
  refused(node: Node): void {
    if (this.#context.plan.treeFor(node.path) !== undefined) this.entered(node);
  }

  /** Mode, owner or times of a directory have changed: whoever was refused may come in now. */
  touched(node: Node | undefined): void {
    if (node === undefined) return;
    const { directory } = node.attachment ?? {};
    if (directory?.state === "denied") directory.retry();
    else if (directory === undefined && this.#context.registry.isSkipped(node.path)) this.entered(node);
  }

  /** A directory inside a recursive handle that cannot be listed, or not here. */
  skipped(path: CanonicalPath, error: SourceError): void {
    // Most have just gone. Others are listed under a name that no client can open.
    if (error.failure === "gone") void this.#confirm(path, error);
    else this.#note(path, error.message);
  }

  /** Never rejects: what cannot be found out now is asked again with the next comparison. */
  async #confirm(path: CanonicalPath, error: SourceError): Promise<void> {
    const { lookup, interests, signal } = this.#context;
    const name = baseName(path);
    try {
      const found = await lookup.listed(parentOf(path), [name], signal);
      const watched = interests.covering(path).length > 0;
      if (found?.listed.get(name)?.type === "directory" && watched) this.#note(path, error.message);
    } catch {
      // The end, or the server is away.
    }
  }

  /** It has been listed, or is no more. */
  cleared(path: CanonicalPath): void {
    if (this.#context.registry.isSkipped(path)) this.#note(path, undefined);
  }

  #note(path: CanonicalPath, text: string | undefined): void {
    const { registry, interests, refresh } = this.#context;
    registry.trouble(path, text);
    for (const active of interests.covering(path)) refresh(active);
  }

  /** Too many directories for handles of their own. */
  #fall(active: ActiveInterest): void {
    this.#context.plan.fall(active);
    this.#context.serveWithin(active.interest.path);
  }

  /** Lists a directory that has appeared inside the handle at `tree`, and all below. Never rejects. */
  async #rescanBelow(node: Node, tree: CanonicalPath): Promise<void> {
    const { interests, loops, rescanner, clock, signal, doubtful } = this.#context;
    try {
      await sleep(LET_WORK_MS, { clock, signal });
      if (interests.at(node.path).length === 0) await loops.refuse(node, signal);
      await rescanner.rescan({ path: node.path, recursive: true }, AFRESH, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!isAbsence(error)) doubtful(tree);
      else if (error.failure === "denied" || error.failure === "gone") this.skipped(node.path, error);
    }
  }
}
