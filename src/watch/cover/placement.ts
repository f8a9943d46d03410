import type { CanonicalPath } from "../../base/path.ts";
import type { ActiveInterest, InterestIndex } from "../deliver/index.ts";
import {
  type ArmedHandle,
  Beginnings,
  type HandleServices,
  type HandleSpec,
  type HandleView,
  RemovalHabit,
  StrayRecords,
  Trust,
  Upkeep,
} from "../handle/index.ts";
import type { Picture, PictureNode } from "../picture/index.ts";
import type { CoverPlan } from "./cover-plan.ts";
import type { HandleRegistry } from "./handle-registry.ts";

/** The handles of one directory. */
export interface NodeHandles {
  readonly directory?: ArmedHandle;
  readonly tree?: ArmedHandle;
}

type Kind = keyof NodeHandles;
type Node = PictureNode<NodeHandles>;

export interface PlacementContext {
  readonly picture: Picture<NodeHandles>;
  readonly interests: InterestIndex;
  readonly plan: CoverPlan;
  readonly registry: HandleRegistry;
  readonly services: Omit<HandleServices, "beginnings" | "upkeep" | "strays" | "trust" | "removals">;
  /** A handle that interests may have waited for is gone. */
  readonly dismissed: (path: CanonicalPath) => void;
}

/**
 * Which directory has which handle. A handle that replaces another is live before the other lets go, and
 * then looks once more for what that one may have left half told.
 */
export class Placement {
  readonly #context: PlacementContext;
  readonly #strays: StrayRecords;
  /** The same for all handles. */
  readonly #services: HandleServices;
  /** By the replacement: whom it replaces at the same directory. */
  readonly #outgoing = new Map<HandleView, ArmedHandle>();

