import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";

/** StructureSize 4 and two reserved bytes: all that LOGOFF, TREE_DISCONNECT, ECHO and CANCEL say. */
const SIZE = 4;

export function encodeEmptyBody(): Uint8Array {
  return new Uint8Array([SIZE, 0, 0, 0]);
}

/** @throws DecodeError unless the body is one. */
export function decodeEmptyBody(message: Uint8Array, name: string): void {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(SIZE, name);
  reader.skip(2, "Reserved");
}
