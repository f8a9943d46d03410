import { DecodeError, EncodeError } from "./errors.ts";
import { HEADER_SIZE } from "./header.ts";
import { Reader } from "./reader.ts";
import { scratch } from "./scratch.ts";

/** MS-SMB2 3.2.4.1.4 and 3.2.5.1.1: compounded messages. */

const NEXT_COMMAND_AT = 20;
/** Header plus the smallest body whose StructureSize can be read, rounded up to a multiple of 8. */
const SMALLEST_NEXT = 72;
const MOST_PARTS = 64;

/**
 * Pads all but the last message to a multiple of 8 and links them by NextCommand. Each part is returned by
 * itself, since each is signed by itself, padding included; sent, they are simply concatenated.
 * @throws EncodeError for what is shorter than a header
 */
export function joinCompound(messages: readonly Uint8Array[]): Uint8Array[] {
  return messages.map((message, index) => {
    if (message.length < HEADER_SIZE) throw new EncodeError("Compound", `a part of ${message.length} bytes`);
    if (index === messages.length - 1) return message;
    const padded = scratch(Math.ceil(message.length / 8) * 8);
    padded.set(message);
    padded.fill(0, message.length);
    new DataView(padded.buffer, padded.byteOffset).setUint32(NEXT_COMMAND_AT, padded.length, true);
    return padded;
  });
}

/** Cuts a frame into its messages, as views. @throws DecodeError */
export function splitCompound(frame: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  for (let at = 0; ; ) {
    const left = frame.length - at;
    if (left < HEADER_SIZE + 2) throw new DecodeError("Compound", at, `${left} bytes are no message`);
    const next = new Reader(frame, at + NEXT_COMMAND_AT).u32("NextCommand");
    if (next === 0) {
      messages.push(frame.subarray(at));
      return messages;
    }
    if (next < SMALLEST_NEXT || next % 8 !== 0 || next > left) {
      throw new DecodeError("NextCommand", at + NEXT_COMMAND_AT, `${next} with ${left} bytes left`);
    }
    if (messages.length + 1 >= MOST_PARTS) {
      throw new DecodeError("Compound", at, `more than ${MOST_PARTS} messages`);
    }
    messages.push(frame.subarray(at, at + next));
    at += next;
  }
}
