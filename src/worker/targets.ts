import { pathKey } from "../base/path.ts";
import type { AssignableWatch, WorkerSeat } from "../fleet/assign.ts";
import { assignWatches } from "../fleet/assign.ts";
import { type CaseRule, covers, type WatchKey } from "../fleet/identity.ts";
import { type PlannedWatch, planWatches } from "../fleet/plan.ts";
import type { WatchTarget } from "../fleet/port.ts";
import { ScopeIndex } from "../fleet/scope-index.ts";
import type { ClaimEntry, FleetView, LeaseEntry } from "../fleet/view.ts";
import type { ResyncEvent } from "../watch/events.ts";

const DEFAULT_CAPACITY = 20_000;

/** What the whole fleet should look like, computed from one look at the bucket. */
export interface FleetTargets {
  readonly plan: ReadonlyMap<WatchKey, PlannedWatch>;
  readonly assignment: ReadonlyMap<WatchKey, string>;
  /** Claims with a living owner. */
  readonly claims: ScopeIndex<{ readonly target: ClaimEntry["record"]; readonly entry: ClaimEntry }>;
  readonly planned: ScopeIndex<PlannedWatch>;
  /** Some watch is kept only for its linger. */
  readonly lingering: boolean;
}

/** @param lingering - watches to keep although nobody asks for them just now. */
export function computeTargets(
  view: FleetView,
  options: { readonly gather?: number; readonly lingering?: Iterable<PlannedWatch> } = {},
): FleetTargets {
  const { caseSensitive } = view;
  const plan = new Map(
    planWatches(view.liveInterests(), {
      caseSensitive,
      cannotCover: (key) => view.liveClaim(key)?.record.state === "denied",
    }),
  );
  const planned = new ScopeIndex(plan.values(), caseSensitive);
  let lingering = false;
  for (const watch of options.lingering ?? []) {
    // Whoever is asked for in its place makes the linger pointless.
    const [successor] = planned.overlapping(watch.target);
    if (successor !== undefined) continue;
    plan.set(watch.key, watch);
    lingering = true;
  }
  const watches: AssignableWatch[] = [...plan].map(([key, { target }]) => ({
    key,
    connection: target.connection,
    owner: ownerToBe(view, key),
  }));
  const workers = [...view.workers()];
  const seats = workers.map((worker) => seatOf(worker, workers));
  const claims = [...view.claims.values()]
    .filter(({ record }) => view.leases.has(record.lease))
    .map((entry) => ({ target: entry.record, entry }));
  return {
    plan,
    assignment: assignWatches(watches, seats, options.gather === undefined ? {} : { gather: options.gather }),
    claims: new ScopeIndex(claims, caseSensitive),
    planned,
    lingering,
  };
}

/** A move under way counts as made: else half of the moves would make the fleet balanced, and undo the other half. */
function ownerToBe(view: FleetView, key: WatchKey): string | undefined {
  const record = view.liveClaim(key)?.record;
  const next = record?.next?.lease;
  return next !== undefined && view.leases.has(next) ? next : record?.lease;
}

export interface TargetBookOptions {
  /** How long a watch nobody asks for is kept, ms. */
  readonly lingerMs: number;
  readonly gather?: number;
}

interface Lingering {
  readonly watch: PlannedWatch;
  readonly until: number;
  expired: boolean;
}

/** The targets as of the last look, computed anew only when the bucket has changed. */
export class TargetBook {
  readonly #view: FleetView;
  readonly #options: TargetBookOptions;
  /** Watches of ours that lost their last ref, and until when they are kept. */
  readonly #lingering = new Map<WatchKey, Lingering>();
  #targets: FleetTargets | undefined;
  #stale = true;

  constructor(view: FleetView, options: TargetBookOptions) {
    this.#view = view;
    this.#options = options;
  }

  get current(): FleetTargets | undefined {
    return this.#targets;
  }

  stale(): void {
    this.#stale = true;
  }

