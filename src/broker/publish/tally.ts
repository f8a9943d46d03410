import { type Deferred, deferred } from "../../base/async.ts";

/** What stands for what was dropped: nobody can say that it was told before or after anything. */
const ANY = 0;

interface Waiting {
  readonly told: number;
  /** Numbers up to `told` of which something is outstanding. */
  readonly left: Set<number>;
  readonly done: Deferred<boolean>;
}

/**
 * Which messages of a watch are outstanding, by the number under which they were told (from 1), and where messages must
 * not be put together. Whoever has a snapshot knows of everything up to its number: a message is all old to him, or all
 * new.
 */
export class ToldTally {
  readonly #outstanding = new Map<number, number>();
  /** Numbers of snapshots, rising, as long as something told before them is outstanding. */
  #snapshots: number[] = [];
  readonly #waiting = new Set<Waiting>();

  enter(told: number = ANY): void {
    this.#outstanding.set(told, (this.#outstanding.get(told) ?? 0) + 1);
    for (const waiting of this.#waiting) if (told <= waiting.told) waiting.left.add(told);
  }

  leave(told: number = ANY): void {
    const count = (this.#outstanding.get(told) ?? 1) - 1;
    if (count > 0) {
      this.#outstanding.set(told, count);
      return;
    }
    this.#outstanding.delete(told);
    if (this.#outstanding.size === 0) this.#snapshots = [];
    for (const waiting of this.#waiting) {
      waiting.left.delete(told);
      if (waiting.left.size === 0) this.#end(waiting, true);
    }
  }

  /** A snapshot was taken. */
  mark(told: number): void {
    if (this.#outstanding.size > 0 && this.#snapshots.at(-1) !== told) this.#snapshots.push(told);
  }

  /** Whether some snapshot knows of one of them, and not of the other. */
  parts(one: number = Number.POSITIVE_INFINITY, other: number = Number.POSITIVE_INFINITY): boolean {
    if (one === other) return false;
    return this.#snapshots.some((told) => one <= told !== other <= told);
  }

  /** Resolves `true` when all told up to this number is stored, `false` when it never will be. */
  stored(told: number): Promise<boolean> {
    const left = new Set([...this.#outstanding.keys()].filter((number) => number <= told));
    const waiting: Waiting = { told, left, done: deferred() };
    if (left.size === 0) waiting.done.resolve(true);
    else this.#waiting.add(waiting);
    return waiting.done.promise;
  }

  /** Nothing is stored any more. */
  close(): void {
    for (const waiting of this.#waiting) this.#end(waiting, false);
  }

  #end(waiting: Waiting, stored: boolean): void {
    this.#waiting.delete(waiting);
    waiting.done.resolve(stored);
  }
}
