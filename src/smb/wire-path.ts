import { type CanonicalPath, segmentsOf } from "../base/path.ts";

/** A path below `root` as CREATE wants it: `\`-separated, relative to the share, empty for its root (MS-SMB2 2.2.13). */
export function wirePath(root: CanonicalPath, path: CanonicalPath): string {
  return [...segmentsOf(root), ...segmentsOf(path)].join("\\");
}
