import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";
import { decodeContexts, encodeContexts, type NegotiateContext } from "./negotiate-contexts.ts";

/** MS-SMB2 2.2.3 and 2.2.4: SMB2 NEGOTIATE. */

export const Dialect = {
  SMB_2_0_2: 0x0202,
  SMB_2_1: 0x0210,
  SMB_3_0: 0x0300,
  SMB_3_0_2: 0x0302,
  SMB_3_1_1: 0x0311,
} as const;

export const SecurityMode = { SIGNING_ENABLED: 1, SIGNING_REQUIRED: 2 } as const;

export const Capabilities = {
  DFS: 0x1,
  LEASING: 0x2,
  LARGE_MTU: 0x4,
  MULTI_CHANNEL: 0x8,
  PERSISTENT_HANDLES: 0x10,
  DIRECTORY_LEASING: 0x20,
  ENCRYPTION: 0x40,
  NOTIFICATIONS: 0x80,
} as const;

export interface NegotiateRequest {
  /** 4, u16. */
  readonly securityMode: number;
  /** 8, u32. */
  readonly capabilities: number;
  /** 12, 16 bytes. */
  readonly clientGuid: Uint8Array;
  /** 36, u16 each. */
  readonly dialects: readonly number[];
  /** With 0x0311 among the dialects: from NegotiateContextOffset (28, u32) on. */
  readonly contexts?: readonly NegotiateContext[];
}

const REQUEST_SIZE = 36;

export function encodeNegotiateRequest(request: NegotiateRequest): Uint8Array {
  const { dialects, contexts } = request;
  const writer = new Writer(256)
    .u16(REQUEST_SIZE)
    .u16(dialects.length)
    .u16(request.securityMode)
    .u16(0)
    .u32(request.capabilities)
    .fixed(request.clientGuid, 16, "ClientGuid")
    .u32(0)
    .u16(contexts?.length ?? 0)
    .u16(0);
  for (const dialect of dialects) writer.u16(dialect);
  if (contexts !== undefined) {
    writer.align(8, HEADER_SIZE);
    writer.setU32(28, HEADER_SIZE + writer.length);
    encodeContexts(writer, contexts, HEADER_SIZE);
  }
  return writer.finish();
}

export function decodeNegotiateRequest(message: Uint8Array): NegotiateRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "NEGOTIATE request");
  const dialectCount = reader.u16("DialectCount");
  const securityMode = reader.u16("SecurityMode");
  reader.skip(2, "Reserved");
  const capabilities = reader.u32("Capabilities");
  const clientGuid = reader.copy(16, "ClientGuid");
  const contextOffset = reader.u32("NegotiateContextOffset");
  const contextCount = reader.u16("NegotiateContextCount");
  reader.skip(2, "Reserved2");
  const dialects: number[] = [];
  for (let i = 0; i < dialectCount; i++) dialects.push(reader.u16("Dialects"));
  const request = { securityMode, capabilities, clientGuid, dialects };
  // Without 3.1.1 these bytes are ClientStartTime, and mean nothing.
  if (!dialects.includes(Dialect.SMB_3_1_1)) return request;
  return { ...request, contexts: decodeContexts(message, contextOffset, contextCount, reader.position) };
}

export interface NegotiateResponse {
  /** 2, u16. */
  readonly securityMode: number;
  /** 4, u16. */
  readonly dialect: number;
  /** 8, 16 bytes. */
  readonly serverGuid: Uint8Array;
  /** 24, u32. */
  readonly capabilities: number;
  /** 28, u32, bytes. */
  readonly maxTransactSize: number;
  /** 32, u32, bytes. */
  readonly maxReadSize: number;
  /** 36, u32, bytes. */
  readonly maxWriteSize: number;
  /** 40, u64, FILETIME. */
  readonly systemTime: bigint;
  /** 48, u64, FILETIME. */
  readonly serverStartTime: bigint;
  /** SecurityBufferOffset (56, u16), SecurityBufferLength (58, u16): a SPNEGO hint, or empty. */
  readonly securityBuffer: Uint8Array;
  /** 3.1.1: NegotiateContextCount (6, u16), NegotiateContextOffset (60, u32). */
  readonly contexts: readonly NegotiateContext[];
}

const RESPONSE_SIZE = 65;
const RESPONSE_FIXED = HEADER_SIZE + 64;

export function encodeNegotiateResponse(response: NegotiateResponse): Uint8Array {
  const { contexts, securityBuffer } = response;
  const writer = new Writer(256)
    .u16(RESPONSE_SIZE)
    .u16(response.securityMode)
    .u16(response.dialect)
    .u16(contexts.length)
    .fixed(response.serverGuid, 16, "ServerGuid")
    .u32(response.capabilities)
    .u32(response.maxTransactSize)
    .u32(response.maxReadSize)
    .u32(response.maxWriteSize)
    .u64(response.systemTime)
    .u64(response.serverStartTime)
    .u16(RESPONSE_FIXED)
    .u16(securityBuffer.length)
    .u32(0)
    .bytes(securityBuffer);
  if (contexts.length > 0) {
    writer.align(8, HEADER_SIZE);
    writer.setU32(60, HEADER_SIZE + writer.length);
    encodeContexts(writer, contexts, HEADER_SIZE);
  }
  return writer.finish();
}

export function decodeNegotiateResponse(message: Uint8Array): NegotiateResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "NEGOTIATE response");
  const securityMode = reader.u16("SecurityMode");
  const dialect = reader.u16("DialectRevision");
  const contextCount = reader.u16("NegotiateContextCount");
  const serverGuid = reader.copy(16, "ServerGuid");
  const capabilities = reader.u32("Capabilities");
  const maxTransactSize = reader.u32("MaxTransactSize");
  const maxReadSize = reader.u32("MaxReadSize");
  const maxWriteSize = reader.u32("MaxWriteSize");
  const systemTime = reader.u64("SystemTime");
  const serverStartTime = reader.u64("ServerStartTime");
  const bufferOffset = reader.u16("SecurityBufferOffset");
  const bufferLength = reader.u16("SecurityBufferLength");
  const contextOffset = reader.u32("NegotiateContextOffset");
  const securityBuffer = reader.block(bufferOffset, bufferLength, RESPONSE_FIXED, "SecurityBuffer").slice();
  // In the other dialects these bytes are reserved.
  const contexts =
    dialect === Dialect.SMB_3_1_1 ? decodeContexts(message, contextOffset, contextCount, RESPONSE_FIXED) : [];
  return {
    securityMode,
    dialect,
    serverGuid,
    capabilities,
    maxTransactSize,
    maxReadSize,
    maxWriteSize,
    systemTime,
    serverStartTime,
    securityBuffer,
    contexts,
  };
}
