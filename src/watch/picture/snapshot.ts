import type { DirectoryEntry } from "../source.ts";
import { type EntryFacts, EntryFlag, type EntryMark, markOf } from "./entry-mark.ts";
import { hashName } from "./hashing.ts";
import {
  DEAD,
  FACTS,
  factsAt,
  flagsAt,
  HASH,
  isDead,
  markAt,
  nameAt,
  RowCursor,
  show,
  WIDE,
  WORDS,
} from "./rows.ts";

const EMPTY = -1;
const TOMBSTONE = -2;

/* Of an empty directory: shared, since nothing can be written into them. */
const NO_ROWS = new Uint32Array(0);
const NO_NAMES: Buffer = Buffer.alloc(0);
const NO_CELLS = new Int32Array(0);

function isNarrow(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0xff) return false;
  return true;
}

/**
 * The names of one directory and enough about each to notice a change, packed into three typed arrays:
 * 44 bytes per entry, one or two per character of its name, 5 to 11 for the hash index.
 *
 * For comparisons only equality matters, so identity (file id, creation) and appearance (size, times, attributes) are
 * kept as 64-bit hashes. Size and last write are kept besides for whoever is shown the picture.
 */
export class Snapshot {
  #rows = NO_ROWS;
  #names = NO_NAMES;
  #index = NO_CELLS;
  #rowCount = 0;
  #nameBytes = 0;
  #live = 0;
  /** Index cells that are not EMPTY, tombstones included. */
  #used = 0;
  /** Another snapshot reads the same rows and index: they are copied before the next write. */
  #shared = false;
  /** The names belong to the snapshot this one was frozen from, which appends to them. */
  #borrowed = false;

  get size(): number {
    return this.#live;
  }

  /** Bytes held by the arrays. */
  get byteLength(): number {
    return this.#rows.byteLength + this.#names.byteLength + this.#index.byteLength;
  }

  has(name: string): boolean {
    return this.#find(name, hashName(name)) >= 0;
  }

