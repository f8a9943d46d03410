import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { encodeUtf16, Writer } from "../writer.ts";
import { decodeOutputBuffer, encodeOutputBuffer } from "./output-buffer.ts";

/** MS-SMB2 2.2.33 and 2.2.34: SMB2 QUERY_DIRECTORY. */

export const QueryDirectoryFlags = {
  RESTART_SCANS: 0x1,
  RETURN_SINGLE_ENTRY: 0x2,
  INDEX_SPECIFIED: 0x4,
  REOPEN: 0x10,
} as const;

export interface QueryDirectoryRequest {
  /** 2, u8: see `DirectoryClass`. */
  readonly fileInformationClass: number;
  /** 3, u8. */
  readonly flags: number;
  /** 4, u32. */
  readonly fileIndex: number;
  /** 8, 16 bytes. */
  readonly fileId: Uint8Array;
  /** FileNameOffset (24, u16), FileNameLength (26, u16): the search pattern. */
  readonly fileName: string;
  /** 28, u32. */
  readonly outputBufferLength: number;
}

const REQUEST_SIZE = 33;
const REQUEST_FIXED = HEADER_SIZE + 32;

export function encodeQueryDirectoryRequest(request: QueryDirectoryRequest): Uint8Array {
  const name = encodeUtf16(request.fileName);
  const writer = new Writer(33 + name.length)
    .u16(REQUEST_SIZE)
    .u8(request.fileInformationClass)
    .u8(request.flags)
    .u32(request.fileIndex)
    .fixed(request.fileId, 16, "FileId")
    .u16(REQUEST_FIXED)
    .u16(name.length)
    .u32(request.outputBufferLength)
    .bytes(name);
  if (name.length === 0) writer.u8(0);
  return writer.finish();
}

export function decodeQueryDirectoryRequest(message: Uint8Array): QueryDirectoryRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "QUERY_DIRECTORY request");
  const fileInformationClass = reader.u8("FileInformationClass");
  const flags = reader.u8("Flags");
  const fileIndex = reader.u32("FileIndex");
  const fileId = reader.copy(16, "FileId");
  const nameOffset = reader.u16("FileNameOffset");
  const nameLength = reader.u16("FileNameLength");
  const outputBufferLength = reader.u32("OutputBufferLength");
  const name = reader.block(nameOffset, nameLength, REQUEST_FIXED, "Buffer");
  const fileName = new Reader(name).utf16(name.length, "Buffer");
  return { fileInformationClass, flags, fileIndex, fileId, fileName, outputBufferLength };
}

/** `buffer`: see `encodeDirectoryInformation`. */
export function encodeQueryDirectoryResponse(buffer: Uint8Array): Uint8Array {
  return encodeOutputBuffer(buffer);
}

/** A view into `message`: see `decodeDirectoryInformation`. */
export function decodeQueryDirectoryResponse(message: Uint8Array): Uint8Array {
  return decodeOutputBuffer(message, "QUERY_DIRECTORY response");
}
