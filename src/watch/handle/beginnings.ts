import type { Clock } from "../../base/clock.ts";

/** A beginning that takes longer than this is no matter of processors: nobody waits behind it. */
const LONG_MS = 2_000;

/**
 * Lets a bounded number of handles begin at a time: open, arm, list. All at once are live no earlier, since listings have
 * turns of their own; and what each has in hand while it waits for one outlives the collections of young memory, is moved by
 * each, and is garbage among the old by then: 25 KiB for each watch, and a fifth of the processor time (Node 20, 10,000 of them).
 */
export class Beginnings {
  readonly #clock: Clock;
  #free: number;
  /** In the order in which they asked. */
  readonly #waiting = new Map<object, (leave: () => void) => void>();

  constructor(clock: Clock, atOnce: number) {
    this.#clock = clock;
    this.#free = atOnce;
  }

  /** Resolves with what gives the place back. Never rejects. */
  enter(who: object): Promise<() => void> {
    return new Promise((resolve) => {
      if (this.#free > 0) resolve(this.#take());
      else this.#waiting.set(who, resolve);
    });
  }

  /** It is not to wait any longer: what it waits for comes at once. */
  hurry(who: object): void {
    const resolve = this.#waiting.get(who);
    this.#waiting.delete(who);
    resolve?.(() => undefined);
  }

  #take(): () => void {
    this.#free--;
    let held = true;
    const leave = (): void => {
      if (!held) return;
      held = false;
      cancel();
      this.#free++;
      this.#next();
    };
    const cancel = this.#clock.after(LONG_MS, () => {
      for (const who of [...this.#waiting.keys()]) this.hurry(who);
      leave();
    });
    return leave;
  }

  #next(): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    const [who, resolve] = next;
    this.#waiting.delete(who);
    resolve(this.#take());
  }
}
