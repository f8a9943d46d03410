import type { DirectoryEntry } from "./source.ts";

/**
 * The names of one directory and enough about each to notice a change, packed into four typed arrays:
 * 24 bytes per entry, one or two per character of its name, 5 to 11 for the hash index.
 *
 * Only equality matters, so identity (file id, creation) and appearance (size, times, attributes) are
 * kept as 64-bit hashes. They are stable over processes, since checkpoints carry them.
 */

/** FILE_ATTRIBUTE_REPARSE_POINT (MS-FSCC 2.6). */
export const REPARSE_POINT = 0x400;

export const EntryFlag = { directory: 1, link: 2, known: 4 } as const;
const WIDE = 8;
const DEAD = 16;

/** What is remembered of one entry. */
export interface EntryMark {
  /** Bits of EntryFlag. `known` is missing where only the name has been heard of. */
  readonly flags: number;
  /** Hash of the file id; hash of file id and creation time; 0,0 where the server gives no id. */
  readonly identity: readonly [number, number];
  /** Hash of all that changes when the entry is modified. */
  readonly appearance: readonly [number, number];
}

export const UNKNOWN: EntryMark = { flags: 0, identity: [0, 0], appearance: [0, 0] };

const WORDS = 6;
const EMPTY = -1;
const TOMBSTONE = -2;

const wide = new BigInt64Array(1);
const halves = new Uint32Array(wide.buffer);

