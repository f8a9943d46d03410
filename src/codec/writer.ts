import { EncodeError } from "./errors.ts";
import { scratch } from "./scratch.ts";

/** Builds a message body, growing as needed. Integers are little-endian (MS-SMB2 2.2). */
export class Writer {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 128) {
    this.#bytes = scratch(capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, checked(value, 0xff));
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, checked(value, 0xffff), true);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, checked(value, 0xffff_ffff), true);
    return this;
  }

  u64(value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) throw new EncodeError("integer", `${value} is not of 64 bits`);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
    return this;
  }

  bytes(value: Uint8Array): this {
    // Growing replaces the buffer, so it comes first.
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Exactly `length` bytes: an identifier whose size the wire fixes. @throws EncodeError */
  fixed(value: Uint8Array, length: number, field: string): this {
    if (value.length !== length) throw new EncodeError(field, `${value.length} bytes, not ${length}`);
    return this.bytes(value);
  }

  utf16(text: string): this {
    const at = this.#grow(text.length * 2);
    for (let i = 0; i < text.length; i++) this.#view.setUint16(at + 2 * i, text.charCodeAt(i), true);
    return this;
  }

  zeros(length: number): this {
    // A field that is longer than its place would otherwise be cut off without a word.
    if (length < 0) throw new EncodeError("padding", `${-length} bytes too many`);
    const at = this.#grow(length);
    this.#bytes.fill(0, at, at + length);
    return this;
  }

  /** Pads with zeros until the length, counted from `base` before the body, is a multiple of `alignment`. */
  align(alignment: number, base = 0): this {
    return this.zeros((alignment - ((base + this.#length) % alignment)) % alignment);
  }

  setU16(at: number, value: number): void {
    this.#view.setUint16(at, checked(value, 0xffff), true);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, checked(value, 0xffff_ffff), true);
  }

  /** The bytes written so far. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(by: number): number {
    const at = this.#length;
    this.#length += by;
    if (this.#length > this.#bytes.length) {
      const bytes = scratch(Math.max(this.#length, this.#bytes.length * 2));
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    return at;
  }
}

function checked(value: number, max: number): number {
  if (!Number.isInteger(value) || value < 0 || value > max) {
    throw new EncodeError("integer", `${value} is not between 0 and ${max}`);
  }
  return value;
}

/** UTF-16LE, unit by unit. In memory of its own: it may be a password, and be wiped. */
export function encodeUtf16(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    bytes[2 * i] = unit & 0xff;
    bytes[2 * i + 1] = unit >> 8;
  }
  return bytes;
}
