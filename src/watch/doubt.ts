import type { ResyncReason } from "./events.ts";

/**
 * - `timer`: nothing in particular. What the server would not have told is found as far as listings show it.
 * - `handover`: the same, for the last time: whoever goes on lists in silence, and finds nothing of what came before.
 * - `settling`: the server may have been deaf when the handle was new.
 * - `recalled`: the directory's own handle was given back for a while, and only the one above was listening.
 * - `moved`: the directory's last write is not what it was, and nothing heard of explains that.
 * - `probing`: the same, but it may be explained: how the server's clock goes is to be learnt.
 * - `untold`: the same on a server that is known to tell only some changes: what was heard of explains nothing.
 */
export type DoubtReason =
  | ResyncReason
  | "timer"
  | "handover"
  | "settling"
  | "recalled"
  | "moved"
  | "probing"
  | "untold";

/** Nothing was announced to be lost; what a listing shows is all there is to go by. */
export function isRoutine(reason: DoubtReason): reason is "timer" | "handover" | "recalled" {
  return reason === "timer" || reason === "handover" || reason === "recalled";
}

/** What a server had to say may never come. */
export function isLoss(reason: DoubtReason): reason is ResyncReason {
  return !isRoutine(reason) && resyncReason(reason) === reason;
}

/** As consumers are told. */
export function resyncReason(reason: DoubtReason): ResyncReason {
  switch (reason) {
    case "timer":
    case "handover":
    case "settling":
    case "recalled":
    case "moved":
    case "probing":
    case "untold":
      return "silent";
    default:
      return reason;
  }
}

/** Something may have been missed. */
export interface Doubt {
  readonly reason: DoubtReason;
  /** Monotonic ms of the last moment at which nothing could have been missed. */
  readonly since: number;
}

/** How a directory was found. */
export interface Comparison {
  /** Last write of the directory itself, from before anything of it was read (FILETIME). */
  readonly lastWrite: bigint;
  /** Monotonic ms. */
  readonly begunAt: number;
  /** Names had come or gone. */
  readonly names: boolean;
}

/** Both at once: the earlier start of the gap, and the reason that weighs more, the first of those that weigh the same. */
export function joinDoubts(first: Doubt | undefined, second: Doubt): Doubt {
  if (first === undefined) return { reason: second.reason, since: second.since };
  const reason = weight(second.reason) > weight(first.reason) ? second.reason : first.reason;
  return { reason, since: Math.min(first.since, second.since) };
}

/** What a look may take for explained must not do so for a loss that it happens to settle as well. */
function weight(reason: DoubtReason): number {
  if (reason === "settling") return 0;
  if (reason === "probing") return 2;
  if (reason === "handover") return 3;
  return isRoutine(reason) ? 1 : 4;
}
