import { baseName, type CanonicalPath, isWithin, joinPath, parentOf } from "../../base/path.ts";
import type { Change, ResyncScope } from "../events.ts";
import type { CheckpointDirectory } from "./checkpoint.ts";
import { EntryFlag, UNKNOWN } from "./entry-mark.ts";
import { Snapshot } from "./snapshot.ts";

interface ToldDirectory {
  path: CanonicalPath;
  readonly snapshot: Snapshot | undefined;
  modified: bigint | undefined;
}

/** A checkpoint brought up to date with what consumers have been told after it, as a consumer would do it. */
export class ToldPicture {
  readonly #directories = new Map<string, ToldDirectory>();
  readonly #key: (path: CanonicalPath) => string;
  /**
   * Two directories of it differ by case only, and count as one by the rule of the connection: what was told of them
   * cannot be told apart here.
   */
  #paired = false;

  /** The snapshots given become this picture's own. @param key - of a path, by the case rule of the connection. */
  constructor(directories: readonly CheckpointDirectory[], key: (path: CanonicalPath) => string) {
    this.#key = key;
    for (const { path, snapshot, modified } of directories) {
      const other = this.#directories.get(key(path));
      if (other !== undefined && other.path !== path) this.#paired = true;
      this.#directories.set(key(path), { path, snapshot, modified });
    }
  }

  get directories(): readonly CheckpointDirectory[] {
    return [...this.#directories.values()];
  }

  /** Returns whether it can be told what consumers know now: a directory that was renamed is told to be listed again. */
  changes(path: CanonicalPath, changes: readonly Change[]): boolean {
    return !this.#paired && changes.every((change) => this.#apply(this.#directory(path), path, change));
  }

  /** Consumers were asked to list, and nobody knows what they saw. Returns whether it can be told for that directory alone. */
  resync(path: CanonicalPath, scope: ResyncScope): boolean {
    this.#directory(path).modified = undefined;
    return !this.#paired && scope === "self";
  }

  #apply({ snapshot }: ToldDirectory, path: CanonicalPath, { action, name, oldName }: Change): boolean {
    switch (action) {
      case "added":
        if (snapshot?.has(name) === false) snapshot.set(name, UNKNOWN);
        return true;
      case "removed":
        snapshot?.delete(name);
        this.#forget(joinPath(path, name));
        return true;
      case "renamed": {
        if (oldName === undefined) return true;
        // From another directory and under the same name, as some servers tell it.
        if (oldName === name) {
          if (snapshot?.has(name) === false) snapshot.set(name, UNKNOWN);
          return true;
        }
        snapshot?.set(name, snapshot.get(oldName) ?? UNKNOWN);
        snapshot?.delete(oldName);
        const known = this.#below(joinPath(path, oldName)).length > 0;
        this.#forget(joinPath(path, name));
        return !known;
      }
      case "ready":
        // Says nothing about names.
        return true;
      case "modified":
        // The mark stays: the comparison tells it once more, rather than never.
        return true;
    }
  }

  /** One nobody had heard of is new since the checkpoint. */
  #directory(path: CanonicalPath): ToldDirectory {
    const key = this.#key(path);
    let directory = this.#directories.get(key);
    if (directory === undefined) {
      directory = { path, snapshot: new Snapshot(), modified: undefined };
      this.#directories.set(key, directory);
      this.#markDirectory(path);
    }
    return directory;
  }

  /** Something in it was told, so it is known as one: should a file have its name now, that must be noticed. */
  #markDirectory(path: CanonicalPath): void {
    const above = this.#directories.get(this.#key(parentOf(path)))?.snapshot;
    const mark = path === "/" ? undefined : above?.get(baseName(path));
    if (mark !== undefined) above?.set(baseName(path), { ...mark, flags: mark.flags | EntryFlag.directory });
  }

  #forget(path: CanonicalPath): void {
    for (const [key] of this.#below(path)) this.#directories.delete(key);
  }

  #below(path: CanonicalPath): [string, ToldDirectory][] {
    const top = this.#key(path);
    // A name that never was a directory: the common case, in a tree of thousands of directories.
    if (!this.#directories.has(top)) return [];
    return [...this.#directories].filter(([key]) => isWithin(top, key));
  }
}
