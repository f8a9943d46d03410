import type { CanonicalPath } from "../base/path.ts";
import { displayName, standInName } from "../codec/names.ts";

/**
 * Characters that SMB reserves, between people and servers. macOS and Samba's vfs_fruit and vfs_catia store them as
 * private-use stand-ins; who looks at the file on a Mac sees `a:b`, and so does who watches here.
 */

/** `a\uf022b/c` as people know it: `a:b/c`. */
export function shownName(name: string): string {
  // Nearly every name has none: one look, and no copy.
  return /[\uf020-\uf029]/.test(name) ? name.split("/").map(displayName).join("/") : name;
}

/**
 * The paths to ask a server for, most likely first. One with reserved characters is asked for by stand-ins, and
 * as it is after that: a Samba with `mangled names = no` has names like `dot.` without any.
 */
export function storedPaths(path: CanonicalPath): readonly [CanonicalPath, ...CanonicalPath[]] {
  const stored = path.split("/").map(standInName).join("/");
  return stored === path ? [path] : [stored, path];
}