function mix(hash: number, word: number): number {
  let h = Math.imul(hash ^ word, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hashOf(seed: number, values: readonly bigint[]): number {
  let hash = seed;
  for (const value of values) {
    wide[0] = BigInt.asIntN(64, value);
    hash = mix(mix(hash, halves[0] as number), halves[1] as number);
  }
  return hash;
}

export function markOf(entry: Omit<DirectoryEntry, "name">): EntryMark {
  const look = [
    BigInt(entry.attributes >>> 0),
    BigInt(Math.trunc(entry.size)),
    entry.modified,
    entry.changed,
  ];
  const { fileId, created } = entry;
  return {
    flags:
      EntryFlag.known |
      (entry.type === "directory" ? EntryFlag.directory : 0) |
      ((entry.attributes & REPARSE_POINT) !== 0 ? EntryFlag.link : 0),
    identity: fileId === undefined ? [0, 0] : [hashOf(1, [fileId]) | 1, hashOf(2, [fileId, created])],
    appearance: [hashOf(3, look), hashOf(4, look)],
  };
}

function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

function isNarrow(name: string): boolean {
  for (let i = 0; i < name.length; i++) if (name.charCodeAt(i) > 0xff) return false;
  return true;
}

export class Snapshot {
  #rows = new Uint32Array(0);
  #names: Buffer = Buffer.alloc(0);
  #index = new Int32Array(0);
  #rowCount = 0;
  #nameBytes = 0;
  #live = 0;
  /** Index cells that are not EMPTY, tombstones included. */
  #used = 0;

  get size(): number {
    return this.#live;
  }

  /** Bytes held by the arrays. */
  get byteLength(): number {
    return this.#rows.byteLength + this.#names.byteLength + this.#index.byteLength;
  }

  has(name: string): boolean {
    return this.#find(name) >= 0;
  }

  get(name: string): EntryMark | undefined {
    const cell = this.#find(name);
    return cell < 0 ? undefined : this.#markAt(this.#index[cell] as number);
  }

  put(entry: DirectoryEntry): void {
    this.set(entry.name, markOf(entry));
  }

  set(name: string, mark: EntryMark): void {
    const cell = this.#find(name);
    const row = cell >= 0 ? (this.#index[cell] as number) : this.#append(name);
    const at = row * WORDS;
    const rows = this.#rows;
    rows[at + 1] = ((rows[at + 1] as number) & ~0x7_0000) | ((mark.flags & 7) << 16);
    rows[at + 2] = mark.identity[0];
    rows[at + 3] = mark.identity[1];
    rows[at + 4] = mark.appearance[0];
    rows[at + 5] = mark.appearance[1];
  }

  delete(name: string): boolean {
    const cell = this.#find(name);
    if (cell < 0) return false;
    const at = (this.#index[cell] as number) * WORDS + 1;
    this.#rows[at] = (this.#rows[at] as number) | (DEAD << 16);
    this.#index[cell] = TOMBSTONE;
    this.#live--;
    return true;
  }

  *entries(): IterableIterator<[string, EntryMark]> {
    const rows = this.#rows;
    const count = this.#rowCount;
    for (let row = 0; row < count; row++) {
      if ((((rows[row * WORDS + 1] as number) >>> 16) & DEAD) !== 0) continue;
      yield [this.#nameAt(row), this.#markAt(row)];
    }
  }

  /** Names of sub-directories, links left out: they may lead in circles. */
  *directories(): IterableIterator<string> {
    const rows = this.#rows;
    for (let row = 0; row < this.#rowCount; row++) {
      const flags = (rows[row * WORDS + 1] as number) >>> 16;
      if ((flags & (DEAD | EntryFlag.link | EntryFlag.directory)) === EntryFlag.directory)
        yield this.#nameAt(row);
    }
  }

  /** Gives back what growth and deletion left over. */
  compact(): this {
    this.#rebuild(this.#live, this.#live);
    return this;
  }

  #append(name: string): number {
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
    this.#nameBytes += length;
    this.#link(name, row);
    this.#live++;
    return row;
  }

  #link(name: string, row: number): void {
    const mask = this.#index.length - 1;
    let cell = hashName(name) & mask;
    while ((this.#index[cell] as number) >= 0) cell = (cell + 1) & mask;
    if (this.#index[cell] === EMPTY) this.#used++;
    this.#index[cell] = row;
  }

  #find(name: string): number {
    const length = this.#index.length;
    if (length === 0) return -1;
    const mask = length - 1;
    for (let cell = hashName(name) & mask; ; cell = (cell + 1) & mask) {
      const row = this.#index[cell] as number;
      if (row === EMPTY) return -1;
      if (row !== TOMBSTONE && this.#nameAt(row) === name) return cell;
    }
  }

  #nameAt(row: number): string {
    const start = this.#rows[row * WORDS] as number;
    const word = this.#rows[row * WORDS + 1] as number;
    const encoding = ((word >>> 16) & WIDE) !== 0 ? "utf16le" : "latin1";
    return this.#names.toString(encoding, start, start + (word & 0xffff));
  }

  #markAt(row: number): EntryMark {
    const at = row * WORDS;
    const rows = this.#rows;
    return {
      flags: ((rows[at + 1] as number) >>> 16) & 7,
      identity: [rows[at + 2] as number, rows[at + 3] as number],
      appearance: [rows[at + 4] as number, rows[at + 5] as number],
    };
  }

  #rebuild(capacity: number, indexed: number): void {
    const rows = new Uint32Array(capacity * WORDS);
    let cells = 8;
    while (cells * 3 < Math.max(indexed, capacity) * 4 + 4) cells *= 2;
    const old = { rows: this.#rows, count: this.#rowCount, names: this.#names };
    const names: string[] = [];
    let bytes = 0;
    let count = 0;
    for (let row = 0; row < old.count; row++) {
      const word = old.rows[row * WORDS + 1] as number;
      if (((word >>> 16) & DEAD) !== 0) continue;
      names.push(this.#nameAt(row));
      rows.set(old.rows.subarray(row * WORDS, (row + 1) * WORDS), count * WORDS);
      bytes += word & 0xffff;
      count++;
    }
    const packed = Buffer.alloc(bytes + Math.max(0, (capacity - count) * 16));
    let end = 0;
    for (let row = 0; row < count; row++) {
      const start = rows[row * WORDS] as number;
      const length = (rows[row * WORDS + 1] as number) & 0xffff;
      old.names.copy(packed, end, start, start + length);
      rows[row * WORDS] = end;
      end += length;
    }
    this.#rows = rows;
    this.#names = packed;
    this.#nameBytes = end;
    this.#rowCount = count;
    this.#index = new Int32Array(cells).fill(EMPTY);
    this.#used = 0;
    for (const [row, name] of names.entries()) this.#link(name, row);
  }
}

/**
 * Whether one name still means one file. Its file id alone decides: creation times move on Samba, where they
 * are the earliest of all times unless one was stored. A number that was reused shows in the appearance.
 */
export function sameFile(a: EntryMark, b: EntryMark): boolean {
  return a.identity[0] === b.identity[0];
}

export function sameAppearance(a: EntryMark, b: EntryMark): boolean {
  return a.appearance[0] === b.appearance[0] && a.appearance[1] === b.appearance[1];
}

/** A key for pairing two names; `undefined` where the server gives no file id. Numbers are reused: creation counts too. */
export function identityKey(mark: EntryMark): string | undefined {
  return mark.identity[0] === 0 && mark.identity[1] === 0
    ? undefined
    : `${mark.identity[0]}.${mark.identity[1]}`;
}
