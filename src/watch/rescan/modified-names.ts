import { sleep } from "../../base/async.ts";
import type { PictureNode } from "../picture/index.ts";
import { STAT_AT_MOST } from "./name-lookup.ts";
import type { NameServices } from "./unlisted-names.ts";

/** Between two directories, where nothing has been hidden so far; and where something has. */
const PAUSE_MS = { plain: 1_000, hiding: 100 } as const;
/** Directories that wait; others are looked at when something is modified in them again. */
const MOST_WAITING = 100;

/**
 * Modified files are looked up on the listing of their directory: with `hide unreadable` a change of mode hides them, and
 * is told as a change like any other. A few requests a second for the whole share, more where that has happened.
 */
export class ModifiedNames<T> {
  readonly #services: NameServices<T>;
  readonly #find: (node: PictureNode<T>, names: readonly string[]) => Promise<void>;
  readonly #waiting = new Map<PictureNode<T>, Set<string>>();
  #running = false;

  /** @param find must not reject */
  constructor(
    services: NameServices<T>,
    find: (node: PictureNode<T>, names: readonly string[]) => Promise<void>,
  ) {
    this.#services = services;
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
    // Ends by itself, or because nobody is left who would want to know.
    void this.#run()
      .catch(() => this.#waiting.clear())
      .finally(() => {
        this.#running = false;
      });
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0) {
      const { habits, signal, clock } = this.#services;
      await sleep(habits.hides ? PAUSE_MS.hiding : PAUSE_MS.plain, { signal, clock });
      const [next] = this.#waiting;
      if (next === undefined) break;
      this.#waiting.delete(next[0]);
      await this.#find(next[0], [...next[1]]);
    }
  }
}
