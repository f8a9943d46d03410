import type { ActiveInterest, InterestStatus } from "./interest.ts";
import type { Roster } from "./roster.ts";
import type { WatcherView } from "./watcher-port.ts";

/** An interest served by handles of its own. `undefined`: nothing to say yet. */
export function judgeDirectories(
  active: ActiveInterest,
  { status }: WatcherView,
  roster: Roster,
): InterestStatus | undefined {
  const { path, recursive } = active.interest;
  if (status.state !== "live" || !recursive) return status;
  // A listing taken now would not be covered yet.
  if (!active.wasLive && roster.isAwaited(path)) return undefined;
  const trouble = roster.troubleBelow(path);
  return trouble === undefined ? status : { ...status, state: "degraded", error: trouble };
}

/** An interest served by a recursive handle; `fallback` says why, where it should have had its own. */
export function judgeTree(
  active: ActiveInterest,
  { status }: WatcherView,
  roster: Roster,
  fallback: string | undefined,
): InterestStatus | undefined {
  const { missing } = active;
  if (status.state !== "live") return status;
  if (missing !== undefined) {
    return { state: missing.failure === "denied" ? "denied" : "gone", mode: status.mode, error: missing };
  }
  if (!active.surveyed) return undefined;
  const trouble =
    fallback ?? (active.interest.recursive ? roster.troubleBelow(active.interest.path) : undefined);
  return trouble === undefined ? status : { ...status, state: "degraded", error: trouble };
}
