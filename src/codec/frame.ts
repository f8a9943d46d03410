import { DecodeError, EncodeError } from "./errors.ts";

/** MS-SMB2 2.1: Direct TCP. One zero byte, a 24-bit big-endian length, the message. */

const PREFIX = 4;
const LONGEST = 0xff_ffff;

/** Puts the length in front of one message. @throws EncodeError over 16,777,215 bytes */
export function frame(message: Uint8Array): Uint8Array {
  if (message.length > LONGEST) throw new EncodeError("StreamProtocolLength", `${message.length} bytes`);
  const framed = new Uint8Array(PREFIX + message.length);
  framed[1] = message.length >>> 16;
  framed[2] = (message.length >>> 8) & 0xff;
  framed[3] = message.length & 0xff;
  framed.set(message, PREFIX);
  return framed;
}

/** Puts frames together again however TCP cut them. Copies a frame only when it spans chunks, and then once. */
export class FrameSplitter {
  /** Frames longer than this are refused before they are collected. Default 64 KiB: raise it once the peer is known. */
  maxLength = 65_536;
  #chunks: Uint8Array[] = [];
  #buffered = 0;
  /** Bytes of the frame being collected, prefix included; 0 while its prefix is incomplete. */
  #needed = 0;

  /** Bytes held back because their frame is incomplete. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Returns the messages completed by `chunk`, without their prefixes. @throws DecodeError; the stream is then beyond repair */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    let rest = chunk;
    if (this.#buffered > 0) {
      rest = this.#complete(chunk, messages);
    }
    while (rest.length >= PREFIX) {
      const end = PREFIX + this.#lengthOf(rest);
      if (rest.length < end) {
        this.#needed = end;
        break;
      }
      messages.push(rest.subarray(PREFIX, end));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) {
      this.#chunks.push(rest);
      this.#buffered += rest.length;
    }
    return messages;
  }

  /** Feeds the frame that was begun earlier; returns what is left of `chunk`. */
  #complete(chunk: Uint8Array, messages: Uint8Array[]): Uint8Array {
    let rest = chunk;
    if (this.#needed === 0) {
      const missing = Math.min(PREFIX - this.#buffered, rest.length);
      this.#hold(rest.subarray(0, missing));
      rest = rest.subarray(missing);
      if (this.#buffered < PREFIX) return rest;
      this.#needed = PREFIX + this.#lengthOf(this.#join());
    }
    const missing = Math.min(this.#needed - this.#buffered, rest.length);
    this.#hold(rest.subarray(0, missing));
    if (this.#buffered === this.#needed) {
      messages.push(this.#join().subarray(PREFIX));
      this.#chunks = [];
      this.#buffered = 0;
      this.#needed = 0;
    }
    return rest.subarray(missing);
  }

  #hold(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#chunks.push(part);
    this.#buffered += part.length;
  }

  #join(): Uint8Array {
    const joined = new Uint8Array(this.#buffered);
    let at = 0;
    for (const chunk of this.#chunks) {
      joined.set(chunk, at);
      at += chunk.length;
    }
    return joined;
  }

  #lengthOf(prefix: Uint8Array): number {
    const [first = 0, high = 0, middle = 0, low = 0] = prefix;
    if (first !== 0) throw new DecodeError("StreamProtocol", 0, `first byte 0x${first.toString(16)}, not 0`);
    const length = (high << 16) | (middle << 8) | low;
    if (length > this.maxLength) {
      throw new DecodeError("StreamProtocolLength", 1, `${length} bytes, more than ${this.maxLength}`);
    }
    return length;
  }
}
