import type { CanonicalPath } from "../../base/path.ts";
import type { ActiveInterest, InterestIndex, InterestStatus } from "../deliver/index.ts";
import type { ResolvedOptions, Surroundings } from "../options.ts";
import type { SourceError } from "../source.ts";
import type { BesideTree } from "./beside-tree.ts";
import type { CoverPlan } from "./cover-plan.ts";
import type { HandleRegistry } from "./handle-registry.ts";
import { isServed, statusByDirectories, statusByTree } from "./interest-status.ts";
import type { Placement } from "./placement.ts";

export interface ReportSources {
  readonly interests: InterestIndex;
  readonly plan: CoverPlan;
  readonly placement: Placement;
  readonly registry: HandleRegistry;
  readonly options: ResolvedOptions;
  readonly clock: Surroundings["clock"];
  /** Comes to be after the reports. */
  readonly beside: () => BesideTree;
}

/** Tells interests how they fare, whenever something that they depend on has changed. */
export class InterestReports {
  readonly #sources: ReportSources;

  constructor(sources: ReportSources) {
    this.#sources = sources;
  }

  refresh(active: ActiveInterest): void {
    const { plan, placement, registry } = this.#sources;
    const { path } = active.interest;
    const handle = placement.handleOf(path);
    if (handle === undefined) return;
    const status =
      plan.treeFor(path) === undefined
        ? statusByDirectories(active, handle, registry)
        : statusByTree(active, handle, registry, this.#fallback);
    if (status === undefined) return;
    const late = isServed(status) ? this.#sources.beside().late(active.interest, handle) : undefined;
    this.#report(active, late === undefined ? status : { ...status, late });
  }

  /** Of all interests that a directory concerns. */
  refreshCovering(path: CanonicalPath): void {
    for (const active of this.#sources.interests.covering(path)) this.refresh(active);
  }

  /** Of all interests in a directory or below. */
  refreshWithin(path: CanonicalPath): void {
    for (const active of this.#sources.interests) {
      if (this.#sources.plan.isWithin(path, active.interest.path)) this.refresh(active);
    }
  }

  /** There is no contact with the server. */
  cutOff(error: SourceError, interests: Iterable<ActiveInterest>): void {
    const state = error.failure === "unreachable" ? "unreachable" : "denied";
    for (const active of interests) this.#report(active, { state, mode: "notify", error });
  }

  #report(active: ActiveInterest, status: InterestStatus): void {
    active.report(status, this.#sources.clock.monotonic());
  }

  get #fallback(): string | undefined {
    const { plan, options } = this.#sources;
    if (plan.cover === "tree") return undefined;
    return `more than ${options.maxHandles} directories (maxHandles): one recursive handle and rescans instead`;
  }
}
