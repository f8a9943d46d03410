import { type CanonicalPath, canonicalPath, isWithin, joinPath } from "../../base/path.ts";
import type { Change } from "../events.ts";

/** Files remembered as told, and carried over to a later owner, for one watch. */
export const MOST_TOLD = 10_000;

/** What a file was when it was told ready: what is told once only. */
export interface ToldFile {
  readonly path: CanonicalPath;
  /** Decimal; `undefined` where the server gives none. */
  readonly fileId?: string | undefined;
  readonly size: number;
  /** As it was told. */
  readonly modified: string;
}

/** Which files of a watch are waited for, and which have been told: for a later owner. */
export interface ReadyRecord {
  /** Files that changed and have not been told since; `ageMs`: how long ago the first of these changes was. */
  readonly waiting: readonly { readonly path: CanonicalPath; readonly ageMs: number }[];
  /** Oldest first. */
  readonly told: readonly ToldFile[];
}

/** A record brought up to date with what consumers were told after it. */
export class ReadyReplay {
  readonly #waiting = new Map<string, { readonly path: CanonicalPath; readonly ageMs: number }>();
  readonly #told = new Map<string, ToldFile>();
  readonly #key: (path: CanonicalPath) => string;

  constructor(record: ReadyRecord, key: (path: CanonicalPath) => string) {
    this.#key = key;
    for (const each of record.waiting) this.#waiting.set(key(each.path), each);
    for (const each of record.told) this.#told.set(key(each.path), each);
  }

  get record(): ReadyRecord {
    return { waiting: [...this.#waiting.values()], told: [...this.#told.values()].slice(-MOST_TOLD) };
  }

  changes(directory: CanonicalPath, changes: readonly Change[]): void {
    for (const change of changes) this.#apply(joinPath(directory, change.name), directory, change);
  }

  #apply(path: CanonicalPath, directory: CanonicalPath, change: Change): void {
    const key = this.#key(path);
    switch (change.action) {
      case "ready":
        this.#waiting.delete(key);
        this.#told.delete(key);
        this.#told.set(key, toldOf(path, change));
        return;
      case "removed":
        this.#forget(path);
        return;
      case "renamed":
        this.#forget(path);
        for (const below of this.#forget(joinPath(directory, change.oldName ?? ""))) this.#wait(path + below);
        this.#wait(path);
        return;
      default:
        if (change.type !== "directory" && change.stream !== true) this.#wait(path);
    }
  }

  #wait(path: CanonicalPath): void {
    const key = this.#key(path);
    if (!this.#waiting.has(key)) this.#waiting.set(key, { path, ageMs: 0 });
  }

  /** Returns what was waited for below it, relative to it. */
  #forget(path: CanonicalPath): string[] {
    const top = this.#key(path);
    const below: string[] = [];
    for (const [key, file] of [...this.#waiting]) {
      if (!isWithin(top, key)) continue;
      this.#waiting.delete(key);
      if (key !== top) below.push(file.path.slice(path.length));
    }
    for (const key of [...this.#told.keys()]) if (isWithin(top, key)) this.#told.delete(key);
    return below;
  }
}

export function toldOf(path: CanonicalPath, { fileId, size = 0, modified = "" }: Change): ToldFile {
  return { path, size, modified, ...(fileId === undefined ? {} : { fileId }) };
}

export function isSame(one: ToldFile, other: ToldFile): boolean {
  return one.fileId === other.fileId && one.size === other.size && one.modified === other.modified;
}

/** Reads what `JSON.parse` made of a record that somebody stored. `undefined`: it is none. */
export function readRecord(value: unknown): ReadyRecord | undefined {
  const { waiting, told } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(waiting) || !Array.isArray(told)) return undefined;
  try {
    return { waiting: waiting.map(readWaiting), told: told.slice(-MOST_TOLD).map(readTold) };
  } catch {
    return undefined;
  }
}

function readWaiting(value: unknown): ReadyRecord["waiting"][number] {
  const { path, ageMs } = value as Record<string, unknown>;
  if (typeof path !== "string" || typeof ageMs !== "number" || !(ageMs >= 0)) throw new TypeError("waiting");
  return { path: canonicalPath(path), ageMs };
}

function readTold(value: unknown): ToldFile {
  const { path, fileId, size, modified } = value as Record<string, unknown>;
  const right =
    typeof path === "string" &&
    (fileId === undefined || typeof fileId === "string") &&
    typeof size === "number" &&
    typeof modified === "string";
  if (!right) throw new TypeError("told");
  return { path: canonicalPath(path), size, modified, ...(fileId === undefined ? {} : { fileId }) };
}
