import type { ResyncReason } from "./events.ts";

/**
 * - `timer`: nothing in particular. What the server would not have told is found as far as listings show it.
 * - `settling`: the server may have been deaf when the handle was new.
 */
export type DoubtReason = ResyncReason | "timer" | "settling";

/** As consumers are told. */
export function resyncReason(reason: DoubtReason): ResyncReason {
  return reason === "timer" || reason === "settling" ? "silent" : reason;
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
