import type { WatchKey } from "../fleet/identity.ts";

/** Lets a bounded number of watches arm at once; the rest wait in order. */
export class StartGate {
  readonly #limit: number;
  readonly #inside = new Set<WatchKey>();
  readonly #waiting = new Set<WatchKey>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False: there is no room; `leave` will name this key when there is. */
  enter(key: WatchKey): boolean {
    if (this.#inside.has(key)) return true;
    if (this.#inside.size >= this.#limit) {
      this.#waiting.add(key);
      return false;
    }
    this.#waiting.delete(key);
    this.#inside.add(key);
    return true;
  }

  /** It is armed, has failed, or was given up. Returns who may try now. */
  leave(key: WatchKey): WatchKey[] {
    this.#waiting.delete(key);
    if (!this.#inside.delete(key)) return [];
    const next: WatchKey[] = [];
    for (const waiting of this.#waiting) {
      if (next.length >= this.#limit - this.#inside.size) break;
      next.push(waiting);
    }
    for (const waiting of next) this.#waiting.delete(waiting);
    return next;
  }
}
