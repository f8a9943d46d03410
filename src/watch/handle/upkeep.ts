import type { Clock } from "../../base/clock.ts";

/** Something that has to be looked after from time to time. */
export interface Tended {
  /** Monotonic ms; `Infinity`: never. Changed only while it is not in the queue, or by `tend`. */
  readonly dueAt: number;
  /** Its place in the queue, kept by the queue; -1: in none. */
  slot: number;
  /** It is due, and out of the queue: whoever wants to be asked again is put back. */
  tend(): void;
}

/**
 * Looks after all handles of a share with one timer. Timers for each chore of each handle run differently long, so that
 * Node keeps a list for each one as well: two of them are about a KiB (Node 20, by heap snapshot).
 */
export class Upkeep {
  readonly #clock: Clock;
  /** A binary heap by `dueAt`. */
  readonly #queue: Tended[] = [];
  #cancel: (() => void) | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  /** Whoever is tended comes back by `put`: the timer is set once, behind them. */
  #running = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Puts it in, or where it belongs by now. */
  put(item: Tended): void {
    this.remove(item);
    if (item.dueAt === Number.POSITIVE_INFINITY) return;
    item.slot = this.#queue.length;
    this.#queue.push(item);
    this.#rise(item);
    this.#wake();
  }

  remove(item: Tended): void {
    if (item.slot < 0) return;
    this.#takeOut(item);
    this.#wake();
  }

  #takeOut(item: Tended): void {
    const { slot } = item;
    item.slot = -1;
    const last = this.#queue.pop();
    if (last === undefined || last === item) return;
    this.#set(slot, last);
    this.#sink(last);
    this.#rise(last);
  }

  #run(): void {
    const now = this.#clock.monotonic();
    this.#cancel = undefined;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#running = true;
    try {
      for (let [first] = this.#queue; first !== undefined && first.dueAt <= now; [first] = this.#queue) {
        this.#takeOut(first);
        first.tend();
      }
    } finally {
      this.#running = false;
      this.#wake();
    }
  }

  /** A timer that comes too early costs nothing; one that comes when nobody is left keeps the process. */
  #wake(): void {
    if (this.#running) return;
    const [first] = this.#queue;
    if (first !== undefined && first.dueAt >= this.#wakeAt) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wakeAt = first?.dueAt ?? Number.POSITIVE_INFINITY;
    if (first === undefined) return;
    this.#cancel = this.#clock.after(Math.max(0, Math.ceil(first.dueAt - this.#clock.monotonic())), () =>
      this.#run(),
    );
  }

  #rise(item: Tended): void {
    while (item.slot > 0) {
      const above = this.#queue[(item.slot - 1) >> 1] as Tended;
      if (above.dueAt <= item.dueAt) return;
      this.#swap(item, above);
    }
  }

  #sink(item: Tended): void {
    for (;;) {
      const left = this.#queue[2 * item.slot + 1];
      const right = this.#queue[2 * item.slot + 2];
      if (left === undefined) return;
      const below = right !== undefined && right.dueAt < left.dueAt ? right : left;
      if (item.dueAt <= below.dueAt) return;
      this.#swap(item, below);
    }
  }

  #swap(one: Tended, other: Tended): void {
    const { slot } = one;
    this.#set(other.slot, one);
    this.#set(slot, other);
  }

  #set(slot: number, item: Tended): void {
    this.#queue[slot] = item;
    item.slot = slot;
  }
}
