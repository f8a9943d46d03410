import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.31.4 and 2.2.32.6: VALIDATE_NEGOTIATE_INFO, input and output of its FSCTL. */

export interface ValidateNegotiateInfoRequest {
  /** 0, u32. These four exactly as they were sent in NEGOTIATE. */
  readonly capabilities: number;
  /** 4, 16 bytes. */
  readonly guid: Uint8Array;
  /** 20, u16. */
  readonly securityMode: number;
  /** DialectCount (22, u16), Dialects (24, u16 each). */
  readonly dialects: readonly number[];
}

export function encodeValidateNegotiateInfoRequest(request: ValidateNegotiateInfoRequest): Uint8Array {
  const writer = new Writer(24 + 2 * request.dialects.length)
    .u32(request.capabilities)
    .fixed(request.guid, 16, "Guid")
    .u16(request.securityMode)
    .u16(request.dialects.length);
  for (const dialect of request.dialects) writer.u16(dialect);
  return writer.finish();
}

export function decodeValidateNegotiateInfoRequest(input: Uint8Array): ValidateNegotiateInfoRequest {
  const reader = new Reader(input);
  const capabilities = reader.u32("Capabilities");
  const guid = reader.copy(16, "Guid");
  const securityMode = reader.u16("SecurityMode");
  const count = reader.u16("DialectCount");
  const dialects: number[] = [];
  for (let i = 0; i < count; i++) dialects.push(reader.u16("Dialects"));
  return { capabilities, guid, securityMode, dialects };
}

export interface ValidateNegotiateInfoResponse {
  /** 0, u32. All as in the NEGOTIATE response, or someone changed it on the way. */
  readonly capabilities: number;
  /** 4, 16 bytes. */
  readonly guid: Uint8Array;
  /** 20, u16. */
  readonly securityMode: number;
  /** 22, u16. */
  readonly dialect: number;
}

export const VALIDATE_NEGOTIATE_INFO_BYTES = 24;

export function encodeValidateNegotiateInfoResponse(response: ValidateNegotiateInfoResponse): Uint8Array {
  return new Writer(VALIDATE_NEGOTIATE_INFO_BYTES)
    .u32(response.capabilities)
    .fixed(response.guid, 16, "Guid")
    .u16(response.securityMode)
    .u16(response.dialect)
    .finish();
}

export function decodeValidateNegotiateInfoResponse(output: Uint8Array): ValidateNegotiateInfoResponse {
  const reader = new Reader(output);
  const capabilities = reader.u32("Capabilities");
  const guid = reader.copy(16, "Guid");
  const securityMode = reader.u16("SecurityMode");
  const dialect = reader.u16("Dialect");
  return { capabilities, guid, securityMode, dialect };
}
