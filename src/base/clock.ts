/** Time as a parameter, so that tests own it. Units: milliseconds. */
export interface Clock {
  /** Monotonic; only differences mean anything. */
  monotonic(): number;
  /** Wall clock, Unix epoch. */
  now(): number;
  /** Runs `fn` once after `ms`; the returned function cancels it. `unref` lets the process end meanwhile. */
  after(ms: number, fn: () => void, options?: { readonly unref?: boolean }): () => void;
}

/** setTimeout turns longer delays into 1 ms; we wait in slices instead. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  now: () => Date.now(),
  after(ms, fn, options) {
    let timer: NodeJS.Timeout;
    let left = ms;
    const step = (): void => {
      const slice = Math.min(left, LONGEST_TIMER_MS);
      left -= slice;
      timer = setTimeout(left > 0 ? step : fn, slice);
      if (options?.unref === true) timer.unref();
    };
    step();
    return () => clearTimeout(timer);
  },
};

/** A clock that moves only when told to. Timers fire in order of their due time. */
export class ManualClock implements Clock {
  #now: number;
  readonly #epoch: number;
  #timers: { due: number; order: number; fn: () => void }[] = [];
  #order = 0;

  constructor(start: number = 0, epoch: number = Date.UTC(2026, 0, 1)) {
    this.#now = start;
    this.#epoch = epoch;
  }

  monotonic(): number {
    return this.#now;
  }

  now(): number {
    return this.#epoch + this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, ms), order: this.#order++, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Number of timers still armed. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time by `ms`, firing what falls due, and lets promise callbacks run between timers. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.due <= target)
        .sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.fn();
      await settle();
    }
    this.#now = target;
    await settle();
  }
}

/** A full turn of the event loop: every microtask queued before it has run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
