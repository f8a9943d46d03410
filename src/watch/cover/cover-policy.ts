import { type CanonicalPath, isWithin } from "../../base/path.ts";
import type { CoverPolicy, Interest } from "../interest.ts";

/** A handle that interests call for by themselves, before any directory has been looked into. */
export interface CoverUnit {
  readonly path: CanonicalPath;
  /** SMB2_WATCH_TREE (MS-SMB2 2.2.35). */
  readonly recursive: boolean;
  /** Each sub-directory gets a handle of its own as it becomes known. */
  readonly expand: boolean;
}

export interface CoverInput {
  readonly cover: CoverPolicy;
  /** The root's recursive handle hears nothing of some parts of the share. */
  readonly recursionStops: boolean;
  readonly interests: Iterable<Interest>;
  /** Keys of recursive interests that would need too many handles. */
  readonly fallen: ReadonlySet<string>;
  /** Two paths with one key are one directory. */
  readonly key: (path: CanonicalPath) => string;
}

/**
 * `auto` is `tree`: the handle on the share's root is the only one that is in nobody's way (ADR 19). What a server does
 * not tell through it is found by looking. But where the root cannot hear of a part at all, that is no watch.
 */
export function effectiveCover(cover: CoverPolicy, recursionStops: boolean): "directory" | "tree" {
  if (cover !== "auto") return cover;
  return recursionStops ? "directory" : "tree";
}

/** The recursive handle that answers for the directory `path`, if one does. */
export function treeFor(
  path: CanonicalPath,
  input: Omit<CoverInput, "interests">,
): CanonicalPath | undefined {
  if (effectiveCover(input.cover, input.recursionStops) === "tree") return "/";
  const key = input.key(path);
  let top: string | undefined;
  for (const root of input.fallen) {
    if (isWithin(root, key) && (top === undefined || root.length < top.length)) top = root;
  }
  return top;
}

/**
 * The smallest set of handles that serves the interests, one per path. What lies inside a recursive handle
 * needs none of its own; what lies inside an expanded one still does, for it may not exist yet.
 */
export function planCover(input: CoverInput): CoverUnit[] {
  const units = new Map<string, CoverUnit>();
  for (const { path, recursive } of input.interests) {
    const tree = treeFor(path, input);
    const unit =
      tree === undefined
        ? { path, recursive: false, expand: recursive }
        : { path: input.key(path) === tree ? path : tree, recursive: true, expand: false };
    const key = input.key(unit.path);
    const other = units.get(key);
    units.set(key, other === undefined ? unit : { ...other, expand: other.expand || unit.expand });
  }
  return [...units.values()];
}
