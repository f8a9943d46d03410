import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.31 and 2.2.32: SMB2 IOCTL, FSCTLs only. */

export const Fsctl = {
  VALIDATE_NEGOTIATE_INFO: 0x0014_0204,
  DFS_GET_REFERRALS: 0x0006_0194,
} as const;

/** 2.2.31: Flags, SMB2_0_IOCTL_IS_FSCTL. */
const IS_FSCTL = 1;

export interface IoctlRequest {
  /** 4, u32. */
  readonly ctlCode: number;
  /** 8, 16 bytes; all ones where the code wants no file. */
  readonly fileId: Uint8Array;
  /** InputOffset (24, u32), InputCount (28, u32). */
  readonly input: Uint8Array;
  /** 44, u32. */
  readonly maxOutputResponse: number;
}

const REQUEST_SIZE = 57;
const REQUEST_FIXED = HEADER_SIZE + 56;

export function encodeIoctlRequest(request: IoctlRequest): Uint8Array {
  const writer = new Writer(57 + request.input.length)
    .u16(REQUEST_SIZE)
    .u16(0)
    .u32(request.ctlCode)
    .fixed(request.fileId, 16, "FileId")
    .u32(REQUEST_FIXED)
    .u32(request.input.length)
    .u32(0) // MaxInputResponse
    .u32(0) // OutputOffset
    .u32(0) // OutputCount
    .u32(request.maxOutputResponse)
    .u32(IS_FSCTL)
    .u32(0)
    .bytes(request.input);
  if (request.input.length === 0) writer.u8(0);
  return writer.finish();
}

export function decodeIoctlRequest(message: Uint8Array): IoctlRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "IOCTL request");
  reader.skip(2, "Reserved");
  const ctlCode = reader.u32("CtlCode");
  const fileId = reader.copy(16, "FileId");
  const inputOffset = reader.u32("InputOffset");
  const inputCount = reader.u32("InputCount");
  reader.skip(12, "MaxInputResponse to OutputCount");
  const maxOutputResponse = reader.u32("MaxOutputResponse");
  const input = reader.block(inputOffset, inputCount, REQUEST_FIXED, "Input").slice();
  return { ctlCode, fileId, input, maxOutputResponse };
}

export interface IoctlResponse {
  /** 4, u32. */
  readonly ctlCode: number;
  /** 8, 16 bytes. */
  readonly fileId: Uint8Array;
  /** OutputOffset (32, u32), OutputCount (36, u32). A view into the message when decoded. */
  readonly output: Uint8Array;
}

const RESPONSE_SIZE = 49;
const RESPONSE_FIXED = HEADER_SIZE + 48;

export function encodeIoctlResponse(response: IoctlResponse): Uint8Array {
  return new Writer(48 + response.output.length)
    .u16(RESPONSE_SIZE)
    .u16(0)
    .u32(response.ctlCode)
    .fixed(response.fileId, 16, "FileId")
    .u32(RESPONSE_FIXED) // InputOffset
    .u32(0) // InputCount
    .u32(RESPONSE_FIXED)
    .u32(response.output.length)
    .u32(0) // Flags
    .u32(0) // Reserved2
    .bytes(response.output)
    .finish();
}

export function decodeIoctlResponse(message: Uint8Array): IoctlResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "IOCTL response");
  reader.skip(2, "Reserved");
  const ctlCode = reader.u32("CtlCode");
  const fileId = reader.copy(16, "FileId");
  reader.skip(8, "InputOffset, InputCount");
  const outputOffset = reader.u32("OutputOffset");
  const outputCount = reader.u32("OutputCount");
  reader.skip(8, "Flags, Reserved2");
  return { ctlCode, fileId, output: reader.block(outputOffset, outputCount, RESPONSE_FIXED, "Output") };
}