  constructor(context: PlacementContext) {
    this.#context = context;
    this.#strays = new StrayRecords(context.services.source, context.services.clock);
    const { source, clock, options } = context.services;
    this.#services = {
      ...context.services,
      beginnings: new Beginnings(clock, 2 * options.scansAtOnce),
      upkeep: new Upkeep(clock),
      strays: this.#strays,
      trust: new Trust(clock),
      removals: new RemovalHabit(() => source.traits.doubtfulRenames === true),
    };
  }

  /** A handle for `node` alone; `undefined` when `expansion` asks for more than there may be. */
  ensureDirectory(node: Node, expansion: boolean): ArmedHandle | undefined {
    const { registry, services } = this.#context;
    const full = registry.size >= services.options.maxHandles;
    if (expansion && full && node.attachment?.directory === undefined) return undefined;
    const interests = this.#context.interests.covering(node.path);
    return this.#ensure(node, "directory", this.#spec(node.path, false, interests));
  }

  /** A recursive handle at `node` that serves `active` as well. */
  ensureTree(node: Node, active: ActiveInterest): ArmedHandle {
    const { plan, interests, services } = this.#context;
    const existing = node.attachment?.tree;
    if (existing !== undefined && serves(existing.spec, this.#spec(node.path, true, [active])))
      return existing;
    const served = [...interests].filter(({ interest }) => plan.isWithin(node.path, interest.path));
    const spec = this.#spec(node.path, true, [...interests.covering(node.path), ...served]);
    const fallback = services.source.traits.fullRecursion ? 0 : services.options.fallbackRescanMinutes;
    return this.#ensure(node, "tree", { ...spec, rescanMinutes: spec.rescanMinutes || fallback });
  }

  /** The handle that answers for a directory. */
  handleOf(path: CanonicalPath): ArmedHandle | undefined {
    return this.treeOf(path) ?? this.#context.picture.find(path)?.attachment?.directory;
  }

  treeOf(path: CanonicalPath): ArmedHandle | undefined {
    const { plan, picture } = this.#context;
    const tree = plan.treeFor(path);
    return tree === undefined ? undefined : picture.find(tree)?.attachment?.tree;
  }

  /** The interests a recursive handle answers for. */
  *rootsUnder({ spec }: HandleView): IterableIterator<ActiveInterest> {
    const { plan, interests } = this.#context;
    const key = plan.key(spec.path);
    for (const active of interests) {
      const tree = plan.treeFor(active.interest.path);
      if (tree !== undefined && plan.key(tree) === key) yield active;
    }
  }

  /** Lets go of a directory that is no more. */
  withdraw(node: Node): void {
    if (node.attachment !== undefined) this.#strays.released();
    this.#remove(node, "directory");
    this.#remove(node, "tree");
  }

  /** A handle's first answer is in: whom it replaces may go. */
  settled(handle: HandleView): void {
    const { picture } = this.#context;
    const old = this.#outgoing.get(handle);
    if (old === undefined) return;
    this.#outgoing.delete(handle);
    this.#dismiss(old);
    const held = picture.find(handle.spec.path)?.attachment;
    (handle.spec.recursive ? held?.tree : held?.directory)?.doubt("timer");
  }

  /** Closes what nobody needs any more at and below `path`, once what replaces it is live. */
  retire(path: CanonicalPath): void {
    const { picture, plan, interests } = this.#context;
    const top = plan.cover === "tree" ? [picture.root] : [];
    const nodes = [...new Set<Node>([...(picture.find(path)?.walk() ?? []), ...top])];
    for (const node of nodes) this.#retireAt(node);
    for (const node of nodes.reverse()) {
      if (node.attachment !== undefined || interests.covering(node.path).length > 0) continue;
      node.forget();
      picture.prune(node, ({ path }) => interests.at(path).length > 0);
    }
  }

  #retireAt(node: Node): void {
    const held = node.attachment;
    if (held === undefined) return;
    if (held.directory !== undefined) {
      const tree = this.treeOf(node.path);
      if (this.#context.interests.covering(node.path).length === 0) this.#remove(node, "directory");
      else if (tree?.status.state === "live") {
        this.#remove(node, "directory");
        tree.doubt("timer");
      }
    }
    if (held.tree !== undefined && this.rootsUnder(held.tree).next().done === true)
      this.#remove(node, "tree");
  }

  #ensure(node: Node, kind: Kind, spec: HandleSpec): ArmedHandle {
    const { registry } = this.#context;
    const existing = node.attachment?.[kind];
    if (existing !== undefined && serves(existing.spec, spec)) return existing;
    // The first request fixes a handle's filter (MS-SMB2 3.3.1.3): a wider one needs another handle.
    const filter = spec.filter | (existing?.spec.filter ?? 0);
    const handle = registry.enlist(filter === spec.filter ? spec : { ...spec, filter }, this.#services);
    node.attachment =
      kind === "tree" ? { ...node.attachment, tree: handle } : { ...node.attachment, directory: handle };
    if (existing !== undefined) this.#outgoing.set(handle, existing);
    handle.start();
    return handle;
  }

  #spec(path: CanonicalPath, recursive: boolean, interests: readonly ActiveInterest[]): HandleSpec {
    const { options } = this.#context.services;
    let { filter } = options;
    let rescanMinutes = 0;
    for (const { overrides } of interests) {
      filter |= overrides.filter ?? 0;
      const minutes = overrides.rescanMinutes ?? options.rescanMinutes;
      if (minutes > 0) rescanMinutes = Math.min(minutes, rescanMinutes || minutes);
    }
    const { polls: polled } = this.#context.plan;
    return { path, recursive, filter, rescanMinutes, polled };
  }

  #remove(node: Node, kind: Kind): void {
    const { [kind]: handle, ...rest } = node.attachment ?? {};
    node.attachment = Object.keys(rest).length === 0 ? undefined : rest;
    if (handle !== undefined) this.#dismiss(handle);
  }

  #dismiss(handle: ArmedHandle): void {
    const old = this.#outgoing.get(handle);
    this.#outgoing.delete(handle);
    if (old !== undefined) this.#dismiss(old);
    if (this.#context.registry.dismiss(handle)) this.#context.dismissed(handle.spec.path);
  }
}

/** Whether a handle as it is does what is asked for. */
function serves(has: HandleSpec, wanted: HandleSpec): boolean {
  const often =
    wanted.rescanMinutes === 0 || (has.rescanMinutes > 0 && has.rescanMinutes <= wanted.rescanMinutes);
  return often && (wanted.filter & ~has.filter) === 0;
}
