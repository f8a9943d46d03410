import type { Late } from "../events.ts";
import type { ResolvedOptions } from "../options.ts";
import { CHECKS_PER_SECOND } from "./time-checks.ts";

/** Times a period of looking: what has just been missed waits for one, and finding and telling takes its time. */
const MARGIN = 2;
const MINUTE_S = 60;

/** Where directories are listed every so often. */
export function lateByPolling({ pollSeconds }: Pick<ResolvedOptions, "pollSeconds">): Late {
  const seconds = Math.ceil(MARGIN * pollSeconds);
  return { names: seconds, contents: seconds };
}

/**
 * Inside a recursive handle that does not hear everything: `directories` are asked for their last write every
 * `healthSeconds`, so many a second at most, and everything is compared every `rescanMinutes`. In whole minutes where
 * they are many, so that each one more is no news.
 */
export function lateByLooking(
  directories: number,
  { healthSeconds, rescanMinutes }: { readonly healthSeconds: number; readonly rescanMinutes: number },
): Late | undefined {
  const round = directories / CHECKS_PER_SECOND;
  const looks =
    round <= healthSeconds
      ? MARGIN * healthSeconds
      : healthSeconds + MINUTE_S * Math.ceil(Math.max(round, healthSeconds) / MINUTE_S);
  const all = Math.ceil(MARGIN * MINUTE_S * rescanMinutes);
  const bounds = [healthSeconds > 0 ? Math.ceil(looks) : 0, all].filter((seconds) => seconds > 0);
  if (bounds.length === 0) return undefined;
  return { names: Math.min(...bounds), ...(all > 0 ? { contents: all } : {}) };
}
