import { RequestError } from "../errors.ts";

/** Entries that mirrors of the gateway keep, in all: what bounds their memory. */
export class Room {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether a mirror that has `before` may have `entries`. @throws RequestError `too_large` */
  check(before: number, entries: number): void {
    if (this.#used - before + entries <= this.#limit) return;
    throw new RequestError(
      "too_large",
      "more entries than the gateway keeps: ask for less of it, or without snapshot, and list",
    );
  }

  grow(by: number): void {
    this.#used += by;
  }
}
