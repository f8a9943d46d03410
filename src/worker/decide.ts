import type { ClaimRecord, ClaimState } from "../fleet/records.ts";

/** All that matters about one watch, seen by one worker. */
export interface Situation {
  /** Our lease. */
  readonly me: string;
  /** Someone asks for this watch, or asked a moment ago. */
  readonly desired: boolean;
  /** The living worker that should hold it, if any can. */
  readonly assignee: string | undefined;
  readonly claim: ClaimRecord | undefined;
  readonly ownerAlive: boolean;
  /** Our own watch on it. */
  readonly local: LocalSituation | undefined;
  /** Another claim with a living owner publishes part of this scope. */
  readonly overlapped: () => boolean;
  /** Every planned watch that takes over part of this scope is armed; true when there is none. */
  readonly succeeded: () => boolean;
}

export interface LocalSituation {
  /** `starting` until the watch is armed and listed, or has failed. */
  readonly state: Exclude<ClaimState, "warm">;
  readonly publishing: boolean;
  /** Whether the claim says what the watch is. */
  readonly announced: boolean;
}

/**
 * - `start`: run a local watch, buffering.
 * - `drop`: end it; nothing of it was published.
 * - `hush`: it is not ours any more: stop publishing at once.
 * - `claim`: take a claim nobody living holds.
 * - `intend`, `ready`: tell the owner that we prepare, that we are armed.
 * - `announce`: write the watch's state into our claim; `warm` while another claim publishes this scope.
 * - `publish`: open an epoch, then announce.
 * - `transfer`: stop, flush, give the claim to the one who is ready.
 * - `keep`: nobody is to take over any more: forget who meant to.
 * - `release`: stop, flush, delete the claim.
 */
export type Action =
  | "none"
  | "start"
  | "drop"
  | "hush"
  | "claim"
  | "intend"
  | "ready"
  | "announce"
  | "announce-warm"
  | "publish"
  | "transfer"
  | "keep"
  | "release";

/**
 * The next step for one watch. Level-triggered: it looks only at how things are, so a missed event or a failed
 * step costs a repetition, never a wrong end. Make-before-break: an owner lets go only once its successor is armed.
 */
export function decide(at: Situation): Action {
  const owner = at.ownerAlive ? at.claim?.lease : undefined;
  return owner === at.me ? decideAsOwner(at) : decideAsOther(at, owner);
}

function decideAsOwner({ me, desired, assignee, claim, local, overlapped, succeeded }: Situation): Action {
  const telling = local?.state === "live" || local?.state === "degraded";
  if (!desired && (!telling || succeeded())) return "release";
  if (local === undefined) return "start";
  if (desired && assignee !== undefined && assignee !== me) {
    if (claim?.next?.lease === assignee && claim.next.ready) return "transfer";
  }
  if (!local.publishing) {
    if (local.state === "starting") return "none";
    if (!desired) return "none";
    if (overlapped()) return claim?.state === "warm" ? "none" : "announce-warm";
    return "publish";
  }
  if (!local.announced) return "announce";
  // A promise to be ready must not outlive the watch it was made for.
  return assignee === me && claim?.next !== undefined ? "keep" : "none";
}

function decideAsOther(
  { me, desired, assignee, claim, local }: Situation,
  owner: string | undefined,
): Action {
  if (local?.publishing === true) return "hush";
  if (!desired || assignee !== me) return local === undefined ? "none" : "drop";
  if (owner === undefined) return "claim";
  if (claim?.next?.lease !== me) return "intend";
  // What an earlier watch of ours has promised, a new one cannot keep.
  if (local === undefined) return claim.next.ready ? "intend" : "start";
  // A watch that cannot reach the server is no successor; one that finds the path gone sees what the owner sees.
  const armed = local.state !== "starting" && local.state !== "unreachable";
  return armed && claim.next.ready !== true ? "ready" : "none";
}
