import type { CanonicalPath } from "../../base/path.ts";
import type { InterestIndex } from "../deliver/index.ts";
import type { Doubt } from "../doubt.ts";
import type { Change, Late } from "../events.ts";
import type { HandleView, LocatedChange } from "../handle/index.ts";
import type { Interest } from "../interest.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import { EntryFlag, type Picture, type PictureNode } from "../picture/index.ts";
import type { DirectorySource, SourceError } from "../source.ts";
import type { CoverPlan } from "./cover-plan.ts";
import { lateByLooking, lateByPolling } from "./lateness.ts";
import { LeasedHandles } from "./leased-handles.ts";
import type { NodeHandles } from "./placement.ts";
import { TimeChecks } from "./time-checks.ts";

type Node = PictureNode<NodeHandles>;

/** Many interests ask at once. */
const COUNT_EVERY_MS = 1_000;

export interface BesideTreeContext {
  readonly source: DirectorySource;
  readonly options: ResolvedOptions;
  readonly surroundings: Surroundings;
  readonly picture: Picture<NodeHandles>;
  readonly interests: InterestIndex;
  readonly plan: CoverPlan;
  readonly signal: AbortSignal;
  /** A leased handle has said something. */
  told(node: Node, changes: readonly LocatedChange[]): void;
  /** Lists one directory and compares. @throws SourceError, AbortedError */
  compare(node: Node, doubt: Doubt): Promise<unknown>;
  absent(node: Node, error: SourceError): void;
}

/**
 * What makes a recursive handle do on a server that tells only a part through it: leased handles on the directories
 * themselves where there are leases, and a look at each directory's last write from time to time everywhere.
 */
export class BesideTree {
  readonly #context: BesideTreeContext;
  readonly #checks: TimeChecks<NodeHandles>;
  readonly #leased: LeasedHandles<NodeHandles>;
  /** How many directories are looked at, and monotonic ms when they were counted. */
  #counted = { directories: 0, at: Number.NEGATIVE_INFINITY };

  constructor(context: BesideTreeContext) {
    this.#context = context;
    const { source, options, surroundings, picture, signal } = context;
    this.#leased = new LeasedHandles(source, options, surroundings, picture, (node) => ({
      told: (changes) => context.told(node, changes),
      compare: () => this.#compare(node),
      heardAt: () => node.heardAt,
    }));
    const checks = {
      directories: () => this.#directories(),
      listening: (node: Node) =>
        node.attachment?.tree !== undefined || this.#leased.at(node)?.info !== undefined,
      seen: (node: Node, fileId: bigint | undefined) => {
        const handle = this.#leased.at(node);
        if (handle?.info !== undefined && handle.info.fileId !== fileId) handle.evict();
      },
      compare: (node: Node, doubt: Doubt) => context.compare(node, doubt),
      absent: (node: Node, error: SourceError) => {
        this.#leased.leave(node);
        context.absent(node, error);
      },
    };
    this.#checks = new TimeChecks(source, checks, surroundings, options.healthSeconds, signal);
  }

  get handles(): number {
    return this.#leased.size;
  }

  start(): void {
    this.#checks.start();
  }

  /** What an interest hears late that this handle serves. */
  late({ path, recursive }: Interest, { spec, status }: HandleView): Late | undefined {
    const { source, options, plan } = this.#context;
    if (status.mode === "poll") return lateByPolling(options);
    if (!spec.recursive || source.traits.fullRecursion) return undefined;
    const isItsOwn = !recursive && plan.key(path) === plan.key(spec.path);
    if (isItsOwn && source.traits.rootFromAbove !== true) return undefined;
    const { healthSeconds } = options;
    return lateByLooking(this.#count(), {
      healthSeconds,
      rescanMinutes: spec.rescanMinutes,
    });
  }

  /** Nobody watches anything any more. */
  rest(): void {
    this.#checks.stop();
  }

  /**
   * Names that were told of a directory are nowhere in it. A server that is not known may have told them of another one:
   * a recursive handle of DittoFS 0.29 on the share's root has bare names for whatever lies below it.
   */
  missed(node: Node): void {
    if (this.#context.source.traits.doubtfulRenames !== true) return;
    if (node.attachment?.tree !== undefined) this.#checks.hurry();
  }

  /** The directory has been listed, and consumers have been told of it. */
  listed(node: Node): void {
    if (!this.#context.options.leases || node.attachment?.tree !== undefined) return;
    if (this.#isHalfTold(node)) this.#leased.follow(node);
  }

  /** The directory's listing has been compared. */
  pictured(node: Node, modified: bigint): void {
    this.#checks.listed(node, modified);
  }

  left(node: Node): void {
    this.#leased.leave(node);
  }

  /** Interests have changed at and below `path`. */
  retire(path: CanonicalPath): void {
    for (const node of this.#context.picture.find(path)?.walk() ?? []) {
      if (!this.#isHalfTold(node)) this.#leased.leave(node);
    }
  }

  /**
   * What two handles hear is told once. Each tells in the right order; so whatever the picture says already is what
   * the other one has said, and after a handle was away everything is compared.
   */
  withoutEchoes(node: Node | undefined, changes: readonly Change[]): readonly Change[] {
    if (node?.snapshot === undefined || this.#leased.at(node) === undefined) return changes;
    const { snapshot } = node;
    const there = new Map<string, boolean>();
    const has = (name: string): boolean => there.get(name) ?? snapshot.has(name);
    const onlyHeardOf = (name: string): boolean =>
      there.get(name) ?? ((snapshot.get(name)?.flags ?? EntryFlag.known) & EntryFlag.known) === 0;
    return changes.filter((change) => {
      const { action, name, oldName = name } = change;
      const echo =
        (action === "added" && has(name) && onlyHeardOf(name)) ||
        (action === "removed" && !has(name)) ||
        (action === "renamed" && !has(oldName) && has(name));
      if (action === "removed" || action === "renamed") there.set(oldName, false);
      if (action === "added" || action === "renamed") there.set(name, true);
      return !echo;
    });
  }

  async close(): Promise<void> {
    this.#checks.stop();
    await this.#leased.close();
  }

  #count(): number {
    const now = this.#context.surroundings.clock.monotonic();
    if (now - this.#counted.at < COUNT_EVERY_MS) return this.#counted.directories;
    let directories = 0;
    for (const _ of this.#directories()) directories++;
    this.#counted = { directories, at: now };
    return directories;
  }

  #compare(node: Node): void {
    const doubt = { reason: "recalled", since: node.rescannedAt ?? 0 } as const;
    // What cannot be listed now is looked at again by the time checks.
    this.#context.compare(node, doubt).catch(() => undefined);
  }

  *#directories(): IterableIterator<Node> {
    if (this.#context.source.traits.fullRecursion) return;
    for (const node of [...this.#context.picture.root.walk()]) if (this.#isHalfTold(node)) yield node;
  }

  /** Inside a recursive handle of a server that tells only a part through it. */
  #isHalfTold(node: Node): boolean {
    const { source, plan, interests } = this.#context;
    if (source.traits.fullRecursion || plan.treeFor(node.path) === undefined) return false;
    return interests.covering(node.path).length > 0;
  }
}
