import { sameLate } from "../watch/events.ts";
import { type CaseRule, treeKeysAbove, type WatchKey, watchKey } from "./identity.ts";
import type { RefState, WatchTarget } from "./port.ts";
import type { ClaimRecord } from "./records.ts";

/**
 * Which claim serves an interest: the topmost live one that reaches it; while cover changes, whatever is
 * live; otherwise the topmost that is on its way. A refused tree serves only those who asked for it.
 * @param claims - claims with a live owner.
 */
export function servingClaim(
  target: WatchTarget,
  claims: (key: WatchKey) => ClaimRecord | undefined,
  caseSensitive: CaseRule,
): ClaimRecord | undefined {
  const own = watchKey(target, caseSensitive);
  const keys = treeKeysAbove(target, caseSensitive);
  if (!target.recursive) keys.push(own);
  let fallback: ClaimRecord | undefined;
  for (const key of keys) {
    const claim = claims(key);
    if (claim === undefined || (claim.state === "denied" && key !== own)) continue;
    if (claim.state === "live" || claim.state === "degraded") return claim;
    fallback ??= claim;
  }
  return fallback;
}

/** What a consumer sees of the claim that serves it. */
export function stateOfClaim(claim: ClaimRecord | undefined): RefState {
  if (claim === undefined) return { state: "unclaimed", mode: "notify" };
  const state = claim.state === "warm" ? "starting" : claim.state;
  return {
    state,
    mode: claim.mode,
    ...(claim.error === undefined ? {} : { error: claim.error }),
    ...(claim.code === undefined ? {} : { code: claim.code }),
    ...(claim.late === undefined ? {} : { late: claim.late }),
  };
}

export function sameState(a: RefState, b: RefState): boolean {
  const same = a.state === b.state && a.mode === b.mode && a.code === b.code && a.error === b.error;
  return same && sameLate(a.late, b.late);
}
