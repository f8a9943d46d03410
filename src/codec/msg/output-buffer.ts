import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/**
 * The body that QUERY_DIRECTORY, QUERY_INFO and CHANGE_NOTIFY responses share (MS-SMB2 2.2.34, 2.2.38,
 * 2.2.36): StructureSize 9, OutputBufferOffset u16, OutputBufferLength u32, the buffer.
 */
const SIZE = 9;
const FIXED = HEADER_SIZE + 8;

export function encodeOutputBuffer(buffer: Uint8Array): Uint8Array {
  const offset = buffer.length === 0 ? 0 : FIXED;
  return new Writer(8 + buffer.length).u16(SIZE).u16(offset).u32(buffer.length).bytes(buffer).finish();
}

/** The buffer as a view into `message`. @throws DecodeError */
export function decodeOutputBuffer(message: Uint8Array, name: string): Uint8Array {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(SIZE, name);
  const offset = reader.u16("OutputBufferOffset");
  const length = reader.u32("OutputBufferLength");
  return reader.block(offset, length, FIXED, "Buffer");
}
