/** A connection that carries watches, as far as placing them goes. */
export interface Lane {
  /** Handles open or being opened. */
  load: number;
  /** Handles it may carry. */
  cap: number;
}

/** Fewer handles than this on one connection would turn into a storm of sockets. */
const SMALLEST_CAP = 8;

/**
 * Where the next handle goes: the fullest lane with room, so that lanes which ran empty can be closed.
 * `undefined` when another connection is needed.
 */
export function placeHandle<L extends Lane>(lanes: Iterable<L>): L | undefined {
  let best: L | undefined;
  for (const lane of lanes) {
    if (lane.load < lane.cap && (best === undefined || lane.load > best.load)) best = lane;
  }
  return best;
}

/**
 * The new cap after the server ran out of slots (STATUS_INSUFFICIENT_RESOURCES): half of what the lane
 * carries. A storm of refusals halves once, since after the first the lane is above its cap until
 * handles have left.
 */
export function lowerCap(lane: Lane): number {
  if (lane.load <= lane.cap) lane.cap = Math.max(SMALLEST_CAP, Math.floor(Math.min(lane.cap, lane.load) / 2));
  return lane.cap;
}
