import { sleep } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { PictureNode } from "../picture/picture.ts";
import type { Habits } from "./habits.ts";
import { STAT_AT_MOST } from "./name-lookup.ts";

/** Between two directories, where nothing has been hidden so far; and where something has. */
const PAUSE_MS = { plain: 1_000, hiding: 100 } as const;
/** Directories that wait; others are looked at when something is modified in them again. */
const MOST_WAITING = 100;

/**
 * Modified files are looked up on the listing of their directory: with `hide unreadable` a change of mode hides them, and
 * is told as a change like any other. A few requests a second for the whole share, more where that has happened.
 */
export class ModifiedNames<T> {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #habits: Habits;
  readonly #find: (node: PictureNode<T>, names: readonly string[]) => Promise<void>;
  readonly #waiting = new Map<PictureNode<T>, Set<string>>();
  #running = false;

  /** @param find must not reject */
  constructor(
    {
      clock,
      signal,
      habits,
    }: { readonly clock: Clock; readonly signal: AbortSignal; readonly habits: Habits },
    find: (node: PictureNode<T>, names: readonly string[]) => Promise<void>,
  ) {
    this.#clock = clock;
    this.#signal = signal;
    this.#habits = habits;
    this.#find = find;
  }

  add(node: PictureNode<T>, name: string): void {
    let names = this.#waiting.get(node);
    if (names === undefined) {
      if (this.#waiting.size >= MOST_WAITING) return;
      names = new Set();
      this.#waiting.set(node, names);
    }
    if (names.size < STAT_AT_MOST) names.add(name);
    if (this.#running) return;
    this.#running = true;
    // Ends by itself, or because we were stopped.
    void this.#run().catch(() => undefined);
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const ms = this.#habits.hides ? PAUSE_MS.hiding : PAUSE_MS.plain;
      await sleep(ms, { signal: this.#signal, clock: this.#clock });
      const [next] = this.#waiting;
      if (next === undefined) break;
      this.#waiting.delete(next[0]);
      await this.#find(next[0], [...next[1]]);
    }
    this.#running = false;
  }
}
