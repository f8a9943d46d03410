import { describeError } from "../base/errors.ts";
import type { KvEntry, KvMirror, MirrorBatch } from "../broker/port.ts";
import { parseKey } from "../broker/subjects.ts";
import { recordFacts } from "./facts.ts";
import { type CaseRule, type WatchKey, watchKey } from "./identity.ts";
import type { WatchTarget } from "./port.ts";
import {
  type ClaimRecord,
  decodeClaim,
  decodeLease,
  decodeRef,
  type LeaseRecord,
  type RefRecord,
} from "./records.ts";

export interface LeaseEntry {
  readonly key: string;
  readonly lease: string;
  readonly revision: number;
  readonly record: LeaseRecord;
}

export interface RefEntry {
  readonly key: string;
  readonly lease: string;
  readonly revision: number;
  readonly target: RefRecord;
}

export interface ClaimEntry {
  readonly key: string;
  readonly revision: number;
  readonly record: ClaimRecord;
}

/** What a batch changed. A mere renewal changes nothing here. */
export interface ViewChange {
  readonly batch: MirrorBatch;
  /** Leases came, went, or say something else. */
  readonly leases: boolean;
  readonly refs: boolean;
  readonly claims: boolean;
}

export interface FleetViewOptions {
  /** What is configured here about case; asked first. Leases of workers tell about the rest. */
  readonly caseSensitive?: (connection: string) => boolean | undefined;
}

/** The mirrored bucket, decoded. Follows the mirror batch by batch; what cannot be read is not there. */
export class FleetView {
  readonly #mirror: KvMirror;
  readonly #configured: (connection: string) => boolean | undefined;
  readonly #leases = new Map<string, LeaseEntry>();
  readonly #refs = new Map<string, RefEntry>();
  readonly #claims = new Map<string, ClaimEntry>();
  readonly #claimKeys = new Map<WatchKey, string>();
  #sensitive: ReadonlySet<string> = new Set();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  #changed = { leases: false, refs: false, claims: false };
  readonly #unsubscribe: () => void;

  constructor(mirror: KvMirror, options: FleetViewOptions = {}) {
    this.#mirror = mirror;
    this.#configured = options.caseSensitive ?? (() => undefined);
    for (const entry of mirror.entries()) this.#put(entry);
    this.#reindex();
    this.#unsubscribe = mirror.onBatch((batch) => this.#apply(batch));
  }

  /** Whether the picture is whole: read once, and not in doubt. */
  get current(): boolean {
    return this.#mirror.generation > 0 && this.#mirror.current;
  }

  /** Live leases by id. */
  get leases(): ReadonlyMap<string, LeaseEntry> {
    return this.#leases;
  }

  /** All refs by key, void ones included. */
  get refs(): ReadonlyMap<string, RefEntry> {
    return this.#refs;
  }

  /** All claims by key, void ones included. */
  get claims(): ReadonlyMap<string, ClaimEntry> {
    return this.#claims;
  }

  readonly caseSensitive: CaseRule = (connection) =>
    this.#configured(connection) ?? this.#sensitive.has(connection);

  claim(key: WatchKey): ClaimEntry | undefined {
    const bucketKey = this.#claimKeys.get(key);
    return bucketKey === undefined ? undefined : this.#claims.get(bucketKey);
  }

  /** A claim whose owner is alive. */
  liveClaim(key: WatchKey): ClaimEntry | undefined {
    const claim = this.claim(key);
    return claim !== undefined && this.#leases.has(claim.record.lease) ? claim : undefined;
  }

  /** Interests whose holder is alive. */
  *liveInterests(): Iterable<WatchTarget> {
    for (const ref of this.#refs.values()) if (this.#leases.has(ref.lease)) yield ref.target;
  }

  *workers(): Iterable<LeaseEntry> {
    for (const entry of this.#leases.values()) if (entry.record.kind === "worker") yield entry;
  }

  /** Whether some worker serves this connection; `undefined` when no worker is there to say. */
  knows(connection: string): boolean | undefined {
    let asked: boolean | undefined;
    for (const { record } of this.workers()) {
      if (record.connections === undefined || record.connections.includes(connection)) return true;
      asked = false;
    }
    return asked;
  }

  /** Called after the view has followed a batch. Must not throw. Returns the unsubscribe function. */
  onChange(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What is configured about case has changed. */
  reconfigured(): void {
    this.#reindex();
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
  }

  #apply(batch: MirrorBatch): void {
    this.#changed = { leases: false, refs: false, claims: false };
    for (const change of batch.changes) {
      if (change.type === "put") this.#put(change.entry);
      else this.#delete(change.key);
    }
    if (this.#changed.leases) this.#learnCase();
    const change: ViewChange = { batch, ...this.#changed };
    for (const listener of [...this.#listeners]) listener(change);
  }

  #put(entry: KvEntry): void {
    const { key, revision, value } = entry;
    const parsed = parseKey(key);
    if (parsed === undefined) return;
    try {
      if (parsed.type === "lease") {
        const record = decodeLease(value);
        const before = this.#leases.get(parsed.leaseId);
        if (before === undefined || !sameDetails(before.record, record)) this.#changed.leases = true;
        this.#leases.set(parsed.leaseId, { key, lease: parsed.leaseId, revision, record });
      } else if (parsed.type === "ref") {
        this.#refs.set(key, { key, lease: parsed.leaseId, revision, target: decodeRef(value) });
        this.#changed.refs = true;
      } else {
        this.#unindex(key);
        const record = decodeClaim(value);
        this.#claims.set(key, { key, revision, record });
        this.#claimKeys.set(watchKey(record, this.caseSensitive), key);
        this.#changed.claims = true;
      }
    } catch (error) {
      this.#delete(key);
      recordFacts.publish({ type: "unreadable", key, message: describeError(error) });
    }
  }

  #delete(key: string): void {
    const parsed = parseKey(key);
    if (parsed?.type === "lease") {
      if (this.#leases.delete(parsed.leaseId)) this.#changed.leases = true;
    } else if (parsed?.type === "ref") {
      if (this.#refs.delete(key)) this.#changed.refs = true;
    } else if (parsed?.type === "claim") {
      this.#unindex(key);
      if (this.#claims.delete(key)) this.#changed.claims = true;
    }
  }

  #unindex(key: string): void {
    const claim = this.#claims.get(key);
    if (claim === undefined) return;
    const identity = watchKey(claim.record, this.caseSensitive);
    if (this.#claimKeys.get(identity) === key) this.#claimKeys.delete(identity);
  }

  #learnCase(): void {
    const names = new Set<string>();
    for (const { record } of this.workers()) for (const name of record.caseSensitive ?? []) names.add(name);
    if (names.size === this.#sensitive.size && [...names].every((name) => this.#sensitive.has(name))) return;
    this.#sensitive = names;
    this.#reindex();
  }

  #reindex(): void {
    this.#claimKeys.clear();
    for (const { key, record } of this.#claims.values()) {
      this.#claimKeys.set(watchKey(record, this.caseSensitive), key);
    }
  }
}

/** What changes at every renewal concerns nobody's plans. */
function sameDetails(a: LeaseRecord, b: LeaseRecord): boolean {
  const plans = (record: LeaseRecord): string => JSON.stringify({ ...record, seq: 0, lag: undefined });
  return plans(a) === plans(b);
}
