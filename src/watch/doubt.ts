import type { ResyncReason } from "./events.ts";

/**
 * - `timer`: nothing in particular. What the server would not have told is found as far as listings show it.
 * - `settling`: the server may have been deaf when the handle was new.
 * - `recalled`: the directory's own handle was given back for a while, and only the one above was listening.
 */
export type DoubtReason = ResyncReason | "timer" | "settling" | "recalled";

/** Nothing was announced to be lost; what a listing shows is all there is to go by. */
export function isRoutine(reason: DoubtReason): reason is "timer" | "recalled" {
  return reason === "timer" || reason === "recalled";
}

/** As consumers are told. */
export function resyncReason(reason: DoubtReason): ResyncReason {
  return isRoutine(reason) || reason === "settling" ? "silent" : reason;
}

/** Something may have been missed. */
export interface Doubt {
  readonly reason: DoubtReason;
  /** Monotonic ms of the last moment at which nothing could have been missed. */
  readonly since: number;
}

/** Both at once: the earlier start of the gap, the first reason that is more than a second look. */
export function joinDoubts(first: Doubt | undefined, second: Doubt): Doubt {
  if (first === undefined) return { reason: second.reason, since: second.since };
  const reason = first.reason === "settling" ? second.reason : first.reason;
  return { reason, since: Math.min(first.since, second.since) };
}
