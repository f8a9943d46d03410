import type { CreateResponse } from "../../codec/msg/create.ts";
import { type DirectoryInformation, FileAttributes } from "../../codec/msg/directory-information.ts";

/** What a server tells of one file or directory. Times are FILETIMEs: 100 ns since 1601 UTC. */
export interface FileInfo {
  readonly type: "file" | "directory";
  /** `undefined` where the server gives none. Inode numbers get reused: compare `created` too. */
  readonly fileId: bigint | undefined;
  readonly created: bigint;
  readonly modified: bigint;
  readonly changed: bigint;
  /** Bytes. */
  readonly size: number;
  /** FILE_ATTRIBUTE_* (MS-FSCC 2.6). */
  readonly attributes: number;
  /** Its name as it is stored, where that was asked for and the server tells: not the stand-in that was opened. */
  readonly spelling?: string | undefined;
}

/** One entry of a directory listing. */
export interface DirEntry extends FileInfo {
  readonly name: string;
}

const DFS_TAGS: readonly number[] = [0x8000_000a, 0x8000_0012];
const NO_ID = 0xffff_ffff_ffff_ffffn;

/** MS-FSCC 2.1.9: 0 and all ones mean that the file system has no ids. */
export function usableFileId(id: bigint): bigint | undefined {
  return id === 0n || id === NO_ID ? undefined : id;
}

function typeOf(attributes: number): FileInfo["type"] {
  return (attributes & FileAttributes.DIRECTORY) === 0 ? "file" : "directory";
}

export function infoOfCreate(response: CreateResponse, fileId: bigint | undefined): FileInfo {
  return {
    type: typeOf(response.fileAttributes),
    fileId,
    created: response.creationTime,
    modified: response.lastWriteTime,
    changed: response.changeTime,
    size: Number(response.endOfFile),
    attributes: response.fileAttributes,
  };
}

/**
 * A DFS link is a directory like any other to those who follow it; other reparse points are left as they are.
 * Listings have the tag in EaSize (MS-FSCC 2.4.17; IO_REPARSE_TAG_DFS and _DFSR of 2.1.2.1).
 */
function attributesOf({ fileAttributes, eaSize }: DirectoryInformation): number {
  const link = (fileAttributes & FileAttributes.REPARSE_POINT) !== 0 && DFS_TAGS.includes(eaSize);
  return link ? fileAttributes & ~FileAttributes.REPARSE_POINT : fileAttributes;
}

export function entryOf(entry: DirectoryInformation): DirEntry {
  return {
    name: entry.fileName,
    type: typeOf(entry.fileAttributes),
    fileId: usableFileId(entry.fileId),
    created: entry.creationTime,
    modified: entry.lastWriteTime,
    changed: entry.changeTime,
    size: Number(entry.endOfFile),
    attributes: attributesOf(entry),
  };
}
