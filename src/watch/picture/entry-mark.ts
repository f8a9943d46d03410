import type { DirectoryEntry } from "../source.ts";
import { hashOf } from "./hashing.ts";

/** FILE_ATTRIBUTE_REPARSE_POINT (MS-FSCC 2.6). */
export const REPARSE_POINT = 0x400;

export const EntryFlag = { directory: 1, link: 2, known: 4 } as const;

/** What people are shown of an entry. */
export interface EntryFacts {
  /** Bytes. */
  readonly size: number;
  /** Last write, ms since 1970. */
  readonly modifiedMs: number;
}

/** What is remembered of one entry. */
export interface EntryMark {
  /** Bits of EntryFlag. `known` is missing where only the name has been heard of. */
  readonly flags: number;
  /** Hash of the file id; hash of file id and creation time; 0,0 where the server gives no id. */
  readonly identity: readonly [number, number];
  /** Hash of all that changes when the entry is modified. */
  readonly appearance: readonly [number, number];
  /** Absent where only the name has been heard of, or that it was modified. */
  readonly facts?: EntryFacts | undefined;
}

export const UNKNOWN: EntryMark = { flags: 0, identity: [0, 0], appearance: [0, 0] };

const FILETIME_OF_1970_MS = 11_644_473_600_000;

export function markOf(entry: Omit<DirectoryEntry, "name">): EntryMark {
  const look = [
    BigInt(entry.attributes >>> 0),
    BigInt(Math.trunc(entry.size)),
    entry.modified,
    entry.changed,
  ];
  const { fileId, created } = entry;
  return {
    flags:
      EntryFlag.known |
      (entry.type === "directory" ? EntryFlag.directory : 0) |
      ((entry.attributes & REPARSE_POINT) !== 0 ? EntryFlag.link : 0),
    identity: fileId === undefined ? [0, 0] : [(hashOf(1, [fileId]) | 1) >>> 0, hashOf(2, [fileId, created])],
    appearance: [hashOf(3, look), hashOf(4, look)],
    facts: factsOf(entry),
  };
}

export function factsOf({ size, modified }: Pick<DirectoryEntry, "size" | "modified">): EntryFacts {
  return { size, modifiedMs: Number(modified / 10_000n) - FILETIME_OF_1970_MS };
}

/**
 * Whether one name still means one file. Its file id alone decides: creation times move on Samba, where they
 * are the earliest of all times unless one was stored. A number that was reused shows in the appearance.
 */
export function sameFile(a: EntryMark, b: EntryMark): boolean {
  return a.identity[0] === b.identity[0];
}

export function sameAppearance(a: EntryMark, b: EntryMark): boolean {
  return a.appearance[0] === b.appearance[0] && a.appearance[1] === b.appearance[1];
}

/** A key for pairing two names; `undefined` where the server gives no file id. Numbers are reused: creation counts too. */
export function identityKey(mark: EntryMark): string | undefined {
  return mark.identity[0] === 0 && mark.identity[1] === 0
    ? undefined
    : `${mark.identity[0]}.${mark.identity[1]}`;
}
