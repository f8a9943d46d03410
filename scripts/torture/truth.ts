import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { joinPath } from "../../src/base/path.ts";
import type { Truth } from "../../test/support/oracles/mirror.ts";

/** Clocks of file systems tick every few milliseconds, and so may lag behind ours. */
const TICK_MS = 25;

/**
 * What is really in the folder behind a share, read from the disk: the judge shares no code with the engine.
 * `changedAt` is the last write of a file in ms since the epoch.
 */
export function diskTruth(folder: string, path: string, recursive: boolean): Map<string, Truth> {
  const found = new Map<string, Truth>();
  const visit = (at: string): void => {
    for (const entry of readdirSync(join(folder, at), { withFileTypes: true })) {
      const full = joinPath(at, entry.name);
      const directory = entry.isDirectory();
      const changedAt = directory ? 0 : statSync(join(folder, full)).mtimeMs - TICK_MS;
      found.set(full, { directory, changedAt });
      if (directory && recursive) visit(full);
    }
  };
  visit(path);
  return found;
}

/** Whether a folder is there. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Whether the path exists when compared without case, as the server compares. */
export function existsInSomeCase(folder: string, path: string): boolean {
  let at = folder;
  for (const segment of path.split("/").filter((part) => part !== "")) {
    const wanted = segment.toLowerCase();
    const found = isFolder(at) ? readdirSync(at).find((name) => name.toLowerCase() === wanted) : undefined;
    if (found === undefined) return false;
    at = join(at, found);
  }
  return true;
}
