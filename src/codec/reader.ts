import { DecodeError } from "./errors.ts";

/**
 * The one cursor all decoding passes through. Integers are little-endian (MS-SMB2 2.2). Every read is
 * checked against the end; positions in errors count from the start of the given bytes.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, start = 0) {
    // Sockets give Buffers, whose slice() is a view: what was meant as a copy would keep their whole chunk.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
  }

  get position(): number {
    return this.#at;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#take(1, field));
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#take(2, field), true);
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#take(4, field), true);
  }

  u64(field: string): bigint {
    return this.#view.getBigUint64(this.#take(8, field), true);
  }

  /** A view, not a copy: valid as long as the frame it came in. */
  bytes(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.#bytes.subarray(at, at + length);
  }

  /** A copy: for what outlives the frame. */
  copy(length: number, field: string): Uint8Array {
    return this.bytes(length, field).slice();
  }

  skip(length: number, field: string): void {
    this.#take(length, field);
  }

  /** UTF-16LE of `byteLength` bytes. Lone surrogates survive. */
  utf16(byteLength: number, field: string): string {
    const at = this.#at;
    if (byteLength > LONGEST_UTF16) {
      throw new DecodeError(field, at, `${byteLength} bytes, more than ${LONGEST_UTF16}`);
    }
    return decodeUtf16(this.bytes(byteLength, field), field, at);
  }

  /** Continues at `position`, counted from the start of the bytes. */
  seek(position: number, field: string): void {
    if (position < 0 || position > this.#bytes.length) {
      throw new DecodeError(field, this.#at, `offset ${position} is outside ${this.#bytes.length} bytes`);
    }
    this.#at = position;
  }

  /** Reads the StructureSize that opens every body, and insists on it. */
  structureSize(expected: number, field: string): void {
    const at = this.#at;
    const actual = this.u16(`${field}.StructureSize`);
    if (actual !== expected)
      throw new DecodeError(`${field}.StructureSize`, at, `${actual}, not ${expected}`);
  }

  /**
   * The variable part named by an (offset, length) pair of the message, as a view. Empty when `length` is 0,
   * whatever the offset says. `floor` is where the fixed part ends; nothing may point before it.
   */
  block(offset: number, length: number, floor: number, field: string): Uint8Array {
    if (length === 0) return EMPTY;
    if (offset < floor) {
      throw new DecodeError(field, this.#at, `offset ${offset} points into the fixed part (${floor})`);
    }
    if (offset + length > this.#bytes.length) {
      throw new DecodeError(
        field,
        this.#at,
        `${length} bytes at ${offset} end beyond the message of ${this.#bytes.length}`,
      );
    }
    return this.#bytes.subarray(offset, offset + length);
  }

  #take(length: number, field: string): number {
    const at = this.#at;
    if (length < 0 || at + length > this.#bytes.length) {
      throw new DecodeError(
        field,
        at,
        `${length} bytes wanted, ${Math.max(0, this.#bytes.length - at)} there`,
      );
    }
    this.#at = at + length;
    return at;
  }
}

const EMPTY = new Uint8Array(0);
/** UNICODE_STRING (MS-DTYP 2.3.10) counts bytes in 16 bits: no name or path is longer. */
const LONGEST_UTF16 = 65_534;
/** Arguments of one call; far below every engine's limit. */
const CHUNK = 4_096;

/** UTF-16LE bytes to a string, unit by unit: what is no valid Unicode stays as it is. @throws DecodeError on odd lengths */
export function decodeUtf16(bytes: Uint8Array, field: string, position = 0): string {
  if (bytes.length % 2 !== 0) {
    throw new DecodeError(field, position, `${bytes.length} bytes are not whole UTF-16 units`);
  }
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const end = Math.min(at + CHUNK, bytes.length);
    const units: number[] = [];
    for (let i = at; i < end; i += 2) units.push((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8));
    text += String.fromCharCode(...units);
  }
  return text;
}
