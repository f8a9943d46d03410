import type { ActiveInterest, InterestStatus } from "../deliver/index.ts";
import type { HandleView } from "../handle/index.ts";
import { SourceError } from "../source.ts";
import type { HandleRegistry } from "./handle-registry.ts";

/** Its changes are told, even if not all of them. */
export function isServed({ state, error }: InterestStatus): boolean {
  return state === "live" || (state === "degraded" && !(error instanceof SourceError));
}

/** An interest served by handles of its own. `undefined`: nothing to say yet. */
export function statusByDirectories(
  active: ActiveInterest,
  { status }: HandleView,
  registry: HandleRegistry,
): InterestStatus | undefined {
  const { path, recursive } = active.interest;
  if (status.state !== "live") return status;
  // A listing taken now would not be covered yet.
  if (recursive && !active.wasLive && registry.isAwaited(path)) return undefined;
  const trouble = (recursive ? registry.troubleBelow(path) : undefined) ?? registry.untoldOf(active.interest);
  return trouble === undefined ? status : { ...status, state: "degraded", error: trouble };
}

/** An interest served by a recursive handle; `fallback` says why, where it should have had its own. */
export function statusByTree(
  active: ActiveInterest,
  { status }: HandleView,
  registry: HandleRegistry,
  fallback: string | undefined,
): InterestStatus | undefined {
  const { missing } = active;
  if (status.state !== "live") return status;
  if (missing !== undefined) {
    return { state: missing.failure === "denied" ? "denied" : "gone", mode: status.mode, error: missing };
  }
  if (!active.rescanned) return undefined;
  const trouble =
    fallback ??
    (active.interest.recursive ? registry.troubleBelow(active.interest.path) : undefined) ??
    registry.untoldOf(active.interest);
  return trouble === undefined ? status : { ...status, state: "degraded", error: trouble };
}
