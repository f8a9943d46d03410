/** The face of `cover`: the handles that serve the interests, and the policy behind them. */

export { effectiveCover } from "./cover-policy.ts";
export { HandleSet } from "./handle-set.ts";
export { lateByLooking, lateByPolling } from "./lateness.ts";
