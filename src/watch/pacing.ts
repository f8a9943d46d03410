import { type Deferred, deferred, sleep, waitFor } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";

/** Lets at most `limit` holders in at a time, first come, first served. */
export class Gate {
  #free: number;
  readonly #waiting = new Set<Deferred<void>>();

  constructor(limit: number) {
    this.#free = Math.max(1, limit);
  }

  /** Resolves with the function that gives the place back. @throws AbortedError */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (this.#free > 0) {
      this.#free--;
    } else {
      const turn = deferred<void>();
      this.#waiting.add(turn);
      try {
        await waitFor(turn.promise, { signal });
      } catch (error) {
        // The place may have been handed over in the same tick as the abort.
        if (!this.#waiting.delete(turn)) this.#leave();
        throw error;
      }
    }
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#leave();
    };
  }

  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next.resolve();
  }
}

/** Works on `limit` items at a time. After a failure no more are begun; ends when all that were have ended. */
export async function forEachAtOnce<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && failures.length === 0; next = iterator.next()) {
      await work(next.value).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, limit) }, lane));
  if (failures.length > 0) throw failures[0];
}

/** Hands out turns at a steady rate. */
export class Pacer {
  readonly #clock: Clock;
  readonly #gapMs: number;
  #next = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#gapMs = 1_000 / perSecond;
  }

  /** Takes the next turn; returns how many ms there are until then. */
  reserve(): number {
    const now = this.#clock.monotonic();
    const at = Math.max(now, this.#next);
    this.#next = at + this.#gapMs;
    return at - now;
  }

  /** @throws AbortedError */
  async turn(signal: AbortSignal): Promise<void> {
    const ms = this.reserve();
    if (ms > 0) await sleep(ms, { signal, clock: this.#clock });
  }
}

/** Long computations on one thread, done in turns: the event loop is never kept waiting for a whole one. */
export class Breather {
  readonly #clock: Clock;
  readonly #stepsPerTurn: number;
  #done = 0;

  constructor(clock: Clock, stepsPerTurn: number) {
    this.#clock = clock;
    this.#stepsPerTurn = stepsPerTurn;
  }

  get stepsPerTurn(): number {
    return this.#stepsPerTurn;
  }

  /** Takes note of work done; waits for the next turn when it was enough for one. @throws AbortedError */
  async after(steps: number, signal: AbortSignal): Promise<void> {
    this.#done += steps;
    if (this.#done < this.#stepsPerTurn) return;
    this.#done = 0;
    await sleep(0, { signal, clock: this.#clock });
  }

  /** Runs work that yields how much it has done. @throws AbortedError */
  async run<T>(work: Generator<number, T, void>, signal: AbortSignal): Promise<T> {
    for (;;) {
      const { done, value } = work.next();
      if (done === true) return value;
      await this.after(value, signal);
    }
  }
}

/** Runs `fn` every `ms` until cancelled; `ms` of 0 means never. The first run is spread over one period. */
export function every(clock: Clock, ms: number, firstMs: number, fn: () => void): () => void {
  if (ms <= 0) return () => undefined;
  let cancel = clock.after(firstMs, function tick() {
    cancel = clock.after(ms, tick);
    fn();
  });
  return () => cancel();
}
