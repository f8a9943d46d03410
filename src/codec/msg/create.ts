import { HEADER_SIZE } from "../header.ts";
import { Reader } from "../reader.ts";
import { encodeUtf16, Writer } from "../writer.ts";
import { decodeLeaseContext, encodeLeaseContext, type Lease, OPLOCK_LEVEL_LEASE } from "./lease.ts";

/** MS-SMB2 2.2.13 and 2.2.14: SMB2 CREATE, with no other create context than a lease. */

/**
 * MS-SMB2 2.2.13.1: access to directories and, where a bit means another thing there, to files; `DELETE` is for what we
 * have made ourselves, to try a share out.
 */
export const Access = {
  LIST_DIRECTORY: 0x1,
  READ_DATA: 0x1,
  READ_ATTRIBUTES: 0x80,
  DELETE: 0x1_0000,
  SYNCHRONIZE: 0x10_0000,
} as const;

export const ShareAccess = { READ: 1, WRITE: 2, DELETE: 4, ALL: 7 } as const;

export const CreateDisposition = { SUPERSEDE: 0, OPEN: 1, CREATE: 2, OPEN_IF: 3 } as const;

export const CreateOptions = {
  DIRECTORY_FILE: 0x1,
  NON_DIRECTORY_FILE: 0x40,
  DELETE_ON_CLOSE: 0x1000,
  OPEN_REPARSE_POINT: 0x20_0000,
} as const;

/** SECURITY_IMPERSONATION level "Impersonation". */
const IMPERSONATION = 2;

export interface CreateRequest {
  /** 24, u32. */
  readonly desiredAccess: number;
  /** 28, u32. */
  readonly fileAttributes: number;
  /** 32, u32. */
  readonly shareAccess: number;
  /** 36, u32. */
  readonly createDisposition: number;
  /** 40, u32. */
  readonly createOptions: number;
  /** NameOffset (44, u16), NameLength (46, u16): relative to the share, `\`-separated, empty for its root. */
  readonly name: string;
  /** CreateContexts (48, u32 and 52, u32). Only from SMB 3.0 on. */
  readonly lease?: Lease;
}

const REQUEST_SIZE = 57;
const REQUEST_FIXED = HEADER_SIZE + 56;

export function encodeCreateRequest(request: CreateRequest): Uint8Array {
  const name = encodeUtf16(request.name);
  const { lease } = request;
  const context = lease === undefined ? undefined : encodeLeaseContext(lease);
  const writer = new Writer(66 + name.length + (context?.length ?? 0))
    .u16(REQUEST_SIZE)
    .u8(0) // SecurityFlags
    .u8(lease === undefined ? 0 : OPLOCK_LEVEL_LEASE)
    .u32(IMPERSONATION)
    .u64(0n) // SmbCreateFlags
    .u64(0n) // Reserved
    .u32(request.desiredAccess)
    .u32(request.fileAttributes)
    .u32(request.shareAccess)
    .u32(request.createDisposition)
    .u32(request.createOptions)
    .u16(REQUEST_FIXED)
    .u16(name.length)
    .u32(0) // CreateContextsOffset
    .u32(0) // CreateContextsLength
    .bytes(name);
  // The variable part has at least one byte, also for the root's empty name.
  if (name.length === 0) writer.u8(0);
  if (context !== undefined) {
    writer.align(8, HEADER_SIZE);
    writer.setU32(48, HEADER_SIZE + writer.length);
    writer.setU32(52, context.length);
    writer.bytes(context);
  }
  return writer.finish();
}

