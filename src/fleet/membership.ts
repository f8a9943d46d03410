import { deferred, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import { ConflictError } from "../broker/errors.ts";
import type { Broker, KvMirror, MirrorBatch } from "../broker/port.ts";
import { parseKey } from "../broker/subjects.ts";
import { leaseFacts } from "./facts.ts";
import { type LeaseChange, type LeaseDetails, LeaseHolder } from "./lease.ts";
import { LeaseObserver } from "./observer.ts";
import type { LeaseKind } from "./records.ts";
import { syncedWithin } from "./synced.ts";
import { FleetView } from "./view.ts";

export interface MembershipOptions {
  readonly broker: Broker;
  readonly kind: LeaseKind;
  /** Milliseconds. Default 15,000. */
  readonly ttlMs?: number;
  /** Added to a lease's TTL before it is judged dead, ms. Default a twentieth of `ttlMs`, at most 500. */
  readonly graceMs?: number;
  readonly host?: string;
  readonly details?: () => LeaseDetails;
  /** What is configured here about case; leases of workers tell about the rest. */
  readonly caseSensitive?: (connection: string) => boolean | undefined;
  /** Must not throw. */
  readonly onLease?: (change: LeaseChange) => void;
  readonly clock?: Clock;
}

const START_DEADLINE_MS = 15_000;
/** A crash is taken over within TTL + 2 s: what detection may add is bounded. A holder stops at two thirds of its TTL anyway. */
const MAX_GRACE_MS = 500;
const MAX_JUDGEMENT_PAUSE_MS = 250;

/** What every process of the fleet has: one lease, one mirror of the bucket, and an eye on the others' leases. */
export class Membership {
  readonly view: FleetView;
  readonly lease: LeaseHolder;
  readonly #broker: Broker;
  readonly #mirror: KvMirror;
  readonly #options: MembershipOptions;
  readonly #clock: Clock;
  #observer: LeaseObserver | undefined;
  #cancelJudgement: (() => void) | undefined;
  #judging = false;
  /** Until the broker says otherwise: a service's account need not have the right. */
  #mayRevoke = true;
  #closing: Promise<void> | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#broker = options.broker;
    this.#clock = options.clock ?? systemClock;
    this.#mirror = options.broker.mirror();
    this.view = new FleetView(
      this.#mirror,
      options.caseSensitive === undefined ? {} : { caseSensitive: options.caseSensitive },
    );
    this.lease = new LeaseHolder({
      bucket: options.broker.watches,
      kind: options.kind,
      clock: this.#clock,
      ...(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }),
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.details === undefined ? {} : { details: options.details }),
      onStored: (key, revision) => this.#mirror.expectEcho(key, revision),
      onChange: (change) => this.#leaseChanged(change),
    });
    this.view.onChange(({ batch }) => this.#observe(batch));
  }

  /** Resolves when the bucket is read, the lease is held and has come back through the mirror. @throws BrokerError, DeadlineError */
  async start(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const wait = { signal: options.signal, deadlineMs: START_DEADLINE_MS, what: "the fleet's bucket" };
    await syncedWithin(this.#mirror, wait);
    await waitFor(this.lease.start(), wait);
    const echoed = deferred<void>();
    const seen = (): void => {
      const { leaseId } = this.lease;
      if (leaseId !== undefined && this.view.leases.has(leaseId)) echoed.resolve();
    };
    const unsubscribe = this.view.onChange(seen);
    try {
      seen();
      await waitFor(echoed.promise, wait);
    } finally {
      unsubscribe();
    }
  }

  /** Since another's lease was seen renewed, ms; unknown while we hold no lease to judge by. */
  silentMs(lease: string): number | undefined {
    return this.#observer?.silentMs(lease);
  }

  /** Gives the lease back, then lets go of the mirror. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelJudgement?.();
    const released = await Promise.allSettled([this.lease.close()]);
    this.view.close();
    await this.#mirror.close();
    if (released[0].status === "rejected") throw released[0].reason;
  }

  #leaseChanged(change: LeaseChange): void {
    this.#observer = undefined;
    if (change.type === "acquired") {
      const { graceMs = Math.min(MAX_GRACE_MS, this.lease.ttlMs / 20) } = this.#options;
      this.#observer = new LeaseObserver({
        clock: this.#clock,
        ownLease: change.lease,
        ownTtlMs: this.lease.ttlMs,
        graceMs,
      });
      for (const { lease, revision, record } of this.view.leases.values()) {
        this.#observer.saw(lease, revision, record.ttlMs);
      }
      this.#scheduleJudgement();
    }
    this.#options.onLease?.(change);
  }

  #observe(batch: MirrorBatch): void {
    const observer = this.#observer;
    if (observer === undefined) return;
    if (batch.restarted) observer.restart();
    for (const change of batch.changes) {
      const parsed = parseKey(change.type === "put" ? change.entry.key : change.key);
      if (parsed?.type !== "lease") continue;
      const entry = this.view.leases.get(parsed.leaseId);
      if (entry === undefined) observer.gone(parsed.leaseId);
      else observer.saw(entry.lease, entry.revision, entry.record.ttlMs);
    }
    this.#scheduleJudgement();
  }

  #scheduleJudgement(): void {
    if (this.#cancelJudgement !== undefined || this.#closing !== undefined || !this.#mayRevoke) return;
    const next = this.#observer?.nextJudgementMs();
    if (next === undefined) return;
    // Not at once again: a dead lease may be unjudgeable while our echo is stale.
    const delay = Math.max(next, Math.min(MAX_JUDGEMENT_PAUSE_MS, this.lease.ttlMs / 20));
    this.#cancelJudgement = this.#clock.after(
      delay,
      () => {
        this.#cancelJudgement = undefined;
        void this.#judge().finally(() => this.#scheduleJudgement());
      },
      { unref: true },
    );
  }

  async #judge(): Promise<void> {
    if (this.#judging || !this.view.current) return;
    this.#judging = true;
    try {
      for (const { lease, revision } of this.#observer?.dead() ?? []) {
        const entry = this.view.leases.get(lease);
        if (entry === undefined || entry.revision !== revision) continue;
        try {
          await this.#broker.watches.delete(entry.key, revision);
          leaseFacts.publish({ type: "revoked", lease });
        } catch (error) {
          if (errorCode(error) === "BROKER_DENIED") this.#mayRevoke = false;
          // It renewed, or somebody else was faster: either way the bucket has the truth.
          if (!(error instanceof ConflictError)) return;
        }
      }
    } finally {
      this.#judging = false;
    }
  }
}
