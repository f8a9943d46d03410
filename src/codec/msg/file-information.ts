import { Reader } from "../reader.ts";
import { encodeUtf16, Writer } from "../writer.ts";

/** MS-FSCC 2.4: answers to QUERY_INFO. */

export const FileInformationClass = {
  BASIC: 4,
  STANDARD: 5,
  INTERNAL: 6,
  ALL: 18,
  NETWORK_OPEN: 34,
} as const;

/** 2.4.7: FileBasicInformation. */
export interface FileBasicInformation {
  /** 0, u64, FILETIME. */
  readonly creationTime: bigint;
  /** 8, u64, FILETIME. */
  readonly lastAccessTime: bigint;
  /** 16, u64, FILETIME. */
  readonly lastWriteTime: bigint;
  /** 24, u64, FILETIME. */
  readonly changeTime: bigint;
  /** 32, u32. */
  readonly fileAttributes: number;
}

export const BASIC_BYTES = 40;

export function encodeFileBasicInformation(value: FileBasicInformation): Uint8Array {
  return new Writer(BASIC_BYTES)
    .u64(value.creationTime)
    .u64(value.lastAccessTime)
    .u64(value.lastWriteTime)
    .u64(value.changeTime)
    .u32(value.fileAttributes)
    .u32(0)
    .finish();
}

export function decodeFileBasicInformation(buffer: Uint8Array): FileBasicInformation {
  const reader = new Reader(buffer);
  const creationTime = reader.u64("CreationTime");
  const lastAccessTime = reader.u64("LastAccessTime");
  const lastWriteTime = reader.u64("LastWriteTime");
  const changeTime = reader.u64("ChangeTime");
  const fileAttributes = reader.u32("FileAttributes");
  reader.skip(4, "Reserved");
  return { creationTime, lastAccessTime, lastWriteTime, changeTime, fileAttributes };
}

/** 2.4.41: FileStandardInformation. */
export interface FileStandardInformation {
  /** 0, u64, bytes. */
  readonly allocationSize: bigint;
  /** 8, u64, bytes. */
  readonly endOfFile: bigint;
  /** 16, u32. 0 for a directory that was removed but is still open. */
  readonly numberOfLinks: number;
  /** 20, u8. */
  readonly deletePending: boolean;
  /** 21, u8. */
  readonly directory: boolean;
}

export const STANDARD_BYTES = 24;

export function encodeFileStandardInformation(value: FileStandardInformation): Uint8Array {
  return new Writer(STANDARD_BYTES)
    .u64(value.allocationSize)
    .u64(value.endOfFile)
    .u32(value.numberOfLinks)
    .u8(value.deletePending ? 1 : 0)
    .u8(value.directory ? 1 : 0)
    .u16(0)
    .finish();
}

export function decodeFileStandardInformation(buffer: Uint8Array): FileStandardInformation {
  const reader = new Reader(buffer);
  const allocationSize = reader.u64("AllocationSize");
  const endOfFile = reader.u64("EndOfFile");
  const numberOfLinks = reader.u32("NumberOfLinks");
  const deletePending = reader.u8("DeletePending") !== 0;
  const directory = reader.u8("Directory") !== 0;
  return { allocationSize, endOfFile, numberOfLinks, deletePending, directory };
}

/** 2.4.22: FileInternalInformation: the file id, u64. */
export const INTERNAL_BYTES = 8;

export function encodeFileInternalInformation(indexNumber: bigint): Uint8Array {
  return new Writer(INTERNAL_BYTES).u64(indexNumber).finish();
}

export function decodeFileInternalInformation(buffer: Uint8Array): bigint {
  return new Reader(buffer).u64("IndexNumber");
}

/** 2.4.2: of FileAllInformation what tells which file it is. */
export interface FileIdentity {
  /** 64, u64: FileInternalInformation. */
  readonly indexNumber: bigint;
  /** FileNameLength (96, u32), FileName: from the root of the share, `\\`-separated. */
  readonly fileName: string;
}

/** Basic, standard, internal, EA, access, position, mode and alignment information stand before the name. */
const NAME_AT = 96;

export function encodeFileAllInformation({ indexNumber, fileName }: FileIdentity): Uint8Array {
  const name = encodeUtf16(fileName);
  return new Writer(NAME_AT + 4 + name.length)
    .bytes(new Uint8Array(BASIC_BYTES + STANDARD_BYTES))
    .u64(indexNumber)
    .bytes(new Uint8Array(NAME_AT - BASIC_BYTES - STANDARD_BYTES - INTERNAL_BYTES))
    .u32(name.length)
    .bytes(name)
    .finish();
}

export function decodeFileAllInformation(buffer: Uint8Array): FileIdentity {
  const reader = new Reader(buffer);
  reader.skip(BASIC_BYTES + STANDARD_BYTES, "BasicInformation, StandardInformation");
  const indexNumber = reader.u64("IndexNumber");
  reader.skip(
    NAME_AT - BASIC_BYTES - STANDARD_BYTES - INTERNAL_BYTES,
    "EaInformation to AlignmentInformation",
  );
  const length = reader.u32("FileNameLength");
  return { indexNumber, fileName: reader.utf16(length, "FileName") };
}

/** 2.4.29: FileNetworkOpenInformation. */
export interface FileNetworkOpenInformation extends FileBasicInformation {
  /** 32, u64, bytes. */
  readonly allocationSize: bigint;
  /** 40, u64, bytes. */
  readonly endOfFile: bigint;
}

export const NETWORK_OPEN_BYTES = 56;

export function encodeFileNetworkOpenInformation(value: FileNetworkOpenInformation): Uint8Array {
  return new Writer(NETWORK_OPEN_BYTES)
    .u64(value.creationTime)
    .u64(value.lastAccessTime)
    .u64(value.lastWriteTime)
    .u64(value.changeTime)
    .u64(value.allocationSize)
    .u64(value.endOfFile)
    .u32(value.fileAttributes)
    .u32(0)
    .finish();
}

export function decodeFileNetworkOpenInformation(buffer: Uint8Array): FileNetworkOpenInformation {
  const reader = new Reader(buffer);
  const creationTime = reader.u64("CreationTime");
  const lastAccessTime = reader.u64("LastAccessTime");
  const lastWriteTime = reader.u64("LastWriteTime");
  const changeTime = reader.u64("ChangeTime");
  const allocationSize = reader.u64("AllocationSize");
  const endOfFile = reader.u64("EndOfFile");
  const fileAttributes = reader.u32("FileAttributes");
  return {
    creationTime,
    lastAccessTime,
    lastWriteTime,
    changeTime,
    fileAttributes,
    allocationSize,
    endOfFile,
  };
}
