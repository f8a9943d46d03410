import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";
import { decodeOutputBuffer, encodeOutputBuffer } from "./output-buffer.ts";

/** MS-SMB2 2.2.37 and 2.2.38: SMB2 QUERY_INFO, for files. */

/** 2.2.37: InfoType. */
export const INFO_FILE = 1;

export interface QueryInfoRequest {
  /** 3, u8: see `FileInformationClass`. */
  readonly fileInfoClass: number;
  /** 4, u32. */
  readonly outputBufferLength: number;
  /** 24, 16 bytes. */
  readonly fileId: Uint8Array;
}

const REQUEST_SIZE = 41;

export function encodeQueryInfoRequest(request: QueryInfoRequest): Uint8Array {
  return new Writer(41)
    .u16(REQUEST_SIZE)
    .u8(INFO_FILE)
    .u8(request.fileInfoClass)
    .u32(request.outputBufferLength)
    .u16(0) // InputBufferOffset
    .u16(0) // Reserved
    .u32(0) // InputBufferLength
    .u32(0) // AdditionalInformation
    .u32(0) // Flags
    .fixed(request.fileId, 16, "FileId")
    .u8(0) // the variable part has at least one byte
    .finish();
}

export function decodeQueryInfoRequest(message: Uint8Array): QueryInfoRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "QUERY_INFO request");
  reader.skip(1, "InfoType");
  const fileInfoClass = reader.u8("FileInfoClass");
  const outputBufferLength = reader.u32("OutputBufferLength");
  reader.skip(16, "InputBuffer to Flags");
  return { fileInfoClass, outputBufferLength, fileId: reader.copy(16, "FileId") };
}

/** `buffer`: one of `file-information.ts`. */
export function encodeQueryInfoResponse(buffer: Uint8Array): Uint8Array {
  return encodeOutputBuffer(buffer);
}

/** A view into `message`. */
export function decodeQueryInfoResponse(message: Uint8Array): Uint8Array {
  return decodeOutputBuffer(message, "QUERY_INFO response");
}
