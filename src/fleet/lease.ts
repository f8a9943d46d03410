import { randomBytes } from "node:crypto";
import { sleep, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { errorCode } from "../base/errors.ts";
import { ConflictError } from "../broker/errors.ts";
import type { KvBucket } from "../broker/port.ts";
import { leaseKey } from "../broker/subjects.ts";
import { leaseFacts } from "./facts.ts";
import { encodeRecord, type LeaseKind, type LeaseRecord } from "./records.ts";

/** For giving the lease back; while the broker is away every answer would take its whole deadline. */
const FAREWELL_MS = 2_000;

/** What a lease says beyond its kind, TTL and host. */
export type LeaseDetails = Partial<Omit<LeaseRecord, "kind" | "ttlMs" | "host" | "seq">>;

export interface LeaseHolderOptions {
  readonly bucket: KvBucket;
  readonly kind: LeaseKind;
  /** Milliseconds. Default 15,000. */
  readonly ttlMs?: number;
  /** For people reading `status`. Default empty. */
  readonly host?: string;
  /** Read at every renewal. */
  readonly details?: () => LeaseDetails;
  /** A write of ours was stored: it must come back through the mirror. */
  readonly onStored?: (key: string, revision: number) => void;
  /** The lease is lost, or another one was acquired instead. Must not throw. */
  readonly onChange?: (change: LeaseChange) => void;
  readonly clock?: Clock;
}

export type LeaseChange =
  | { readonly type: "lost"; readonly lease: string }
  | { readonly type: "acquired"; readonly lease: string };

export const DEFAULT_LEASE_TTL_MS = 15_000;

interface Held {
  readonly lease: string;
  readonly key: string;
  revision: number;
  seq: number;
  /** When the last successful renewal was sent, by both clocks. */
  sent: { readonly monotonic: number; readonly wall: number };
}

/**
 * One lease of this process: `none -> held -> (lost -> held)* -> closed`. A fresh id per start and after each loss,
 * renewed every third of its TTL by compare-and-swap. A renewal that times out is not a loss; only the bucket can say
 * that the lease is gone. Until it does, `mayPublish` closes the fence by the clock.
 */
export class LeaseHolder {
  readonly ttlMs: number;
  readonly #bucket: KvBucket;
  readonly #options: LeaseHolderOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  #held: Held | undefined;
  #loop: Promise<void> | undefined;
  #writing: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: LeaseHolderOptions) {
    this.#options = options;
    this.#bucket = options.bucket;
    this.#clock = options.clock ?? systemClock;
    this.ttlMs = options.ttlMs ?? DEFAULT_LEASE_TTL_MS;
  }

  /** Id of the lease held; `undefined` before the first and between a loss and the next. */
  get leaseId(): string | undefined {
    return this.#held?.lease;
  }

  /** Acquires the lease and starts renewing. @throws BrokerError when the first write fails. */
  async start(): Promise<void> {
    await this.#acquire();
    this.#loop = this.#renewForEver();
  }

  /**
   * Whether others still have to respect us, with a margin: less than two thirds of the TTL since the last successful
   * renewal was sent. The larger of the two clocks' differences counts: the monotonic one stops while a virtual
   * machine sleeps, the wall clock may be set back.
   */
  mayPublish(): boolean {
    return this.silentMs < (this.ttlMs * 2) / 3;
  }

  /** Since the last successful renewal was sent, ms; infinite while no lease is held. */
  get silentMs(): number {
    const held = this.#held;
    if (held === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(this.#clock.monotonic() - held.sent.monotonic, this.#clock.now() - held.sent.wall);
  }

  /** Renews now: `details` changed. Failures are left to the regular renewal. */
  async renew(): Promise<void> {
    await this.#serial(() => this.#renewOnce()).catch(() => undefined);
  }

  /** Deletes the lease, so that nobody has to wait for its death. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
    const bound = { deadlineMs: FAREWELL_MS, clock: this.#clock, what: "giving the lease back" };
    await waitFor(this.#writing, bound).catch(() => undefined);
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const { kind } = this.#options;
    try {
      await waitFor(this.#delete(held), bound);
      leaseFacts.publish({ type: "released", kind, lease: held.lease });
    } catch (error) {
      // The broker is away: peers will find us dead, which is only slower.
      leaseFacts.publish({ type: "release-failed", kind, lease: held.lease, code: errorCode(error) });
    }
  }

  async #delete(held: Held): Promise<void> {
    try {
      await this.#bucket.delete(held.key, held.revision);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const entry = await this.#bucket.get(held.key);
      if (entry !== undefined) await this.#bucket.delete(held.key, entry.revision);
    }
  }

  async #acquire(): Promise<void> {
    const lease = randomBytes(12).toString("hex");
    const key = leaseKey(this.#options.kind, lease);
    const sent = { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
    const revision = await this.#bucket.create(key, this.#value(0), { msgId: `${lease}:0` });
    this.#held = { lease, key, revision, seq: 0, sent };
    this.#options.onStored?.(key, revision);
    leaseFacts.publish({ type: "acquired", kind: this.#options.kind, lease });
    this.#options.onChange?.({ type: "acquired", lease });
  }

  #value(seq: number): Uint8Array {
    const { kind, host = "", details } = this.#options;
    return encodeRecord({ kind, ttlMs: this.ttlMs, host, seq, ...details?.() });
  }

  async #renewForEver(): Promise<void> {
    const { signal } = this.#stop;
    let delay = this.ttlMs / 3;
    while (!signal.aborted) {
      // Up to a tenth early, so that a fleet started together does not renew in step.
      await sleep(delay * (0.9 + Math.random() * 0.1), { signal, clock: this.#clock }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#serial(() => (this.#held === undefined ? this.#acquire() : this.#renewOnce()));
        delay = this.ttlMs / 3;
      } catch {
        delay = Math.min(1_000, this.ttlMs / 10);
      }
    }
  }

  /** One write at a time: two renewals in flight would conflict with each other. */
  #serial<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#writing.then(work, work);
    this.#writing = result;
    result.catch(() => undefined);
    return result;
  }

  async #renewOnce(): Promise<void> {
    const held = this.#held;
    if (held === undefined || this.#stop.signal.aborted) return;
    const { kind } = this.#options;
    const sent = { monotonic: this.#clock.monotonic(), wall: this.#clock.now() };
    const seq = held.seq + 1;
    held.seq = seq;
    try {
      held.revision = await this.#bucket.update(held.key, this.#value(seq), held.revision, {
        msgId: `${held.lease}:${seq}`,
      });
    } catch (error) {
      if (!(error instanceof ConflictError)) {
        leaseFacts.publish({ type: "renewal-failed", kind, lease: held.lease, code: errorCode(error) });
        throw error;
      }
      await this.#resolveConflict(held);
      return;
    }
    held.sent = sent;
    this.#options.onStored?.(held.key, held.revision);
    leaseFacts.publish({
      type: "renewed",
      kind,
      lease: held.lease,
      seconds: (this.#clock.monotonic() - sent.monotonic) / 1_000,
    });
  }

  /** A conflict proves nothing: an earlier write may have been stored unacknowledged. The key is ours alone. */
  async #resolveConflict(held: Held): Promise<void> {
    const { kind } = this.#options;
    const entry = await this.#bucket.get(held.key);
    if (entry !== undefined) {
      held.revision = entry.revision;
      leaseFacts.publish({ type: "renewal-failed", kind, lease: held.lease, code: "BROKER_CONFLICT" });
      throw new ConflictError(held.key);
    }
    this.#held = undefined;
    leaseFacts.publish({ type: "lost", kind, lease: held.lease });
    this.#options.onChange?.({ type: "lost", lease: held.lease });
    await this.#acquire();
  }
}
