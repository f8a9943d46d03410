import type { Clock } from "../base/clock.ts";
import { Turnstile } from "../base/turnstile.ts";
import { ConflictError } from "../broker/errors.ts";
import type { KvBucket, KvEntry } from "../broker/port.ts";
import { claimKey, watchName } from "../broker/subjects.ts";
import type { WatchTarget } from "../fleet/port.ts";
import { type ClaimRecord, decodeClaim, encodeRecord } from "../fleet/records.ts";
import type { ClaimEntry, FleetView } from "../fleet/view.ts";
import { type Late, sameLate, type WatchMode } from "../watch/events.ts";
import { claimFacts } from "./facts.ts";

export interface ClaimStatus {
  readonly state: ClaimRecord["state"];
  readonly mode: WatchMode;
  readonly code?: ClaimRecord["code"];
  readonly error?: string;
  readonly late?: Late;
}

/** Longest error text in a claim, UTF-16 units. */
const MAX_ERROR = 500;
const CATCH_UP_MS = 3_000;
/** A renewal of the lease shares the way to the broker with these, and must not wait behind thousands. */
const WRITES_AT_ONCE = 64;

interface Ahead {
  readonly revision: number;
  readonly deleted: boolean;
  /** Monotonic. */
  readonly at: number;
}

/**
 * Moves claims by compare-and-swap. A conflict is an answer, not a failure: the view will show who was faster. After
 * a write of ours, the claim is left alone until the view has caught up with it.
 */
export class ClaimWriter {
  readonly #bucket: KvBucket;
  readonly #view: FleetView;
  readonly #clock: Clock;
  readonly #turnstile = new Turnstile(WRITES_AT_ONCE);
  /** Claim key -> our last write that the view has not shown yet. */
  readonly #ahead = new Map<string, Ahead>();
  /** Claim key -> revision of the last epoch opened: an epoch is never opened twice. */
  readonly #opened = new Map<string, number>();

  constructor(bucket: KvBucket, view: FleetView, clock: Clock) {
    this.#clock = clock;
    this.#bucket = bucket;
    this.#view = view;
  }

  keyOf({ connection, path, recursive }: WatchTarget): string {
    return claimKey(watchName(connection, path, this.#view.caseSensitive(connection)), recursive);
  }

  /** Whether the view shows our last write on this claim, or something newer. */
  settled(key: string | undefined, entry: ClaimEntry | undefined): boolean {
    if (key === undefined) return true;
    const ahead = this.#ahead.get(key);
    if (ahead === undefined) return true;
    const caughtUp =
      (entry === undefined ? ahead.deleted : entry.revision >= ahead.revision) ||
      // Others may have deleted what we wrote between two looks. The swap itself guards against an old view.
      this.#clock.monotonic() - ahead.at > CATCH_UP_MS;
    if (caughtUp) this.#ahead.delete(key);
    return caughtUp;
  }

  /** Whether the claim already says this. */
  says(record: ClaimRecord, status: ClaimStatus): boolean {
    return (
      record.state === status.state &&
      record.mode === status.mode &&
      record.code === status.code &&
      record.error === status.error?.slice(0, MAX_ERROR) &&
      sameLate(record.late, status.late)
    );
  }

  /** Takes a claim nobody living holds. */
  async take(target: WatchTarget, me: string, dead: ClaimEntry | undefined): Promise<boolean> {
    const { connection, path, recursive } = target;
    const record: ClaimRecord = { lease: me, connection, path, recursive, state: "starting", mode: "notify" };
    if (dead !== undefined) return this.#update(dead, record);
    const key = this.keyOf(target);
    if (await this.#write(key, record, () => this.#bucket.create(key, encodeRecord(record)))) return true;
    // Something is there that the view does not show as this claim. What is no claim at all must not block it.
    const found = await this.#bucket.get(key);
    if (found === undefined || this.#isClaim(found)) return false;
    return this.#write(key, record, () => this.#bucket.update(key, encodeRecord(record), found.revision));
  }

  #isClaim({ key, value }: KvEntry): boolean {
    try {
      return this.keyOf(decodeClaim(value)) === key;
    } catch {
      return false;
    }
  }

  intend(entry: ClaimEntry, me: string, ready: boolean): Promise<boolean> {
    return this.#update(entry, { ...entry.record, next: { lease: me, ready } });
  }

  /** Forgets who meant to take over. */
  keep(entry: ClaimEntry): Promise<boolean> {
    const { next: _, ...record } = entry.record;
    return this.#update(entry, record);
  }

  async announce(entry: ClaimEntry, status: ClaimStatus): Promise<boolean> {
    const { lease, connection, path, recursive, next } = entry.record;
    const { state, mode, code, error, late } = status;
    return this.#update(entry, {
      lease,
      connection,
      path,
      recursive,
      state,
      mode,
      ...(code === undefined ? {} : { code }),
      ...(error === undefined ? {} : { error: error.slice(0, MAX_ERROR) }),
      ...(late === undefined ? {} : { late }),
      ...(next === undefined ? {} : { next }),
      // Still waiting to begin: the gap-free start must not be forgotten.
      ...(entry.record.clean === true && state === "warm" ? { clean: true } : {}),
    });
  }

  /** Gives the claim to the one who is ready. */
  async transfer(entry: ClaimEntry, clean: boolean): Promise<boolean> {
    const { next, clean: _, ...record } = entry.record;
    if (next === undefined) return this.release(entry);
    return this.#update(entry, { ...record, lease: next.lease, ...(clean ? { clean } : {}) });
  }

  async release(entry: ClaimEntry): Promise<boolean> {
    try {
      const revision = await this.#turnstile.run(() => this.#bucket.delete(entry.key, entry.revision));
      this.#ahead.set(entry.key, { revision, deleted: true, at: this.#clock.monotonic() });
      this.#opened.delete(entry.key);
      return true;
    } catch (error) {
      return this.#conflict(entry.record, error);
    }
  }

  /** The entry itself, or a rewritten one where its revision has named an epoch before. */
  async unusedRevision(entry: ClaimEntry): Promise<ClaimEntry | undefined> {
    let fresh = entry;
    if (this.#opened.get(entry.key) === entry.revision) {
      if (!(await this.#update(entry, entry.record))) return undefined;
      fresh = { ...entry, revision: this.#ahead.get(entry.key)?.revision ?? entry.revision };
    }
    this.#opened.set(entry.key, fresh.revision);
    return fresh;
  }

  #update(entry: ClaimEntry, record: ClaimRecord): Promise<boolean> {
    return this.#write(entry.key, record, () =>
      this.#bucket.update(entry.key, encodeRecord(record), entry.revision),
    );
  }

  async #write(key: string, record: ClaimRecord, write: () => Promise<number>): Promise<boolean> {
    try {
      const revision = await this.#turnstile.run(write);
      this.#ahead.set(key, { revision, deleted: false, at: this.#clock.monotonic() });
      return true;
    } catch (error) {
      return this.#conflict(record, error);
    }
  }

  #conflict({ connection, path }: WatchTarget, error: unknown): false {
    if (!(error instanceof ConflictError)) throw error;
    claimFacts.publish({ type: "conflict", connection, path });
    return false;
  }
}
