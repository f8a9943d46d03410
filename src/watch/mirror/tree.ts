import { type CanonicalPath, foldCase, isWithin, joinPath, segmentsOf } from "../../base/path.ts";
import type { Change, Via } from "../events.ts";

/** One entry as far as it is known. */
export interface MirrorEntry {
  readonly name: string;
  /** Absent where nobody has looked yet. */
  readonly type?: "file" | "directory";
  /** Bytes. Absent where it is not known, or has changed and nobody has looked since. */
  readonly size?: number;
  /** Last write, RFC 3339 UTC. Absent as `size`. */
  readonly modified?: string;
}

/** One directory of a snapshot, or a part of it. */
export interface MirroredDirectory {
  readonly path: CanonicalPath;
  readonly entries: readonly MirrorEntry[];
  /** It has more entries than its owner remembers: only what changes is known of it. */
  readonly tooLarge?: true;
}

interface Item {
  entry: MirrorEntry;
  below: Directory | undefined;
}

class Directory {
  readonly items = new Map<string, Item>();
  tooLarge = false;
  /** As handed out, until something changes. */
  list: readonly MirrorEntry[] | undefined;
}

/**
 * A directory, or a tree, as one who has a snapshot and applies what is told after it. It does with a change exactly
 * what the owner's picture does, so that both stay the same: what lies below a renamed directory moves along, but where
 * the change says that it does not (`emptied`).
 */
export class MirrorTree {
  readonly path: CanonicalPath;
  readonly #recursive: boolean;
  readonly #caseSensitive: () => boolean;
  #root = new Directory();

  /** @param caseSensitive - whether the server tells names apart by case; asked when it matters */
  constructor(path: CanonicalPath, recursive: boolean, caseSensitive: () => boolean = () => true) {
    this.path = path;
    this.#recursive = recursive;
    this.#caseSensitive = caseSensitive;
  }

  /** Takes a snapshot in the place of all it had. Parents come before what is below them. */
  load(directories: Iterable<MirroredDirectory>): void {
    this.#root = new Directory();
    for (const { path, entries, tooLarge } of directories) {
      const directory = this.#find(path, true);
      if (directory === undefined) continue;
      directory.tooLarge ||= tooLarge === true;
      for (const entry of entries) directory.items.set(entry.name, { entry, below: undefined });
    }
  }

  clear(): void {
    this.#root = new Directory();
  }

  /** Returns whether the directory is a part of this. Without changes it is at least known to be one. */
  apply(path: CanonicalPath, changes: readonly Change[], via: Via = "notify"): boolean {
    const directory = this.#find(path, true);
    if (directory === undefined) return false;
    for (const change of changes) applyTo(directory.items, change, via);
    directory.list = undefined;
    return true;
  }

  /** Of a directory of it, in no order; empty where it is not known. The same array until something of it changes. */
  entries(path: CanonicalPath = this.path): readonly MirrorEntry[] {
    const directory = this.#find(path, false);
    return directory === undefined ? NOTHING : listOf(directory);
  }

  /** By its path. */
  get(path: CanonicalPath): MirrorEntry | undefined {
    const names = this.#namesBelow(path);
    const name = names?.pop();
    if (names === undefined || name === undefined) return undefined;
    const directory = this.#down(names, false);
    return directory === undefined ? undefined : this.#item(directory, name)?.entry;
  }

  /** Whether all entries of a directory are known. */
  isWhole(path: CanonicalPath = this.path): boolean {
    return this.#find(path, false)?.tooLarge !== true;
  }

