import { type CaseRule, treeKeysAbove, type WatchKey, watchKey } from "./identity.ts";
import type { WatchTarget } from "./port.ts";

/** A watch that somebody must hold, and the interests it serves. */
export interface PlannedWatch {
  readonly key: WatchKey;
  readonly target: WatchTarget;
  /** The interests served, as they were given; at least one. */
  readonly interests: readonly WatchTarget[];
}

export interface PlanOptions {
  readonly caseSensitive: CaseRule;
  /**
   * Trees the account may not read. They stay planned for whoever asked for them, but nobody else joins:
   * a refused parent must not silence an allowed child.
   */
  readonly cannotCover?: (key: WatchKey) => boolean;
}

/**
 * Interests -> covering watches: an interest inside a recursive one of the same connection joins the
 * topmost such watch, so that every directory has one publisher. Same input, any order, same plan.
 */
export function planWatches(
  interests: Iterable<WatchTarget>,
  options: PlanOptions,
): ReadonlyMap<WatchKey, PlannedWatch> {
  const { caseSensitive, cannotCover = () => false } = options;
  const all = [...interests];
  const trees = new Set<WatchKey>();
  for (const target of all) if (target.recursive) trees.add(watchKey(target, caseSensitive));

  const planned = new Map<WatchKey, { own: WatchTarget | undefined; interests: WatchTarget[] }>();
  for (const target of all) {
    const own = watchKey(target, caseSensitive);
    const tree = treeKeysAbove(target, caseSensitive).find(
      (key) => trees.has(key) && (key === own || !cannotCover(key)),
    );
    const key = tree ?? own;
    let watch = planned.get(key);
    if (watch === undefined) {
      watch = { own: undefined, interests: [] };
      planned.set(key, watch);
    }
    watch.interests.push(target);
    // Several spellings of one path: the smallest wins, so that everyone plans the same.
    if (key === own && (watch.own === undefined || target.path < watch.own.path)) watch.own = target;
  }

  const plan = new Map<WatchKey, PlannedWatch>();
  for (const [key, { own, interests: served }] of planned) {
    // The topmost tree is itself an interest without a tree above it, hence always its own.
    if (own !== undefined) plan.set(key, { key, target: own, interests: served });
  }
  return plan;
}
