import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";
import { decodeOutputBuffer, encodeOutputBuffer } from "./output-buffer.ts";

/** MS-SMB2 2.2.35 and 2.2.36: SMB2 CHANGE_NOTIFY. */

/** 2.2.35: Flags. */
export const WATCH_TREE = 0x1;

export const CompletionFilter = {
  FILE_NAME: 0x1,
  DIR_NAME: 0x2,
  ATTRIBUTES: 0x4,
  SIZE: 0x8,
  LAST_WRITE: 0x10,
  LAST_ACCESS: 0x20,
  CREATION: 0x40,
  EA: 0x80,
  SECURITY: 0x100,
  STREAM_NAME: 0x200,
  STREAM_SIZE: 0x400,
  STREAM_WRITE: 0x800,
} as const;

export interface ChangeNotifyRequest {
  /** 2, u16. */
  readonly flags: number;
  /** 4, u32. */
  readonly outputBufferLength: number;
  /** 8, 16 bytes. */
  readonly fileId: Uint8Array;
  /** 24, u32. */
  readonly completionFilter: number;
}

const REQUEST_SIZE = 32;

export function encodeChangeNotifyRequest(request: ChangeNotifyRequest): Uint8Array {
  return new Writer(32)
    .u16(REQUEST_SIZE)
    .u16(request.flags)
    .u32(request.outputBufferLength)
    .fixed(request.fileId, 16, "FileId")
    .u32(request.completionFilter)
    .u32(0)
    .finish();
}

export function decodeChangeNotifyRequest(message: Uint8Array): ChangeNotifyRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "CHANGE_NOTIFY request");
  const flags = reader.u16("Flags");
  const outputBufferLength = reader.u32("OutputBufferLength");
  const fileId = reader.copy(16, "FileId");
  const completionFilter = reader.u32("CompletionFilter");
  reader.skip(4, "Reserved");
  return { flags, outputBufferLength, fileId, completionFilter };
}

/** `buffer`: see `encodeFileNotifyInformation`. */
export function encodeChangeNotifyResponse(buffer: Uint8Array): Uint8Array {
  return encodeOutputBuffer(buffer);
}

/** A view into `message`: see `decodeFileNotifyInformation`. */
export function decodeChangeNotifyResponse(message: Uint8Array): Uint8Array {
  return decodeOutputBuffer(message, "CHANGE_NOTIFY response");
}
