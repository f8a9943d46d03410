import { sleep } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { ConflictError } from "../broker/errors.ts";
import type { KvBucket } from "../broker/port.ts";
import { sweepFacts } from "./facts.ts";
import { hash32 } from "./identity.ts";
import type { FleetView } from "./view.ts";

export interface SweeperOptions {
  readonly view: FleetView;
  readonly bucket: KvBucket;
  readonly lease: () => string | undefined;
  /** How long a lease must have been absent before what names it is deleted, ms. Default 5,000. */
  readonly afterMs?: number;
  /** Deletes per second. Default 500. */
  readonly perSecond?: number;
  /** Between looks, ms. Default 2,000. */
  readonly everyMs?: number;
  /** Tombstones older than this are purged, ms. Default one hour. */
  readonly tombstoneMs?: number;
  readonly clock?: Clock;
}

const PURGE_EVERY_MS = 600_000;
const BATCH = 50;

/** Deletes refs and claims whose lease is gone. One worker per dead lease, by hash; a double would be harmless. */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** Absent leases that something still names, and since when we know. Monotonic. */
  readonly #absent = new Map<string, number>();
  readonly #loop: Promise<void>;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#loop = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { everyMs = 2_000, tombstoneMs = 3_600_000, bucket } = this.#options;
    const { signal } = this.#stop;
    let purgeAt = this.#clock.monotonic() + PURGE_EVERY_MS * Math.random();
    while (!signal.aborted) {
      try {
        await sleep(everyMs, { signal, clock: this.#clock });
        await this.#sweep();
        if (this.#clock.monotonic() >= purgeAt) {
          purgeAt = this.#clock.monotonic() + PURGE_EVERY_MS;
          await bucket.purgeTombstones({ olderThanMs: tombstoneMs, limit: 1_000 });
        }
      } catch {
        // The broker is away, or we are closed: the next look sees the same.
      }
    }
  }

  async #sweep(): Promise<void> {
    const { view, bucket, perSecond = 500 } = this.#options;
    if (!view.current) return;
    const due = this.#due();
    let refs = 0;
    let claims = 0;
    const total = due.length;
    for (let batch = due.splice(0, BATCH); batch.length > 0; batch = due.splice(0, BATCH)) {
      for (const { key, revision, kind } of batch) {
        try {
          await bucket.delete(key, revision);
          if (kind === "ref") refs++;
          else claims++;
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error;
        }
      }
      await sleep((BATCH / perSecond) * 1_000, { signal: this.#stop.signal, clock: this.#clock });
    }
    if (total > 0) sweepFacts.publish({ type: "swept", refs, claims });
  }

  #due(): { key: string; revision: number; kind: "ref" | "claim" }[] {
    const { view, afterMs = 5_000 } = this.#options;
    const now = this.#clock.monotonic();
    const named = new Set<string>();
    const due: { key: string; revision: number; kind: "ref" | "claim" }[] = [];
    const look = (lease: string, key: string, revision: number, kind: "ref" | "claim"): void => {
      if (view.leases.has(lease)) return;
      named.add(lease);
      const since = this.#absent.get(lease);
      if (since === undefined) this.#absent.set(lease, now);
      else if (now - since >= afterMs && this.#isMine(lease)) due.push({ key, revision, kind });
    };
    for (const { lease, key, revision } of view.refs.values()) look(lease, key, revision, "ref");
    for (const { record, key, revision } of view.claims.values()) look(record.lease, key, revision, "claim");
    for (const lease of this.#absent.keys()) if (!named.has(lease)) this.#absent.delete(lease);
    return due;
  }

  #isMine(dead: string): boolean {
    const me = this.#options.lease();
    let best: string | undefined;
    let bestScore = -1;
    for (const { lease } of this.#options.view.workers()) {
      const score = hash32(`${dead}@${lease}`);
      if (score > bestScore) [best, bestScore] = [lease, score];
    }
    return me !== undefined && best === me;
  }
}
