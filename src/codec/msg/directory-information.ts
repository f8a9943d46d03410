import { DecodeError } from "../errors.ts";
import { Reader } from "../reader.ts";
import { Writer } from "../writer.ts";

/** MS-FSCC 2.4.17, 2.4.18 and 2.4.19: entries of a directory listing. */

export const DirectoryClass = {
  /** FileIdBothDirectoryInformation: with 8.3 names. */
  ID_BOTH: 37,
  /** FileIdFullDirectoryInformation: the smallest that has a file id. */
  ID_FULL: 38,
  /** FileIdExtdDirectoryInformation: 128-bit file ids. */
  ID_EXTD: 60,
} as const;

export type DirectoryClassId = (typeof DirectoryClass)[keyof typeof DirectoryClass];

export const FileAttributes = {
  READONLY: 0x1,
  HIDDEN: 0x2,
  SYSTEM: 0x4,
  DIRECTORY: 0x10,
  ARCHIVE: 0x20,
  NORMAL: 0x80,
  REPARSE_POINT: 0x400,
} as const;

export interface DirectoryInformation {
  /** 8, u64, FILETIME. */
  readonly creationTime: bigint;
  /** 16, u64, FILETIME. */
  readonly lastAccessTime: bigint;
  /** 24, u64, FILETIME. */
  readonly lastWriteTime: bigint;
  /** 32, u64, FILETIME. */
  readonly changeTime: bigint;
  /** 40, u64, bytes. (CREATE and CLOSE have these two the other way round.) */
  readonly endOfFile: bigint;
  /** 48, u64, bytes. */
  readonly allocationSize: bigint;
  /** 56, u32. */
  readonly fileAttributes: number;
  /** 64, u32: the reparse tag where the attributes say REPARSE_POINT. */
  readonly eaSize: number;
  /** ID_BOTH only: 8.3 name, empty where there is none. */
  readonly shortName: string;
  /** Low 64 bits; 0 and all ones mean "not known". */
  readonly fileId: bigint;
  /** FileNameLength (60, u32), FileName. */
  readonly fileName: string;
}

const SHORT_NAME_BYTES = 24;

/** Reads all entries of one response. @throws DecodeError */
export function decodeDirectoryInformation(
  buffer: Uint8Array,
  informationClass: DirectoryClassId,
): DirectoryInformation[] {
  const entries: DirectoryInformation[] = [];
  if (buffer.length === 0) return entries;
  for (let at = 0; ; ) {
    const reader = new Reader(buffer, at);
    const next = reader.u32("NextEntryOffset");
    entries.push(decodeEntry(reader, informationClass));
    if (next === 0) return entries;
    // Entries that overlap would loop, or make much out of little: a long name read again at every offset.
    if (next < reader.position - at || at + next >= buffer.length) {
      throw new DecodeError("NextEntryOffset", at, `${next} with ${buffer.length - at} bytes left`);
    }
    at += next;
  }
}

function decodeEntry(reader: Reader, informationClass: DirectoryClassId): DirectoryInformation {
  reader.skip(4, "FileIndex");
  const creationTime = reader.u64("CreationTime");
  const lastAccessTime = reader.u64("LastAccessTime");
  const lastWriteTime = reader.u64("LastWriteTime");
  const changeTime = reader.u64("ChangeTime");
  const endOfFile = reader.u64("EndOfFile");
  const allocationSize = reader.u64("AllocationSize");
  const fileAttributes = reader.u32("FileAttributes");
  const nameLength = reader.u32("FileNameLength");
  const eaSize = reader.u32("EaSize");
  let shortName = "";
  let fileId: bigint;
  if (informationClass === DirectoryClass.ID_BOTH) {
    const shortLength = reader.u8("ShortNameLength");
    reader.skip(1, "Reserved1");
    const field = reader.bytes(SHORT_NAME_BYTES, "ShortName");
    if (shortLength > SHORT_NAME_BYTES) {
      throw new DecodeError("ShortNameLength", reader.position, `${shortLength} bytes`);
    }
    shortName = new Reader(field).utf16(shortLength, "ShortName");
    reader.skip(2, "Reserved2");
    fileId = reader.u64("FileId");
  } else if (informationClass === DirectoryClass.ID_FULL) {
    reader.skip(4, "Reserved");
    fileId = reader.u64("FileId");
  } else {
    reader.skip(4, "ReparsePointTag");
    fileId = reader.u64("FileId");
    reader.skip(8, "FileId, high half");
  }
  const fileName = reader.utf16(nameLength, "FileName");
  return {
    creationTime,
    lastAccessTime,
    lastWriteTime,
    changeTime,
    endOfFile,
    allocationSize,
    fileAttributes,
    eaSize,
    shortName,
    fileId,
    fileName,
  };
}

/** Writes the entries, each 8-aligned. @throws EncodeError for an 8.3 name of more than 12 units */
export function encodeDirectoryInformation(
  entries: readonly DirectoryInformation[],
  informationClass: DirectoryClassId,
): Uint8Array {
  const writer = new Writer(128 * entries.length);
  for (const [index, entry] of entries.entries()) {
    const start = writer.length;
    writer
      .u32(0)
      .u32(0)
      .u64(entry.creationTime)
      .u64(entry.lastAccessTime)
      .u64(entry.lastWriteTime)
      .u64(entry.changeTime)
      .u64(entry.endOfFile)
      .u64(entry.allocationSize)
      .u32(entry.fileAttributes)
      .u32(entry.fileName.length * 2)
      .u32(entry.eaSize);
    if (informationClass === DirectoryClass.ID_BOTH) {
      const shortLength = entry.shortName.length * 2;
      writer
        .u8(shortLength)
        .u8(0)
        .utf16(entry.shortName)
        .zeros(SHORT_NAME_BYTES - shortLength)
        .u16(0)
        .u64(entry.fileId);
    } else if (informationClass === DirectoryClass.ID_FULL) {
      writer.u32(0).u64(entry.fileId);
    } else {
      writer.u32(0).u64(entry.fileId).u64(0n);
    }
    writer.utf16(entry.fileName);
    if (index < entries.length - 1) {
      writer.align(8);
      writer.setU32(start, writer.length - start);
    }
  }
  return writer.finish();
}
