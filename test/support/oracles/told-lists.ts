import { joinPath } from "../../../src/base/path.ts";
import { type MirrorEntry as Shown, shownEntry } from "../../../src/watch/mirror/index.ts";
import type { FrozenPicture } from "../../../src/watch/picture/index.ts";
import type { MirrorEntry } from "./mirror.ts";

/**
 * One directory as `directory.list` tells it from what consumers have been told. `undefined`: the file server is asked.
 * @param look - what an entry is, of which only the name is known
 */
export function listTold(
  picture: FrozenPicture,
  look: (path: string) => Shown["type"] | undefined,
): readonly MirrorEntry[] | undefined {
  const [first] = picture.directories;
  if (first?.snapshot === undefined) return undefined;
  const entries: MirrorEntry[] = [];
  for (const { name, flags, facts } of first.snapshot.shown()) {
    const path = joinPath(first.path, name);
    if (picture.withheld.has(path)) continue;
    const type = facts === undefined ? look(path) : shownEntry(name, flags, facts, undefined).type;
    if (type === undefined) return undefined;
    entries.push({ name, directory: type === "directory" });
  }
  return entries;
}
