import type { EntryFacts, EntryMark } from "./entry-mark.ts";

/** How one entry lies in the rows of a snapshot, in 32-bit words. */

/** Where the name starts; its length and the flags; identity; appearance; hash of the name; size; last write. */
export const WORDS = 11;
export const HASH = 6;
const SHOWN = 7;

/* Flags beside those of EntryFlag. */
export const WIDE = 8;
export const DEAD = 16;
/** Size and last write are those of the last listing, and nothing has been heard of the entry since. */
export const FACTS = 32;

const shown = new Float64Array(2);
const shownWords = new Uint32Array(shown.buffer);

/** Goes through the living rows of a snapshot as they were, for whoever writes many out: nothing is made for each. */
export class RowCursor {
  readonly #rows: Uint32Array;
  readonly #count: number;
  #next = 0;
  readonly names: Buffer;
  /** Of the name, in `names`: Latin-1, or UTF-16 where it is `wide`. */
  start = 0;
  end = 0;
  wide = false;
  /** Bits of EntryFlag. */
  flags = 0;
  /** Whether `size` and `modifiedMs` are known. */
  facts = false;
  size = 0;
  modifiedMs = 0;

  constructor(rows: Uint32Array, names: Buffer, count: number) {
    this.#rows = rows;
    this.names = names;
    this.#count = count;
  }

  get name(): string {
    return this.names.toString(this.wide ? "utf16le" : "latin1", this.start, this.end);
  }

  /** To the next one; `false`: there is none. */
  next(): boolean {
    const rows = this.#rows;
    while (this.#next < this.#count && isDead(rows, this.#next)) this.#next++;
    if (this.#next === this.#count) return false;
    const at = this.#next++ * WORDS;
    const word = rows[at + 1] as number;
    const flags = word >>> 16;
    this.start = rows[at] as number;
    this.end = this.start + (word & 0xffff);
    this.wide = (flags & WIDE) !== 0;
    this.flags = flags & 7;
    this.facts = (flags & FACTS) !== 0;
    if (!this.facts) return true;
    for (let i = 0; i < 4; i++) shownWords[i] = rows[at + SHOWN + i] as number;
    this.size = shown[0] as number;
    this.modifiedMs = shown[1] as number;
    return true;
  }
}

export function isDead(rows: Uint32Array, row: number): boolean {
  return (((rows[row * WORDS + 1] as number) >>> 16) & DEAD) !== 0;
}

export function nameAt(rows: Uint32Array, names: Buffer, row: number): string {
  const start = rows[row * WORDS] as number;
  const word = rows[row * WORDS + 1] as number;
  const encoding = ((word >>> 16) & WIDE) !== 0 ? "utf16le" : "latin1";
  return names.toString(encoding, start, start + (word & 0xffff));
}

export function flagsAt(rows: Uint32Array, row: number): number {
  return ((rows[row * WORDS + 1] as number) >>> 16) & 7;
}

export function factsAt(rows: Uint32Array, row: number): EntryFacts | undefined {
  const at = row * WORDS;
  if (((rows[at + 1] as number) & (FACTS << 16)) === 0) return undefined;
  for (let i = 0; i < 4; i++) shownWords[i] = rows[at + SHOWN + i] as number;
  return { size: shown[0] as number, modifiedMs: shown[1] as number };
}

export function show(rows: Uint32Array, row: number, { size, modifiedMs }: EntryFacts): void {
  const at = row * WORDS;
  [shown[0], shown[1]] = [size, modifiedMs];
  for (let i = 0; i < 4; i++) rows[at + SHOWN + i] = shownWords[i] as number;
  rows[at + 1] = (rows[at + 1] as number) | (FACTS << 16);
}

export function markAt(rows: Uint32Array, row: number): EntryMark {
  const at = row * WORDS;
  return {
    flags: flagsAt(rows, row),
    identity: [rows[at + 2] as number, rows[at + 3] as number],
    appearance: [rows[at + 4] as number, rows[at + 5] as number],
  };
}
