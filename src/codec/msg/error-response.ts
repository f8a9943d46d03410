import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.2: SMB2 ERROR response. */

export interface ErrorResponse {
  /** 2, u8. Above 0 (3.1.1) the data is a list of error contexts. */
  readonly errorContextCount: number;
  /** ByteCount (4, u32), ErrorData (8). A view into the message when decoded. */
  readonly errorData: Uint8Array;
}

const SIZE = 9;

export function encodeErrorResponse(response: Partial<ErrorResponse> = {}): Uint8Array {
  const data = response.errorData ?? new Uint8Array(0);
  const writer = new Writer(9 + data.length)
    .u16(SIZE)
    .u8(response.errorContextCount ?? 0)
    .u8(0)
    .u32(data.length)
    .bytes(data);
  if (data.length === 0) writer.u8(0);
  return writer.finish();
}

export function decodeErrorResponse(message: Uint8Array): ErrorResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(SIZE, "ERROR response");
  const errorContextCount = reader.u8("ErrorContextCount");
  reader.skip(1, "Reserved");
  const byteCount = reader.u32("ByteCount");
  return { errorContextCount, errorData: reader.bytes(byteCount, "ErrorData") };
}
