import type { Clock } from "../base/clock.ts";
import type { RefState } from "./port.ts";

/** Whoever holds it may have been somebody else for as long as we have heard nothing. */
export const OUT_OF_SIGHT: RefState = {
  state: "unclaimed",
  mode: "notify",
  code: "unreachable",
  error: "JetStream cannot be reached: nobody knows whether a worker serves this directory",
};

export interface SightOptions {
  readonly clock: Clock;
  /** Of our own lease, ms: how long silence proves nothing. */
  readonly ttlMs: number;
  /** Since our own lease was last renewed, ms. Infinite while there is none. */
  readonly leaseSilentMs: () => number;
  /** Whether the mirror of the bucket is whole. */
  readonly mirrored: () => boolean;
  /** `lost` has changed. Must not throw. */
  readonly onChange: () => void;
}

/** Looks once a second at most; a look costs two comparisons. */
const LOOK_MS = 1_000;

/**
 * Whether what this process knows of the fleet can still be true. A broker whose JetStream is away (disabled, without a
 * leader, a full disk) answers pings and delivers nothing: claims in the mirror stay `live` for as long as it lasts. Our
 * own renewals tell: when they have failed for a lease's time, others may hold all that we believe in, and their claims
 * are as old.
 */
export class Sight {
  readonly #options: SightOptions;
  #lost = false;
  #mirroredAt: number;
  #cancel: (() => void) | undefined;

  constructor(options: SightOptions) {
    this.#options = options;
    this.#mirroredAt = options.clock.monotonic();
  }

  /** Nothing has proven what we know for a lease's time. */
  get lost(): boolean {
    return this.#lost;
  }

  start(): void {
    const { clock, ttlMs } = this.#options;
    const again = (): void => {
      this.#cancel = clock.after(
        Math.min(LOOK_MS, ttlMs / 6),
        () => {
          this.look();
          again();
        },
        { unref: true },
      );
    };
    again();
  }

  /** Looks now: something has come back. */
  look(): void {
    const { clock, ttlMs, leaseSilentMs, mirrored, onChange } = this.#options;
    const now = clock.monotonic();
    if (mirrored()) this.#mirroredAt = now;
    const lost = Math.max(leaseSilentMs(), now - this.#mirroredAt) >= ttlMs;
    if (lost === this.#lost) return;
    this.#lost = lost;
    onChange();
  }

  close(): void {
    this.#cancel?.();
  }
}
