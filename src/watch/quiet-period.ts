import { sleep } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";

/** No answer for this long is a pause: in a burst they come every few milliseconds. */
const QUIET_MS = 250;
/** A storm without end is looked into at least this often, unless a look takes longer. */
const PATIENCE_MS = 2_000;

/**
 * When to list and compare while changes pour in. A listing in their midst makes the server slower at telling,
 * so that it loses track again, and is out of date when it is compared: it waits for a pause in what the server
 * says. A storm that has none is looked into every now and then, at most half of the time.
 */
export class QuietPeriod {
  readonly #clock: Clock;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server has said something. */
  heard(): void {
    this.#heardAt = this.#clock.monotonic();
  }

  /** @param tookMs how long the last look took @throws AbortedError */
  async wait(tookMs: number, signal: AbortSignal): Promise<void> {
    const until = this.#clock.monotonic() + Math.max(PATIENCE_MS, tookMs);
    for (;;) {
      const now = this.#clock.monotonic();
      const rest = Math.min(this.#heardAt + QUIET_MS, until) - now;
      if (rest <= 0) return;
      await sleep(rest, { signal, clock: this.#clock });
    }
  }
}
