import type { Late, WatchMode } from "../watch/events.ts";
import { watchKey } from "./identity.ts";
import { planWatches } from "./plan.ts";
import type { ClaimState, LeaseKind } from "./records.ts";
import type { FleetView } from "./view.ts";

/** What `smb2nats status` shows: the fleet as the bucket has it. */
export interface FleetStatus {
  readonly holders: readonly HolderStatus[];
  readonly watches: readonly WatchStatus[];
  /** Refs and claims whose lease is gone, not yet swept. */
  readonly void: { readonly refs: number; readonly claims: number };
}

export interface HolderStatus {
  readonly lease: string;
  readonly kind: LeaseKind;
  readonly host: string;
  readonly ttlMs: number;
  readonly version?: string;
  readonly draining?: boolean;
  readonly connections?: readonly string[];
  readonly capacity?: number;
  /** Connections it cannot reach, while others perhaps can. */
  readonly deny?: readonly string[];
  readonly refs: number;
  readonly claims: number;
  /** Worker: messages that waited to be published at its last renewal, and the age of the oldest, ms. */
  readonly lag?: { readonly messages: number; readonly ms: number };
}

export interface WatchStatus {
  readonly connection: string;
  readonly path: string;
  readonly recursive: boolean;
  /** `unclaimed`: wanted, and nobody holds it yet. */
  readonly state: ClaimState | "unclaimed";
  readonly mode: WatchMode;
  readonly error?: string;
  /** What its changes may come late by, s. */
  readonly late?: Late;
  /** Lease and host of the worker that holds it. */
  readonly owner?: string;
  readonly host?: string;
  /** The worker that prepares to take over. */
  readonly next?: string;
  readonly refs: number;
  /** Nobody asks for it any more; it is about to end. */
  readonly unwanted?: true;
}

export function collectStatus(view: FleetView): FleetStatus {
  const refs = new Map<string, number>();
  const claims = new Map<string, number>();
  const gone = { refs: 0, claims: 0 };
  for (const { lease } of view.refs.values()) {
    if (view.leases.has(lease)) refs.set(lease, (refs.get(lease) ?? 0) + 1);
    else gone.refs++;
  }
  const { caseSensitive } = view;
  const plan = planWatches(view.liveInterests(), {
    caseSensitive,
    cannotCover: (key) => view.liveClaim(key)?.record.state === "denied",
  });
  const watches: WatchStatus[] = [];
  const claimed = new Set<string>();
  for (const { record } of view.claims.values()) {
    const owner = view.leases.get(record.lease);
    if (owner === undefined) {
      gone.claims++;
      continue;
    }
    claims.set(record.lease, (claims.get(record.lease) ?? 0) + 1);
    const key = watchKey(record, caseSensitive);
    claimed.add(key);
    const interests = plan.get(key)?.interests.length ?? 0;
    const { connection, path, recursive, state, mode, error, late, next } = record;
    watches.push({
      connection,
      path,
      recursive,
      state,
      mode,
      owner: record.lease,
      host: owner.record.host,
      refs: interests,
      ...(error === undefined ? {} : { error }),
      ...(late === undefined ? {} : { late }),
      ...(next === undefined ? {} : { next: next.lease }),
      ...(interests === 0 ? { unwanted: true as const } : {}),
    });
  }
  for (const [key, { target, interests }] of plan) {
    if (claimed.has(key)) continue;
    watches.push({ ...target, state: "unclaimed", mode: "notify", refs: interests.length });
  }
  const holders = [...view.leases.values()].map(({ lease, record }): HolderStatus => {
    const { seq: _, caseSensitive: __, ...shown } = record;
    const lag = record.kind === "worker" ? { lag: record.lag ?? { messages: 0, ms: 0 } } : {};
    return { lease, ...shown, ...lag, refs: refs.get(lease) ?? 0, claims: claims.get(lease) ?? 0 };
  });
  const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return {
    holders: holders.sort((a, b) => order(a.kind, b.kind) || order(a.lease, b.lease)),
    watches: watches.sort((a, b) => order(a.connection, b.connection) || order(a.path, b.path)),
    void: gone,
  };
}
