import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-SMB2 2.2.5 and 2.2.6: SMB2 SESSION_SETUP. */

export interface SessionSetupRequest {
  /** 2, u8. 1 binds a session to another connection, which we never do. */
  readonly flags: number;
  /** 3, u8. */
  readonly securityMode: number;
  /** 4, u32. */
  readonly capabilities: number;
  /** 16, u64. A session of ours that the server shall end. */
  readonly previousSessionId: bigint;
  /** SecurityBufferOffset (12, u16), SecurityBufferLength (14, u16). */
  readonly securityBuffer: Uint8Array;
}

const REQUEST_SIZE = 25;
const REQUEST_FIXED = HEADER_SIZE + 24;

export function encodeSessionSetupRequest(request: SessionSetupRequest): Uint8Array {
  return new Writer(24 + request.securityBuffer.length)
    .u16(REQUEST_SIZE)
    .u8(request.flags)
    .u8(request.securityMode)
    .u32(request.capabilities)
    .u32(0)
    .u16(REQUEST_FIXED)
    .u16(request.securityBuffer.length)
    .u64(request.previousSessionId)
    .bytes(request.securityBuffer)
    .finish();
}

export function decodeSessionSetupRequest(message: Uint8Array): SessionSetupRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "SESSION_SETUP request");
  const flags = reader.u8("Flags");
  const securityMode = reader.u8("SecurityMode");
  const capabilities = reader.u32("Capabilities");
  reader.skip(4, "Channel");
  const offset = reader.u16("SecurityBufferOffset");
  const length = reader.u16("SecurityBufferLength");
  const previousSessionId = reader.u64("PreviousSessionId");
  const securityBuffer = reader.block(offset, length, REQUEST_FIXED, "SecurityBuffer").slice();
  return { flags, securityMode, capabilities, previousSessionId, securityBuffer };
}

export const SessionFlags = { IS_GUEST: 1, IS_NULL: 2, ENCRYPT_DATA: 4 } as const;

export interface SessionSetupResponse {
  /** 2, u16. */
  readonly sessionFlags: number;
  /** SecurityBufferOffset (4, u16), SecurityBufferLength (6, u16). */
  readonly securityBuffer: Uint8Array;
}

const RESPONSE_SIZE = 9;
const RESPONSE_FIXED = HEADER_SIZE + 8;

export function encodeSessionSetupResponse(response: SessionSetupResponse): Uint8Array {
  return new Writer(8 + response.securityBuffer.length)
    .u16(RESPONSE_SIZE)
    .u16(response.sessionFlags)
    .u16(RESPONSE_FIXED)
    .u16(response.securityBuffer.length)
    .bytes(response.securityBuffer)
    .finish();
}

export function decodeSessionSetupResponse(message: Uint8Array): SessionSetupResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "SESSION_SETUP response");
  const sessionFlags = reader.u16("SessionFlags");
  const offset = reader.u16("SecurityBufferOffset");
  const length = reader.u16("SecurityBufferLength");
  const securityBuffer = reader.block(offset, length, RESPONSE_FIXED, "SecurityBuffer").slice();
  return { sessionFlags, securityBuffer };
}
