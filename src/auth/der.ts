import { malformed } from "./errors.ts";

/** Tags that SPNEGO (RFC 4178) and GSS-API framing (RFC 2743) use. */
export const TAG = {
  OCTET_STRING: 0x04,
  OID: 0x06,
  ENUMERATED: 0x0a,
  SEQUENCE: 0x30,
  APPLICATION_0: 0x60,
} as const;

/** Tag of an explicitly tagged context element `[n]`. */
export function contextTag(n: number): number {
  return 0xa0 | n;
}

const MAX_DEPTH = 16;

/** One element: `value` is its content, `raw` the whole of it. Both share memory with the input. */
export interface DerElement {
  readonly tag: number;
  readonly value: Uint8Array;
  readonly raw: Uint8Array;
}

/**
 * Reads DER elements one after the other. Definite lengths only, in the short form or in one to four
 * bytes; a length longer than it need be is let pass, because no signature covers bytes that we
 * would have to write again. Whatever else is wrong is an `AuthError` `AUTH_MALFORMED_TOKEN`.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #at = 0;

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > MAX_DEPTH) malformed(`DER: nested deeper than ${MAX_DEPTH}`);
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next element, of any tag. */
  read(what: string): DerElement {
    const start = this.#at;
    const tag = this.#byte(what);
    if ((tag & 0x1f) === 0x1f) malformed(`DER: ${what} has a multi-byte tag at ${start}`);
    let length = this.#byte(what);
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count < 1 || count > 4) malformed(`DER: ${what} has a length of form ${length} at ${start}`);
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + this.#byte(what);
    }
    const from = this.#at;
    if (length > this.#bytes.length - from) {
      malformed(`DER: ${what} at ${start} wants ${length} bytes of ${this.#bytes.length - from}`);
    }
    this.#at = from + length;
    return { tag, value: this.#bytes.subarray(from, this.#at), raw: this.#bytes.subarray(start, this.#at) };
  }

  /** The next element, which must have this tag. */
  expect(tag: number, what: string): DerElement {
    const element = this.read(what);
    if (element.tag !== tag) {
      malformed(`DER: ${what} has tag 0x${element.tag.toString(16)} instead of 0x${tag.toString(16)}`);
    }
    return element;
  }

  /** A reader of the content of the next element, which must have this tag. */
  enter(tag: number, what: string): DerReader {
    return this.inside(this.expect(tag, what));
  }

  /** A reader of an element's content, one level deeper. */
  inside(element: DerElement): DerReader {
    return new DerReader(element.value, this.#depth + 1);
  }

  /** Nothing may follow. */
  end(what: string): void {
    if (!this.done) malformed(`DER: ${this.#bytes.length - this.#at} bytes follow ${what}`);
  }

  #byte(what: string): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) malformed(`DER: ${what} is cut off at ${this.#at}`);
    this.#at++;
    return value;
  }
}

/** Encodes one element with the shortest length. */
export function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  const header = [tag];
  if (length < 0x80) {
    header.push(length);
  } else {
    const digits: number[] = [];
    for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest & 0xff);
    header.push(0x80 | digits.length, ...digits);
  }
  const out = new Uint8Array(header.length + length);
  out.set(header);
  let at = header.length;
  for (const part of content) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Encodes a dotted object identifier as an element. Its arcs are ours: known and small. */
export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const content: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const septets = [arc & 0x7f];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128)) {
      septets.unshift((high & 0x7f) | 0x80);
    }
    content.push(...septets);
  }
  return der(TAG.OID, Uint8Array.from(content));
}

/** The dotted form of an object identifier's content. Arcs go up to 2^32 - 1. */
export function oidFromDer(content: Uint8Array): string {
  const arcs: number[] = [];
  let arc = 0;
  let pending = content.length === 0;
  for (const byte of content) {
    arc = arc * 128 + (byte & 0x7f);
    if (arc > 0xffffffff) malformed("DER: an object identifier has an arc over 32 bits");
    pending = (byte & 0x80) !== 0;
    if (!pending) {
      arcs.push(arc);
      arc = 0;
    }
  }
  if (pending) malformed("DER: an object identifier is cut off");
  const [head = 0, ...rest] = arcs;
  const root = Math.min(2, Math.floor(head / 40));
  return [root, head - root * 40, ...rest].join(".");
}
