import { jsonText } from "../base/printable.ts";
import { shownEntry } from "../watch/mirror/index.ts";
import { EntryFlag, type RowCursor } from "../watch/picture/index.ts";
import type { EntryInfo } from "../watch/source.ts";

/** Times a Date shows in four digits of a year. */
const [FIRST_MS, LAST_MS] = [-62_135_596_800_000, 253_402_300_799_999];
const DAY_MS = 86_400_000;
/** Of what is written of an entry beside its name: its frame, 16 digits of size, 24 characters of time. */
const MOST_BESIDE = 110;

const NAME = Buffer.from('{"name":"');
const FILE = Buffer.from('","type":"file","size":');
const DIRECTORY = Buffer.from('","type":"directory","size":');
const MODIFIED = Buffer.from(',"modified":"');
/* In ASCII. */
const [ZERO, QUOTE, BACKSLASH, BRACE, POINT, COLON, Z] = [0x30, 0x22, 0x5c, 0x7d, 0x2e, 0x3a, 0x5a];
const [FIRST_PLAIN, LAST_PLAIN] = [0x20, 0x7e];

/**
 * Writes entries as `shownEntry` has them, as JSON: there may be hundreds of thousands in a message or more, so they go
 * from the rows of the picture into the message byte by byte, without a string or an object for each.
 */
export class EntryWriter {
  #day = Number.NaN;
  /** `2026-01-31T` */
  readonly #date: Buffer = Buffer.alloc(11);

  /** What the entry needs at most, bytes; `undefined`: it has to be written as text. */
  room({ names, start, end, wide, facts, size }: RowCursor): number | undefined {
    if (!facts || wide || size > Number.MAX_SAFE_INTEGER) return undefined;
    for (let at = start; at < end; at++) {
      const byte = names[at] as number;
      if (byte < FIRST_PLAIN || byte > LAST_PLAIN || byte === QUOTE || byte === BACKSLASH) return undefined;
    }
    return end - start + MOST_BESIDE;
  }

  /** An entry that has been asked for its `room`, which must be there. Returns where it ends. */
  write({ names, start, end, flags, size, modifiedMs }: RowCursor, out: Buffer, from: number): number {
    let at = put(out, from, NAME);
    for (let i = start; i < end; i++) out[at++] = names[i] as number;
    at = put(out, at, (flags & EntryFlag.directory) === 0 ? FILE : DIRECTORY);
    at = digits(out, at, size, 1);
    at = this.#time(out, put(out, at, MODIFIED), modifiedMs);
    out[at++] = QUOTE;
    out[at++] = BRACE;
    return at;
  }

  #time(out: Buffer, from: number, ms: number): number {
    const whole = Math.min(Math.max(ms, FIRST_MS), LAST_MS);
    const day = Math.floor(whole / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#date.write(new Date(day * DAY_MS).toISOString(), 0, 11, "latin1");
    }
    const rest = Math.floor(whole - day * DAY_MS);
    const seconds = Math.floor(rest / 1_000);
    let at = put(out, from, this.#date);
    at = digits(out, at, Math.floor(seconds / 3_600), 2);
    out[at++] = COLON;
    at = digits(out, at, Math.floor(seconds / 60) % 60, 2);
    out[at++] = COLON;
    at = digits(out, at, seconds % 60, 2);
    out[at++] = POINT;
    at = digits(out, at, rest % 1_000, 3);
    out[at++] = Z;
    return at;
  }
}

/** For an entry that has no `room`. @param seen - see `shownEntry` */
export function entryText(row: RowCursor, seen: EntryInfo | undefined): string {
  const { flags, facts, size, modifiedMs } = row;
  return jsonText(shownEntry(row.name, flags, facts ? { size, modifiedMs } : undefined, seen));
}

function put(out: Buffer, at: number, text: Buffer): number {
  for (let i = 0; i < text.length; i++) out[at + i] = text[i] as number;
  return at + text.length;
}

/** A whole number that is not negative. */
function digits(out: Buffer, from: number, value: number, least: number): number {
  let count = least;
  for (let limit = 10 ** least; limit <= value; limit *= 10) count++;
  let left = value;
  for (let at = from + count - 1; at >= from; at--) {
    const next = Math.floor(left / 10);
    out[at] = ZERO + (left - next * 10);
    left = next;
  }
  return from + count;
}
