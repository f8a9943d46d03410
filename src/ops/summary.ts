import { type Clock, systemClock } from "../base/clock.ts";
import type { Fields, Log } from "./log.ts";

export interface SummaryOptions {
  /** Time between two lines of the same failure, ms. Default 60,000. */
  readonly everyMs?: number;
  /** Failures told apart at once; the oldest makes room. Default 1,000. */
  readonly maxKeys?: number;
  readonly clock?: Clock;
}

interface Repeat {
  count: number;
  readonly since: number;
  flush: (() => void) | undefined;
  cancel: () => void;
}

/**
 * Keeps a failure that repeats from filling the log: the first is told at once, what follows within
 * `everyMs` is one line with a count at its end.
 */
export class Summary {
  readonly #log: Log;
  readonly #everyMs: number;
  readonly #maxKeys: number;
  readonly #clock: Clock;
  readonly #repeats = new Map<string, Repeat>();

  constructor(log: Log, options: SummaryOptions = {}) {
    this.#log = log;
    this.#everyMs = options.everyMs ?? 60_000;
    this.#maxKeys = options.maxKeys ?? 1_000;
    this.#clock = options.clock ?? systemClock;
  }

  /** `key` says what is the same failure; `fields` of the latest are the ones told. */
  warn(key: string, event: string, message: string, fields: Fields = {}): void {
    const repeat = this.#repeats.get(key);
    if (repeat === undefined) {
      this.#open(key);
      this.#log.warn(event, message, fields);
      return;
    }
    repeat.count++;
    repeat.flush = () => this.#log.warn(event, message, { ...fields, ...this.#tally(repeat) });
  }

  /** The failure is over: tells the rest at once, and the next one is a first again. */
  clear(key: string): void {
    const repeat = this.#repeats.get(key);
    if (repeat === undefined) return;
    this.#repeats.delete(key);
    repeat.cancel();
    repeat.flush?.();
  }

  /** Tells what is still counted and stops all timers. */
  close(): void {
    for (const key of [...this.#repeats.keys()]) this.clear(key);
  }

  #open(key: string): void {
    const oldest = this.#repeats.keys().next();
    if (this.#repeats.size >= this.#maxKeys && oldest.done !== true) this.clear(oldest.value);
    const repeat: Repeat = {
      count: 0,
      since: this.#clock.monotonic(),
      flush: undefined,
      cancel: this.#clock.after(this.#everyMs, () => this.#due(key), { unref: true }),
    };
    this.#repeats.set(key, repeat);
  }

  /** Quiet for a whole period: forget it. Else tell, and count anew. */
  #due(key: string): void {
    const repeat = this.#repeats.get(key);
    if (repeat === undefined) return;
    this.#repeats.delete(key);
    if (repeat.flush === undefined) return;
    repeat.flush();
    this.#open(key);
  }

  #tally({ count, since }: Repeat): Fields {
    return { repeated: count, seconds: Math.round((this.#clock.monotonic() - since) / 1_000) };
  }
}