  /** @param now - monotonic. @param held - watches run here. */
  refresh(now: number, held: Iterable<WatchKey>): FleetTargets {
    const local = new Set(held);
    for (const [key, entry] of this.#lingering) {
      if (!local.has(key)) this.#lingering.delete(key);
      else if (!entry.expired && entry.until <= now) {
        entry.expired = true;
        this.#stale = true;
      }
    }
    if (this.#targets !== undefined && !this.#stale) return this.#targets;
    this.#stale = false;
    const before = this.#targets?.plan;
    let targets = this.#compute();
    let more = false;
    for (const key of local) {
      const watch = before?.get(key);
      if (watch === undefined || targets.plan.has(key) || this.#lingering.has(key)) continue;
      const until = now + this.#options.lingerMs;
      this.#lingering.set(key, { watch: { ...watch, interests: [] }, until, expired: false });
      more = true;
    }
    if (more) targets = this.#compute();
    for (const [key, { watch }] of this.#lingering) {
      const planned = targets.plan.get(key);
      if (planned !== undefined && planned !== watch) this.#lingering.delete(key);
    }
    this.#targets = targets;
    return targets;
  }

  #compute(): FleetTargets {
    const { gather } = this.#options;
    const lingering = [...this.#lingering.values()].filter(({ expired }) => !expired);
    return computeTargets(this.#view, {
      ...(gather === undefined ? {} : { gather }),
      lingering: lingering.map(({ watch }) => watch),
    });
  }
}

/** Another claim with a living owner publishes part of this scope. */
export function isOverlapped(
  target: WatchTarget,
  own: ClaimEntry | undefined,
  { claims }: FleetTargets,
  view: FleetView,
): boolean {
  for (const { entry } of claims.overlapping(target)) {
    const record = view.claims.get(entry.key)?.record;
    if (record === undefined || !view.leases.has(record.lease)) continue;
    const { state } = record;
    if (entry.key !== own?.key && (state === "live" || state === "degraded")) return true;
  }
  return false;
}

/** Every planned watch that takes over part of this scope is armed. */
export function isSucceeded(target: WatchTarget, { planned }: FleetTargets, view: FleetView): boolean {
  for (const { key } of planned.overlapping(target)) {
    const state = view.liveClaim(key)?.record.state;
    if (state !== "warm" && state !== "live" && state !== "degraded") return false;
  }
  return true;
}

export function hasSuccessor(target: WatchTarget, { planned }: FleetTargets): boolean {
  for (const _ of planned.overlapping(target)) return true;
  return false;
}

function seatOf({ lease, record }: LeaseEntry, workers: readonly LeaseEntry[]): WorkerSeat {
  const known = record.connections === undefined ? undefined : new Set(record.connections);
  // What is out of everyone's reach stays where it is: somebody has to say so.
  const denied = new Set(record.deny?.filter((name) => workers.some((other) => isWilling(other, name))));
  return {
    lease,
    capacity: record.capacity ?? DEFAULT_CAPACITY,
    serves: (connection) =>
      record.draining !== true && (known?.has(connection) ?? true) && !denied.has(connection),
  };
}

function isWilling({ record: { connections, deny, draining } }: LeaseEntry, name: string): boolean {
  return draining !== true && (connections?.includes(name) ?? true) && deny?.includes(name) !== true;
}

/** Directories inside a resync's scope, other than its own, that somebody asked for. */
export function resyncTargets(
  watch: PlannedWatch | undefined,
  event: ResyncEvent,
  caseSensitive: CaseRule,
): readonly string[] {
  if (watch === undefined) return [];
  const { connection } = watch.target;
  const sensitive = caseSensitive(connection);
  const own = pathKey(event.path, sensitive);
  const scope = { connection, path: event.path, recursive: event.scope === "subtree" };
  const paths = new Map<string, string>();
  for (const { path } of watch.interests) {
    const key = pathKey(path, sensitive);
    if (key !== own && covers(scope, { connection, path, recursive: false }, caseSensitive)) {
      paths.set(key, path);
    }
  }
  return [...paths.values()];
}
