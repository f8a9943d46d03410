import { DecodeError, EncodeError } from "./errors.ts";
import { scratch } from "./scratch.ts";

/** MS-SMB2 2.1: Direct TCP. One zero byte, a 24-bit big-endian length, the message. */

const PREFIX = 4;
const LONGEST = 0xff_ffff;

/** Puts the length in front of one message. @throws EncodeError over 16,777,215 bytes */
export function frame(message: Uint8Array): Uint8Array {
  if (message.length > LONGEST) throw new EncodeError("StreamProtocolLength", `${message.length} bytes`);
  const framed = scratch(PREFIX + message.length);
  framed[0] = 0;
  framed[1] = message.length >>> 16;
  framed[2] = (message.length >>> 8) & 0xff;
  framed[3] = message.length & 0xff;
  framed.set(message, PREFIX);
  return framed;
}

/**
 * Puts frames together again however TCP cut them. A frame that lies inside one chunk is a view of it; one
 * that spans chunks is copied once, into a buffer of its own length. So what a peer can make us hold is
 * bounded by `maxLength`, however small the pieces it sends.
 */
export class FrameSplitter {
  /** Frames longer than this are refused before they are collected. Default 64 KiB: raise it once the peer is known. */
  maxLength = 65_536;
  readonly #prefix = new Uint8Array(PREFIX);
  /** Bytes of the prefix that have come; the length counts once there are four. */
  #prefixLength = 0;
  /** The message being collected, while its prefix is complete and the rest is not. */
  #message: Uint8Array | undefined;
  #messageLength = 0;

  /** Bytes held back because their frame is incomplete, prefix included. */
  get buffered(): number {
    return this.#prefixLength + this.#messageLength;
  }

  /**
   * Returns the messages completed by `chunk`, without their prefixes.
   * @throws DecodeError; the stream is then beyond repair, and stays so: the bad prefix is never passed
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const messages: Uint8Array[] = [];
    // No Buffer leaves here, so that slice() means a copy to everyone who gets a message.
    let rest = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    while (rest.length > 0) {
      if (this.#message === undefined) {
        const taken = Math.min(PREFIX - this.#prefixLength, rest.length);
        this.#prefix.set(rest.subarray(0, taken), this.#prefixLength);
        this.#prefixLength += taken;
        rest = rest.subarray(taken);
        if (this.#prefixLength < PREFIX) break;
        const length = this.#announced();
        if (rest.length >= length) {
          messages.push(rest.subarray(0, length));
          rest = rest.subarray(length);
          this.#prefixLength = 0;
          continue;
        }
        this.#message = new Uint8Array(length);
      }
      const taken = Math.min(this.#message.length - this.#messageLength, rest.length);
      this.#message.set(rest.subarray(0, taken), this.#messageLength);
      this.#messageLength += taken;
      rest = rest.subarray(taken);
      if (this.#messageLength === this.#message.length) {
        messages.push(this.#message);
        this.#message = undefined;
        this.#messageLength = 0;
        this.#prefixLength = 0;
      }
    }
    return messages;
  }

  /** The length in the complete prefix. */
  #announced(): number {
    const [first = 0, high = 0, middle = 0, low = 0] = this.#prefix;
    if (first !== 0) throw new DecodeError("StreamProtocol", 0, `first byte 0x${first.toString(16)}, not 0`);
    const length = (high << 16) | (middle << 8) | low;
    if (length > this.maxLength) {
      throw new DecodeError("StreamProtocolLength", 1, `${length} bytes, more than ${this.maxLength}`);
    }
    return length;
  }
}