  /** All of it, parents before what is below them. */
  *walk(): IterableIterator<readonly [CanonicalPath, MirrorEntry]> {
    yield* walk(this.#root, this.path);
  }

  /** As a snapshot has it, for `load` of another. The same arrays until something changes. */
  *directories(): IterableIterator<MirroredDirectory> {
    yield* directories(this.#root, this.path);
  }

  /** @param make - of a name that is known and was not known to be a directory */
  #find(path: CanonicalPath, make: boolean): Directory | undefined {
    const names = this.#namesBelow(path);
    if (names === undefined || (names.length > 0 && !this.#recursive)) return undefined;
    return this.#down(names, make);
  }

  #down(names: readonly string[], make: boolean): Directory | undefined {
    let directory = this.#root;
    for (const name of names) {
      const item = this.#item(directory, name);
      if (item === undefined) return undefined;
      if (item.below === undefined) {
        if (!make) return undefined;
        item.below = new Directory();
      }
      if (make && item.entry.type !== "directory") {
        item.entry = { ...item.entry, type: "directory" };
        directory.list = undefined;
      }
      directory = item.below;
    }
    return directory;
  }

  /** A server that does not tell names apart by case may tell a path in another spelling than the name of the entry. */
  #item(directory: Directory, name: string): Item | undefined {
    const exact = directory.items.get(name);
    if (exact !== undefined || this.#caseSensitive()) return exact;
    const folded = foldCase(name);
    for (const [other, item] of directory.items) if (foldCase(other) === folded) return item;
    return undefined;
  }

  #namesBelow(path: CanonicalPath): string[] | undefined {
    const fold = this.#caseSensitive() ? (text: string): string => text : foldCase;
    if (!isWithin(fold(this.path), fold(path))) return undefined;
    return segmentsOf(path).slice(segmentsOf(this.path).length);
  }
}

const NOTHING: readonly MirrorEntry[] = [];

function listOf(directory: Directory): readonly MirrorEntry[] {
  directory.list ??= [...directory.items.values()].map(({ entry }) => entry);
  return directory.list;
}

function* directories(directory: Directory, path: CanonicalPath): IterableIterator<MirroredDirectory> {
  yield { path, entries: listOf(directory), ...(directory.tooLarge ? { tooLarge: true as const } : {}) };
  for (const { entry, below } of directory.items.values()) {
    if (below !== undefined) yield* directories(below, joinPath(path, entry.name));
  }
}

function* walk(
  directory: Directory,
  path: CanonicalPath,
): IterableIterator<readonly [CanonicalPath, MirrorEntry]> {
  for (const { entry, below } of directory.items.values()) {
    const full = joinPath(path, entry.name);
    yield [full, entry];
    if (below !== undefined) yield* walk(below, full);
  }
}

function applyTo(items: Map<string, Item>, change: Change, via: Via): void {
  const { action, name } = change;
  const item = items.get(name);
  switch (action) {
    case "added":
      // It may have been a file before, and nobody was told that it went.
      items.set(name, {
        entry: told(change, item?.entry.type === "directory" ? "directory" : undefined),
        below: item?.below,
      });
      return;
    case "removed":
      items.delete(name);
      return;
    case "modified":
      // Another stream of it says nothing of its size. What a comparison finds may be something else by that name: an
      // owner that took over knows of some names nothing but that they were told.
      if (item !== undefined && change.stream !== true) {
        const { type } = item.entry;
        item.entry = told(change, via === "notify" || type === "directory" ? type : undefined);
      }
      return;
    case "renamed":
      rename(items, change);
  }
}

function rename(items: Map<string, Item>, change: Change): void {
  const { name, oldName, emptied = false } = change;
  if (oldName === undefined) return;
  const moved = items.get(oldName);
  items.delete(oldName);
  // From another directory and under the same name, as some servers tell it: what it is, is not said.
  const another = oldName === name || moved === undefined;
  const type = moved?.entry.type === "directory" ? "directory" : undefined;
  const facts = change.type !== undefined || another ? told(change, type) : { ...moved.entry, name };
  items.set(name, { entry: facts, below: emptied ? undefined : moved?.below });
}

/** What a change says of the entry, which is all that is known of it then. */
function told({ name, type, size, modified }: Change, before: MirrorEntry["type"]): MirrorEntry {
  const known = type ?? before;
  return {
    name,
    ...(known === undefined ? {} : { type: known }),
    ...(size === undefined ? {} : { size }),
    ...(modified === undefined ? {} : { modified }),
  };
}
