import type { DirectoryEntry } from "../../../../src/watch/source.ts";

/** A directory entry with everything at a default. */
export function entry(name: string, other: Partial<DirectoryEntry> = {}): DirectoryEntry {
  return {
    name,
    type: "file",
    fileId: 1n,
    created: 1n,
    modified: 1n,
    changed: 1n,
    size: 1,
    attributes: 0x20,
    ...other,
  };
}
