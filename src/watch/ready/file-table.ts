import { type CanonicalPath, isWithin, parentOf } from "../../base/path.ts";

/** Something about each of many files: found by path, and all of a directory without asking each. */
export class FileTable<T> {
  /** In the order of `set`, the newest last. */
  readonly #files = new Map<string, T>();
  readonly #directories = new Map<string, Set<string>>();
  readonly #key: (path: CanonicalPath) => string;

  constructor(key: (path: CanonicalPath) => string) {
    this.#key = key;
  }

  get size(): number {
    return this.#files.size;
  }

  values(): IterableIterator<T> {
    return this.#files.values();
  }

  get(path: CanonicalPath): T | undefined {
    return this.#files.get(this.#key(path));
  }

  set(path: CanonicalPath, value: T): void {
    const key = this.#key(path);
    this.#files.delete(key);
    this.#files.set(key, value);
    const directory = parentOf(key);
    const names = this.#directories.get(directory);
    if (names === undefined) this.#directories.set(directory, new Set([key]));
    else names.add(key);
  }

  delete(path: CanonicalPath): T | undefined {
    return this.#delete(this.#key(path));
  }

  /** The one that was set first. */
  shift(): T | undefined {
    const [first] = this.#files.keys();
    return first === undefined ? undefined : this.#delete(first);
  }

  /** Takes away what is at or below `path`. */
  prune(path: CanonicalPath): T[] {
    const top = this.#key(path);
    const own = this.#delete(top);
    const found: T[] = own === undefined ? [] : [own];
    // Directories are few, files may be many.
    for (const [directory, keys] of [...this.#directories]) {
      if (!isWithin(top, directory)) continue;
      for (const key of [...keys]) {
        const value = this.#delete(key);
        if (value !== undefined) found.push(value);
      }
    }
    return found;
  }

  clear(): void {
    this.#files.clear();
    this.#directories.clear();
  }

  #delete(key: string): T | undefined {
    const value = this.#files.get(key);
    if (value === undefined) return undefined;
    this.#files.delete(key);
    const directory = parentOf(key);
    const names = this.#directories.get(directory);
    names?.delete(key);
    if (names?.size === 0) this.#directories.delete(directory);
    return value;
  }
}
