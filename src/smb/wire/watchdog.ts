import type { Clock } from "../../base/clock.ts";

/** A tick this much later than planned means that we slept, not that the peer was silent. */
const STALL_MS = 1_000;

/**
 * The one timer of a connection. It keeps "awake time": monotonic time without the spells in which this
 * process itself was suspended or its event loop stalled, so that we never blame the peer for them.
 */
export class Watchdog {
  readonly #clock: Clock;
  readonly #check: (now: number) => number;
  #stalled = 0;
  #due = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #stopped = false;

  /** @param check judges at a point of awake time, and returns in how many ms it wants to judge again. */
  constructor(clock: Clock, check: (now: number) => number) {
    this.#clock = clock;
    this.#check = check;
  }

  /** Awake time in ms; only differences mean anything. */
  now(): number {
    return this.#clock.monotonic() - this.#stalled;
  }

  /** Makes sure that the next check happens no later than `ms` from now. */
  within(ms: number): void {
    if (this.#stopped) return;
    const due = this.#clock.monotonic() + ms;
    if (due >= this.#due) return;
    this.#cancel?.();
    this.#due = due;
    this.#cancel = this.#clock.after(ms, () => this.#tick(), { unref: true });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #tick(): void {
    const late = this.#clock.monotonic() - this.#due;
    if (late > STALL_MS) this.#stalled += late;
    this.#due = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    // The check may stop us.
    const next = this.#check(this.now());
    this.within(Math.max(1, next));
  }
}
