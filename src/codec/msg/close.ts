import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.15 and 2.2.16: SMB2 CLOSE. We never ask for attributes in the answer. */

export interface CloseRequest {
  /** 8, 16 bytes. All ones in a related compound: the handle of the message before. */
  readonly fileId: Uint8Array;
}

const REQUEST_SIZE = 24;

export function encodeCloseRequest(request: CloseRequest): Uint8Array {
  return new Writer(24)
    .u16(REQUEST_SIZE)
    .u16(0) // Flags
    .u32(0)
    .fixed(request.fileId, 16, "FileId")
    .finish();
}

export function decodeCloseRequest(message: Uint8Array): CloseRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "CLOSE request");
  reader.skip(6, "Flags, Reserved");
  return { fileId: reader.copy(16, "FileId") };
}

const RESPONSE_SIZE = 60;

export function encodeCloseResponse(): Uint8Array {
  return new Writer(60).u16(RESPONSE_SIZE).zeros(58).finish();
}

export function decodeCloseResponse(message: Uint8Array): void {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "CLOSE response");
  reader.skip(58, "Flags to FileAttributes");
}