export function decodeCreateRequest(message: Uint8Array): CreateRequest {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(REQUEST_SIZE, "CREATE request");
  reader.skip(22, "SecurityFlags to Reserved");
  const desiredAccess = reader.u32("DesiredAccess");
  const fileAttributes = reader.u32("FileAttributes");
  const shareAccess = reader.u32("ShareAccess");
  const createDisposition = reader.u32("CreateDisposition");
  const createOptions = reader.u32("CreateOptions");
  const nameOffset = reader.u16("NameOffset");
  const nameLength = reader.u16("NameLength");
  const lease = leaseOf(reader, REQUEST_FIXED);
  const name = reader.block(nameOffset, nameLength, REQUEST_FIXED, "Buffer");
  return {
    desiredAccess,
    fileAttributes,
    shareAccess,
    createDisposition,
    createOptions,
    name: new Reader(name).utf16(name.length, "Buffer"),
    ...(lease === undefined ? {} : { lease }),
  };
}

/** Reads CreateContextsOffset and CreateContextsLength, and what they point to. */
function leaseOf(reader: Reader, floor: number): Lease | undefined {
  const offset = reader.u32("CreateContextsOffset");
  const length = reader.u32("CreateContextsLength");
  return length === 0 ? undefined : decodeLeaseContext(reader.block(offset, length, floor, "CreateContexts"));
}

export interface CreateResponse {
  /** 4, u32: 1 opened, 2 created. */
  readonly createAction: number;
  /** 8, u64, FILETIME. */
  readonly creationTime: bigint;
  /** 16, u64, FILETIME. */
  readonly lastAccessTime: bigint;
  /** 24, u64, FILETIME. */
  readonly lastWriteTime: bigint;
  /** 32, u64, FILETIME. */
  readonly changeTime: bigint;
  /** 40, u64, bytes. */
  readonly allocationSize: bigint;
  /** 48, u64, bytes. */
  readonly endOfFile: bigint;
  /** 56, u32: FILE_ATTRIBUTE_* (MS-FSCC 2.6). */
  readonly fileAttributes: number;
  /** 64, 16 bytes, opaque. */
  readonly fileId: Uint8Array;
  /** CreateContexts (80, u32 and 84, u32). */
  readonly lease?: Lease;
}

const RESPONSE_SIZE = 89;
const RESPONSE_FIXED = HEADER_SIZE + 88;

export function encodeCreateResponse(response: CreateResponse): Uint8Array {
  const { lease } = response;
  const context = lease === undefined ? undefined : encodeLeaseContext(lease);
  const writer = new Writer(89 + (context?.length ?? 0))
    .u16(RESPONSE_SIZE)
    .u8(lease === undefined ? 0 : OPLOCK_LEVEL_LEASE)
    .u8(0) // Flags
    .u32(response.createAction)
    .u64(response.creationTime)
    .u64(response.lastAccessTime)
    .u64(response.lastWriteTime)
    .u64(response.changeTime)
    .u64(response.allocationSize)
    .u64(response.endOfFile)
    .u32(response.fileAttributes)
    .u32(0)
    .fixed(response.fileId, 16, "FileId")
    .u32(context === undefined ? 0 : RESPONSE_FIXED) // CreateContextsOffset
    .u32(context?.length ?? 0); // CreateContextsLength
  if (context !== undefined) writer.bytes(context);
  return writer.finish();
}

export function decodeCreateResponse(message: Uint8Array): CreateResponse {
  const reader = new Reader(message, HEADER_SIZE);
  reader.structureSize(RESPONSE_SIZE, "CREATE response");
  reader.skip(2, "OplockLevel, Flags");
  const createAction = reader.u32("CreateAction");
  const creationTime = reader.u64("CreationTime");
  const lastAccessTime = reader.u64("LastAccessTime");
  const lastWriteTime = reader.u64("LastWriteTime");
  const changeTime = reader.u64("ChangeTime");
  const allocationSize = reader.u64("AllocationSize");
  const endOfFile = reader.u64("EndOfFile");
  const fileAttributes = reader.u32("FileAttributes");
  reader.skip(4, "Reserved2");
  const fileId = reader.copy(16, "FileId");
  const lease = leaseOf(reader, RESPONSE_FIXED);
  return {
    createAction,
    creationTime,
    lastAccessTime,
    lastWriteTime,
    changeTime,
    allocationSize,
    endOfFile,
    fileAttributes,
    fileId,
    ...(lease === undefined ? {} : { lease }),
  };
}
