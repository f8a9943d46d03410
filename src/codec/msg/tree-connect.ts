import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { encodeUtf16, Writer } from "../writer.ts";

/** MS-SMB2 2.2.9 and 2.2.10: SMB2 TREE_CONNECT. */

export interface TreeConnectRequest {
  /** 2, u16: Flags of 3.1.1, else reserved. */
  readonly flags: number;
  /** PathOffset (4, u16), PathLength (6, u16): `\\server\share`. */
  readonly path: string;
}

const REQUEST_SIZE = 9;
const REQUEST_FIXED = HEADER_SIZE + 8;

export function encodeTreeConnectRequest(request: TreeConnectRequest): Uint8Array {
  const path = encodeUtf16(request.path);
  return new Writer(8 + path.length)
    .u16(REQUEST_SIZE)
    .u16(request.flags)
    .u16(REQUEST_FIXED)
    .u16(path.length)
    .bytes(path)
    .finish();
}

export function decodeTreeConnectRequest(message: Uint8Array): TreeConnectRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "TREE_CONNECT request");
  const flags = reader.u16("Flags");
  const offset = reader.u16("PathOffset");
  const length = reader.u16("PathLength");
  const path = reader.block(offset, length, REQUEST_FIXED, "Path");
  return { flags, path: new Reader(path).utf16(path.length, "Path") };
}

export const ShareType = { DISK: 1, PIPE: 2, PRINT: 3 } as const;

export const ShareFlags = {
  DFS: 0x1,
  DFS_ROOT: 0x2,
  ACCESS_BASED_DIRECTORY_ENUM: 0x800,
  ENCRYPT_DATA: 0x8000,
  COMPRESS_DATA: 0x10_0000,
} as const;

export const ShareCapabilities = {
  DFS: 0x8,
  CONTINUOUS_AVAILABILITY: 0x10,
  SCALEOUT: 0x20,
  CLUSTER: 0x40,
  ASYMMETRIC: 0x80,
  REDIRECT_TO_OWNER: 0x100,
} as const;

export interface TreeConnectResponse {
  /** 2, u8. */
  readonly shareType: number;
  /** 4, u32. */
  readonly shareFlags: number;
  /** 8, u32. */
  readonly capabilities: number;
  /** 12, u32: ACCESS_MASK. */
  readonly maximalAccess: number;
}

const RESPONSE_SIZE = 16;

export function encodeTreeConnectResponse(response: TreeConnectResponse): Uint8Array {
  return new Writer(16)
    .u16(RESPONSE_SIZE)
    .u8(response.shareType)
    .u8(0)
    .u32(response.shareFlags)
    .u32(response.capabilities)
    .u32(response.maximalAccess)
    .finish();
}

export function decodeTreeConnectResponse(message: Uint8Array): TreeConnectResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "TREE_CONNECT response");
  const shareType = reader.u8("ShareType");
  reader.skip(1, "Reserved");
  const shareFlags = reader.u32("ShareFlags");
  const capabilities = reader.u32("Capabilities");
  const maximalAccess = reader.u32("MaximalAccess");
  return { shareType, shareFlags, capabilities, maximalAccess };
}
