import type { Change, MirrorEntry } from "./types.ts";

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

/** One directory of a snapshot, or a part of it. */
export interface SnapshotPart {
  readonly directory: string;
  readonly entries: readonly MirrorEntry[];
  readonly tooLarge?: boolean;
}

const NOTHING: readonly MirrorEntry[] = [];

/** What a snapshot said, and what was told after it. The gateway has such a one; both do the same with a change. */
export class Tree {
  readonly #root: string;
  readonly #recursive: boolean;
  /** The server does not tell names apart by case. */
  readonly #ignoreCase: boolean;
  readonly #top = new Directory();

  constructor(root: string, recursive: boolean, ignoreCase: boolean) {
    this.#root = root;
    this.#recursive = recursive;
    this.#ignoreCase = ignoreCase;
  }

  /** Parents come before what is below them. */
  add({ directory: path, entries, tooLarge = false }: SnapshotPart): void {
    const directory = this.#find(path, true);
    if (directory === undefined) return;
    directory.tooLarge ||= tooLarge;
    directory.list = undefined;
    for (const entry of entries) directory.items.set(entry.name, { entry, below: undefined });
  }

  /** Returns whether the directory is a part of this. */
  apply(path: string, changes: readonly Change[], via: string): boolean {
    const directory = this.#find(path, true);
    if (directory === undefined) return false;
    for (const change of changes) applyTo(directory.items, change, via);
    directory.list = undefined;
    return true;
  }

  /** The same array until something of it changes. */
  entries(path: string = this.#root): readonly MirrorEntry[] {
    const directory = this.#find(path, false);
    if (directory === undefined) return NOTHING;
    directory.list ??= [...directory.items.values()].map(({ entry }) => entry);
    return directory.list;
  }

  get(path: string): MirrorEntry | undefined {
    const names = this.#namesBelow(path);
    const name = names?.pop();
    if (names === undefined || name === undefined) return undefined;
    const directory = this.#down(names, false);
    return directory && this.#item(directory, name)?.entry;
  }

  isWhole(path: string = this.#root): boolean {
    return this.#find(path, false)?.tooLarge !== true;
  }

  *walk(): IterableIterator<readonly [path: string, entry: MirrorEntry]> {
    yield* walk(this.#top, this.#root);
  }

  /** @param make - of a name that is known and was not known to be a directory */
  #find(path: string, make: boolean): Directory | undefined {
    const names = this.#namesBelow(path);
    if (names === undefined || (names.length > 0 && !this.#recursive)) return undefined;
    return this.#down(names, make);
  }

  #down(names: readonly string[], make: boolean): Directory | undefined {
    let directory = this.#top;
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

  /** A path may be told in another spelling than the name of the entry. */
  #item(directory: Directory, name: string): Item | undefined {
    const exact = directory.items.get(name);
    if (exact !== undefined || !this.#ignoreCase) return exact;
    const folded = foldCase(name);
    for (const [other, item] of directory.items) if (foldCase(other) === folded) return item;
    return undefined;
  }

  #namesBelow(path: string): string[] | undefined {
    const [names, own] = [segmentsOf(path), segmentsOf(this.#root)];
    const fold = this.#ignoreCase ? foldCase : (name: string): string => name;
    const inside = own.every((name, at) => names[at] !== undefined && fold(names[at]) === fold(name));
    return inside ? names.slice(own.length) : undefined;
  }
}

/** `a//b/` and `/a/b` are the same. */
export function segmentsOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

function* walk(directory: Directory, path: string): IterableIterator<readonly [string, MirrorEntry]> {
  for (const { entry, below } of directory.items.values()) {
    const full = path === "/" ? `/${entry.name}` : `${path}/${entry.name}`;
    yield [full, entry];
    if (below !== undefined) yield* walk(below, full);
  }
}

function applyTo(items: Map<string, Item>, change: Change, via: string): void {
  const { action, name } = change;
  const item = items.get(name);
  if (action === "added") {
    const entry = told(change, item?.entry.type === "directory" ? "directory" : undefined);
    items.set(name, { entry, below: item?.below });
  } else if (action === "removed") {
    items.delete(name);
  } else if (action === "renamed") {
    rename(items, change);
  } else if (action === "modified" && item !== undefined && change.stream !== true) {
    const { type } = item.entry;
    item.entry = told(change, via === "notify" || type === "directory" ? type : undefined);
  }
}

function rename(items: Map<string, Item>, change: Change): void {
  const { name, oldName, emptied = false } = change;
  if (oldName === undefined) return;
  const moved = items.get(oldName);
  items.delete(oldName);
  const type = moved?.entry.type === "directory" ? "directory" : undefined;
  const unknown = change.type !== undefined || oldName === name || moved === undefined;
  const entry = unknown ? told(change, type) : { ...moved.entry, name };
  items.set(name, { entry, below: emptied ? undefined : moved?.below });
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

/** One UTF-16 unit at a time, as file servers do: `ß` and `İ` stay. */
function foldCase(name: string): string {
  let folded = "";
  for (let at = 0; at < name.length; at++) {
    const unit = name.charAt(at);
    const lower = unit.toLowerCase();
    folded += lower.length === 1 && lower.toUpperCase() === unit ? lower : unit;
  }
  return folded;
}