  get(name: string): EntryMark | undefined {
    const cell = this.#find(name, hashName(name));
    if (cell < 0) return undefined;
    const row = this.#index[cell] as number;
    return { ...markAt(this.#rows, row), facts: factsAt(this.#rows, row) };
  }

  put(entry: DirectoryEntry): void {
    this.set(entry.name, markOf(entry));
  }

  set(name: string, mark: EntryMark): void {
    this.#own();
    const hash = hashName(name);
    const cell = this.#find(name, hash);
    const row = cell >= 0 ? (this.#index[cell] as number) : this.#append(name, hash);
    const at = row * WORDS;
    const rows = this.#rows;
    rows[at + 1] = ((rows[at + 1] as number) & ~(0x7_0000 | (FACTS << 16))) | ((mark.flags & 7) << 16);
    rows[at + 2] = mark.identity[0];
    rows[at + 3] = mark.identity[1];
    rows[at + 4] = mark.appearance[0];
    rows[at + 5] = mark.appearance[1];
    if (mark.facts !== undefined) show(rows, row, mark.facts);
  }

  /** What an entry looks like, where that was looked at apart from a listing: its mark stays as it is. */
  learn(name: string, facts: EntryFacts): void {
    const cell = this.#find(name, hashName(name));
    if (cell < 0) return;
    this.#own();
    show(this.#rows, this.#index[cell] as number, facts);
  }

  /** It was modified, and nobody has looked since. */
  outdate(name: string): void {
    const cell = this.#find(name, hashName(name));
    if (cell < 0) return;
    const at = (this.#index[cell] as number) * WORDS + 1;
    if (((this.#rows[at] as number) & (FACTS << 16)) === 0) return;
    this.#own();
    this.#rows[at] = (this.#rows[at] as number) & ~(FACTS << 16);
  }

  delete(name: string): boolean {
    const cell = this.#find(name, hashName(name));
    if (cell < 0) return false;
    this.#own();
    const at = (this.#index[cell] as number) * WORDS + 1;
    this.#rows[at] = (this.#rows[at] as number) | (DEAD << 16);
    this.#index[cell] = TOMBSTONE;
    this.#live--;
    return true;
  }

  *entries(): IterableIterator<[string, EntryMark]> {
    const { rows, names, count } = this.#view();
    for (let row = 0; row < count; row++) {
      if (isDead(rows, row)) continue;
      yield [nameAt(rows, names, row), markAt(rows, row)];
    }
  }

  /**
   * Names that `other` lacks or has another mark for, `slice` rows at a time: an answer with every step, however
   * few there are. Both may change between two steps; what changed is the caller's to know.
   */
  *unlike(other: Snapshot, slice: number): IterableIterator<string[]> {
    const { rows, names, count } = this.#view();
    for (let start = 0; start < count; start += slice) {
      const found: string[] = [];
      for (let row = start; row < Math.min(count, start + slice); row++) {
        if (!isDead(rows, row) && !other.#holds(rows, names, row)) found.push(nameAt(rows, names, row));
      }
      yield found;
    }
  }

  /** Names of sub-directories, links left out: they may lead in circles. */
  *directories(): IterableIterator<string> {
    const rows = this.#rows;
    for (let row = 0; row < this.#rowCount; row++) {
      const flags = (rows[row * WORDS + 1] as number) >>> 16;
      if ((flags & (DEAD | EntryFlag.link | EntryFlag.directory)) === EntryFlag.directory)
        yield nameAt(rows, this.#names, row);
    }
  }

  /**
   * As it is now, whatever is written here later. Nothing is copied until then: both read the same arrays, and who
   * writes first gets arrays of its own.
   */
  freeze(): Snapshot {
    const frozen = new Snapshot();
    frozen.#rows = this.#rows;
    frozen.#names = this.#names;
    frozen.#index = this.#index;
    [frozen.#rowCount, frozen.#nameBytes] = [this.#rowCount, this.#nameBytes];
    frozen.#live = this.#live;
    frozen.#used = this.#used;
    frozen.#shared = true;
    frozen.#borrowed = true;
    this.#shared = true;
    return frozen;
  }

  /** Whether a write would have to copy first. */
  get shared(): boolean {
    return this.#shared;
  }

  /** Entries as they are shown, in the order they came. */
  *shown(): IterableIterator<{
    readonly name: string;
    readonly flags: number;
    readonly facts: EntryFacts | undefined;
  }> {
    const { rows, names, count } = this.#view();
    for (let row = 0; row < count; row++) {
      if (isDead(rows, row)) continue;
      yield { name: nameAt(rows, names, row), flags: flagsAt(rows, row), facts: factsAt(rows, row) };
    }
  }

  /** As `shown`, for whoever goes through many. */
  cursor(): RowCursor {
    const { rows, names, count } = this.#view();
    return new RowCursor(rows, names, count);
  }

  /** Names of which nobody has seen what they are now. */
  *unseen(): IterableIterator<string> {
    const { rows, names, count } = this.#view();
    for (let row = 0; row < count; row++) {
      const flags = (rows[row * WORDS + 1] as number) >>> 16;
      if ((flags & (DEAD | FACTS)) === 0) yield nameAt(rows, names, row);
    }
  }

  /** Before a write: names are only ever appended, so that who reads fewer of them is not disturbed. */
  #own(): void {
    if (!this.#shared) return;
    this.#shared = false;
    this.#rows = this.#rows.slice();
    this.#index = this.#index.slice();
    if (this.#borrowed) this.#names = Buffer.from(this.#names.subarray(0, this.#nameBytes));
    this.#borrowed = false;
  }

  /** Gives back what growth and deletion left over. */
  compact(): this {
    this.#rebuild(this.#live, this.#live);
    return this;
  }

  /** Rows as they are now: what is rebuilt later, is rebuilt elsewhere. */
  #view(): { readonly rows: Uint32Array; readonly names: Buffer; readonly count: number } {
    return { rows: this.#rows, names: this.#names, count: this.#rowCount };
  }

  /** Whether a row of another snapshot is here too, name and mark. */
  #holds(rows: Uint32Array, names: Buffer, row: number): boolean {
    const length = this.#index.length;
    if (length === 0) return false;
    const at = row * WORDS;
    const hash = rows[at + HASH] as number;
    const start = rows[at] as number;
    const word = rows[at + 1] as number;
    const bytes = word & 0xffff;
    const own = this.#rows;
    for (let cell = hash & (length - 1); ; cell = (cell + 1) & (length - 1)) {
      const mine = this.#index[cell] as number;
      if (mine === EMPTY) return false;
      const to = mine * WORDS;
      // A tombstone reads beyond the array, and equals nothing.
      if (own[to + HASH] !== hash || (((own[to + 1] as number) ^ word) & (0xffff | (WIDE << 16))) !== 0)
        continue;
      const from = own[to] as number;
      if (this.#names.compare(names, start, start + bytes, from, from + bytes) !== 0) continue;
      if ((((own[to + 1] as number) ^ word) & 0x7_0000) !== 0) return false;
      for (let i = 2; i < HASH; i++) if (own[to + i] !== rows[at + i]) return false;
      return true;
    }
  }

  #append(name: string, hash: number): number {
    if ((this.#used + 1) * 4 > this.#index.length * 3 || (this.#rowCount + 1) * WORDS > this.#rows.length) {
      this.#rebuild(Math.max(8, this.#live + (this.#live >> 1) + 1), this.#live + 1);
    }
    const narrow = isNarrow(name);
    const length = narrow ? name.length : name.length * 2;
    if (this.#nameBytes + length > this.#names.length) {
      const grown = Buffer.alloc(
        Math.max(64, this.#nameBytes + length, this.#names.length + (this.#names.length >> 1)),
      );
      this.#names.copy(grown, 0, 0, this.#nameBytes);
      this.#names = grown;
    }
    this.#names.write(name, this.#nameBytes, narrow ? "latin1" : "utf16le");
    const row = this.#rowCount++;
    this.#rows.fill(0, row * WORDS, (row + 1) * WORDS);
    this.#rows[row * WORDS] = this.#nameBytes;
    this.#rows[row * WORDS + 1] = length | ((narrow ? 0 : WIDE) << 16);
    this.#rows[row * WORDS + HASH] = hash;
    this.#nameBytes += length;
    this.#link(hash, row);
    this.#live++;
    return row;
  }

  #link(hash: number, row: number): void {
    const mask = this.#index.length - 1;
    let cell = hash & mask;
    while ((this.#index[cell] as number) >= 0) cell = (cell + 1) & mask;
    if (this.#index[cell] === EMPTY) this.#used++;
    this.#index[cell] = row;
  }

  #find(name: string, hash: number): number {
    const length = this.#index.length;
    if (length === 0) return -1;
    const mask = length - 1;
    const rows = this.#rows;
    for (let cell = hash & mask; ; cell = (cell + 1) & mask) {
      const row = this.#index[cell] as number;
      if (row === EMPTY) return -1;
      if (row === TOMBSTONE || rows[row * WORDS + HASH] !== hash) continue;
      if (nameAt(rows, this.#names, row) === name) return cell;
    }
  }

  #rebuild(capacity: number, indexed: number): void {
    const rows = capacity === 0 ? NO_ROWS : new Uint32Array(capacity * WORDS);
    let cells = 8;
    while (cells * 3 < Math.max(indexed, capacity) * 4 + 4) cells *= 2;
    const old = this.#view();
    const bytes = this.#liveBytes() + Math.max(0, (capacity - this.#live) * 16);
    const names = bytes === 0 ? NO_NAMES : Buffer.alloc(bytes);
    let end = 0;
    let count = 0;
    // Names lie in the order of their rows: whole runs of living rows move at once.
    for (let from = 0; from < old.count; ) {
      if (isDead(old.rows, from)) {
        from++;
        continue;
      }
      let to = from + 1;
      while (to < old.count && !isDead(old.rows, to)) to++;
      const start = old.rows[from * WORDS] as number;
      const last = (to - 1) * WORDS;
      const stop = (old.rows[last] as number) + ((old.rows[last + 1] as number) & 0xffff);
      rows.set(old.rows.subarray(from * WORDS, to * WORDS), count * WORDS);
      old.names.copy(names, end, start, stop);
      for (let row = count; row < count + to - from; row++) {
        rows[row * WORDS] = (rows[row * WORDS] as number) - start + end;
      }
      count += to - from;
      end += stop - start;
      from = to;
    }
    this.#shared = false;
    this.#borrowed = false;
    this.#rows = rows;
    this.#names = names;
    this.#nameBytes = end;
    this.#rowCount = count;
    this.#index = capacity === 0 ? NO_CELLS : new Int32Array(cells).fill(EMPTY);
    this.#used = 0;
    for (let row = 0; row < count; row++) this.#link(rows[row * WORDS + HASH] as number, row);
  }

  #liveBytes(): number {
    const rows = this.#rows;
    let bytes = 0;
    for (let row = 0; row < this.#rowCount; row++) {
      if (!isDead(rows, row)) bytes += (rows[row * WORDS + 1] as number) & 0xffff;
    }
    return bytes;
  }
}
