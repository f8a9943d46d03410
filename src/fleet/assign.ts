import { hash32, type WatchKey } from "./identity.ts";

/** A worker as assignment sees it. */
export interface WorkerSeat {
  readonly lease: string;
  /** Most watches it takes; also its weight. */
  readonly capacity: number;
  /** Whether it can serve this connection now: it knows it, does not deny it, and is not leaving. */
  readonly serves: (connection: string) => boolean;
}

export interface AssignableWatch {
  readonly key: WatchKey;
  readonly connection: string;
  /** Lease of the present owner, where it is alive. */
  readonly owner: string | undefined;
}

export interface AssignOptions {
  /** Differences of up to this many watches are not worth a move. Default 16. */
  readonly gather?: number;
}

/** How far above its fair share a worker may go, and how far below nobody is left. */
const ABOVE = 1.08;
const TOO_MUCH = 1.12;
const TOO_LITTLE = 0.85;
/** A connection is cut into shards of about this many watches, at most 64, so that few workers share it. */
const SHARD_SIZE = 64;
const MAX_SHARDS = 64;

/**
 * Who holds which watch. Rendezvous hashing over (connection, shard) with bounded loads: a connection's
 * watches gather on few workers, none goes far beyond its share. Owners keep what they have while the
 * fleet is balanced; when it is not, each keeps its fair share and only the rest moves.
 * A watch that no worker can take is absent from the answer. Same input, any order, same answer.
 */
export function assignWatches(
  watches: Iterable<AssignableWatch>,
  workers: readonly WorkerSeat[],
  options: AssignOptions = {},
): ReadonlyMap<WatchKey, string> {
  const gather = options.gather ?? 16;
  const ordered = [...watches]
    .map((watch) => ({ watch, order: hash32(watch.key) }))
    .sort((a, b) => a.order - b.order || (a.watch.key < b.watch.key ? -1 : 1));
  const seats = new Map(workers.filter(({ capacity }) => capacity > 0).map((seat) => [seat.lease, seat]));
  const share = fairShares(ordered.length, [...seats.values()]);
  const load = new Map<string, number>([...seats.keys()].map((lease) => [lease, 0]));
  const answer = new Map<WatchKey, string>();
  const put = (key: WatchKey, lease: string): void => {
    answer.set(key, lease);
    load.set(lease, (load.get(lease) ?? 0) + 1);
  };

  const keeps = keepLimits(ordered, seats, share, gather);
  const homeless: typeof ordered = [];
  for (const item of ordered) {
    const { owner, connection, key } = item.watch;
    const seat = owner === undefined ? undefined : seats.get(owner);
    if (seat?.serves(connection) === true && (load.get(seat.lease) ?? 0) < (keeps.get(seat.lease) ?? 0)) {
      put(key, seat.lease);
    } else homeless.push(item);
  }

  const shards = shardCounts(ordered.map(({ watch }) => watch));
  const ranks = new Map<string, readonly WorkerSeat[]>();
  for (const { watch, order } of homeless) {
    const unit = `${watch.connection}/${order % (shards.get(watch.connection) ?? 1)}`;
    let rank = ranks.get(unit);
    if (rank === undefined) {
      rank = rendezvous(unit, [...seats.values()]).filter((seat) => seat.serves(watch.connection));
      ranks.set(unit, rank);
    }
    const fits = (factor: number, floor: number) => (seat: WorkerSeat) => {
      const limit = Math.max(Math.ceil((share.get(seat.lease) ?? 0) * factor), floor);
      return (load.get(seat.lease) ?? 0) < Math.min(limit, seat.capacity);
    };
    // What an owner gives up for balance goes to whoever lacks its share, not to another rich one.
    const lacking = watch.owner !== undefined && seats.has(watch.owner) ? rank.find(fits(1, 0)) : undefined;
    const seat =
      lacking ?? rank.find(fits(ABOVE, gather)) ?? rank.find(fits(Number.POSITIVE_INFINITY, gather));
    if (seat !== undefined) put(watch.key, seat.lease);
  }
  return answer;
}

/** Watches per worker in proportion to capacity. */
function fairShares(total: number, seats: readonly WorkerSeat[]): Map<string, number> {
  const sum = seats.reduce((acc, { capacity }) => acc + capacity, 0);
  return new Map(seats.map(({ lease, capacity }) => [lease, (total * capacity) / sum]));
}

/** While the fleet is balanced everyone keeps all it can hold; otherwise only its fair share. */
function keepLimits(
  ordered: readonly { readonly watch: AssignableWatch }[],
  seats: ReadonlyMap<string, WorkerSeat>,
  share: ReadonlyMap<string, number>,
  gather: number,
): Map<string, number> {
  const held = new Map<string, number>([...seats.keys()].map((lease) => [lease, 0]));
  let free = 0;
  for (const { watch } of ordered) {
    const seat = watch.owner === undefined ? undefined : seats.get(watch.owner);
    if (seat?.serves(watch.connection) === true) held.set(seat.lease, (held.get(seat.lease) ?? 0) + 1);
    else free++;
  }
  // What nobody holds yet can fill the poor without taking from the rich.
  let lack = 0;
  let excess = false;
  for (const [lease, count] of held) {
    const fair = share.get(lease) ?? 0;
    if (count < fair * TOO_LITTLE && fair - count > gather) lack += Math.ceil(fair * TOO_LITTLE - count);
    if (count > fair * TOO_MUCH && count - fair > gather) excess = true;
  }
  const balanced = !excess && lack <= free;
  return new Map(
    [...seats.values()].map(({ lease, capacity }) => [
      lease,
      balanced ? capacity : Math.min(capacity, Math.max(1, Math.ceil(share.get(lease) ?? 0))),
    ]),
  );
}

function shardCounts(watches: readonly AssignableWatch[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { connection } of watches) sizes.set(connection, (sizes.get(connection) ?? 0) + 1);
  return new Map(
    [...sizes].map(([connection, size]) => {
      let count = 1;
      while (count < MAX_SHARDS && count * SHARD_SIZE < size) count *= 2;
      return [connection, count];
    }),
  );
}

/** Weighted rendezvous: the best worker for a unit first (-weight / ln(hash)). */
function rendezvous(unit: string, seats: readonly WorkerSeat[]): WorkerSeat[] {
  return seats
    .map((seat) => {
      const uniform = (hash32(`${unit}@${seat.lease}`) + 0.5) / 2 ** 32;
      return { seat, score: -seat.capacity / Math.log(uniform) };
    })
    .sort((a, b) => b.score - a.score || (a.seat.lease < b.seat.lease ? -1 : 1))
    .map(({ seat }) => seat);
}
