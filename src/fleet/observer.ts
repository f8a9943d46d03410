import type { Clock } from "../base/clock.ts";

export interface LeaseObserverOptions {
  readonly clock: Clock;
  /** Our own lease: its renewals, coming back through the same watch, prove that we are not deaf. */
  readonly ownLease: string;
  /** TTL of our own lease, ms. An echo older than half of it is stale. */
  readonly ownTtlMs: number;
  /** Added to each lease's TTL, ms. Default 3,000. */
  readonly graceMs?: number;
}

/** After an outage peers come back one by one: clients dial again at random within a second, and then renew. */
const RETURN_MS = 2_000;

export interface SeenLease {
  readonly lease: string;
  /** Revision to revoke by compare-and-swap. */
  readonly revision: number;
}

/**
 * Judges which leases are dead: no new revision for TTL + grace on this process's own monotonic clock,
 * and only while our own echo is fresh. Clocks of two machines are never compared.
 */
export class LeaseObserver {
  readonly #clock: Clock;
  readonly #own: string;
  readonly #ownTtl: number;
  readonly #grace: number;
  readonly #seen = new Map<string, { revision: number; ttlMs: number; at: number }>();
  #echo: { revision: number; at: number } | undefined;
  /** Of the last echo, whichever watch brought it. */
  #heardAt: number;

  constructor(options: LeaseObserverOptions) {
    this.#clock = options.clock;
    this.#own = options.ownLease;
    this.#ownTtl = options.ownTtlMs;
    this.#grace = options.graceMs ?? 3_000;
    this.#heardAt = this.#clock.monotonic();
  }

  /** Whether the bucket's watch is provably alive. */
  get fresh(): boolean {
    return this.#echo !== undefined && this.#clock.monotonic() - this.#echo.at <= this.#ownTtl / 2;
  }

  /** A lease as the watch told it. Only a new revision counts as a sign of life. */
  saw(lease: string, revision: number, ttlMs: number): void {
    const now = this.#clock.monotonic();
    if (lease === this.#own) {
      if (this.#echo !== undefined && revision <= this.#echo.revision) return;
      // After a silence everything known is as old as the silence: begin anew.
      if (!this.fresh) this.#beginAnew();
      this.#echo = { revision, at: now };
      this.#heardAt = now;
      return;
    }
    const entry = this.#seen.get(lease);
    if (entry !== undefined && entry.revision === revision) return;
    this.#seen.set(lease, { revision, ttlMs, at: now });
  }

  /** Since a sign of life was seen, ms. */
  silentMs(lease: string): number | undefined {
    const entry = this.#seen.get(lease);
    return entry === undefined ? undefined : this.#clock.monotonic() - entry.at;
  }

  gone(lease: string): void {
    this.#seen.delete(lease);
  }

  /** The watch was rebuilt: what was seen before proves nothing about now. */
  restart(): void {
    this.#beginAnew();
    this.#echo = undefined;
  }

  #beginAnew(): void {
    const now = this.#clock.monotonic();
    // Without an outage there is nobody to wait for.
    const from = now - this.#heardAt <= this.#ownTtl / 2 ? now : now + RETURN_MS;
    for (const entry of this.#seen.values()) entry.at = Math.max(entry.at, from);
  }

  /** Leases to revoke now; empty while we may be deaf. */
  dead(): SeenLease[] {
    if (!this.fresh) return [];
    const now = this.#clock.monotonic();
    return [...this.#seen]
      .filter(([, { at, ttlMs }]) => now - at > ttlMs + this.#grace)
      .map(([lease, { revision }]) => ({ lease, revision }));
  }

  /** When the earliest lease could be judged, ms from now, were it silent from here on. */
  nextJudgementMs(): number | undefined {
    const now = this.#clock.monotonic();
    let earliest: number | undefined;
    for (const { at, ttlMs } of this.#seen.values()) {
      const left = Math.max(0, at + ttlMs + this.#grace - now);
      if (earliest === undefined || left < earliest) earliest = left;
    }
    return earliest;
  }
}
