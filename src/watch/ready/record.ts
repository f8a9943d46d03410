import { type CanonicalPath, canonicalPath, isWithin, joinPath } from "../../base/path.ts";
import type { Change } from "../events.ts";
import { fileTimeToIso } from "../file-time.ts";
import type { EntryInfo } from "../source.ts";

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
  /** Directories with files to be waited for that there was no room for. Default: none. */
  readonly deferred?: readonly DeferredDirectory[];
}

export interface DeferredDirectory {
  readonly path: CanonicalPath;
  /** Files in it that have changed since: FILETIME, decimal; 0 for all. */
  readonly since: string;
  /** Names up to this one have been dealt with. */
  readonly after?: string;
}

/** A record brought up to date with what consumers were told after it. */
export class ReadyReplay {
  readonly #waiting = new Map<string, { readonly path: CanonicalPath; readonly ageMs: number }>();
  readonly #told = new Map<string, ToldFile>();
  #deferred: readonly DeferredDirectory[];
  readonly #key: (path: CanonicalPath) => string;

  constructor(record: ReadyRecord, key: (path: CanonicalPath) => string) {
    this.#key = key;
    this.#deferred = record.deferred ?? [];
    for (const each of record.waiting) this.#waiting.set(key(each.path), each);
    for (const each of record.told) this.#told.set(key(each.path), each);
  }

  get record(): ReadyRecord {
    return {
      waiting: [...this.#waiting.values()],
      told: [...this.#told.values()].slice(-MOST_TOLD),
      ...(this.#deferred.length === 0 ? {} : { deferred: this.#deferred }),
    };
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
        this.#move(joinPath(directory, change.oldName ?? ""), path);
        this.#wait(path);
        return;
      default:
        if (change.type !== "directory" && change.stream !== true) this.#wait(path);
    }
  }

  #move(from: CanonicalPath, to: CanonicalPath): void {
    const top = this.#key(from);
    const moved = this.#deferred.map((each) =>
      isWithin(top, this.#key(each.path)) ? { ...each, path: to + each.path.slice(from.length) } : each,
    );
    for (const below of this.#forget(from)) this.#wait(to + below);
    this.#deferred = moved;
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
    this.#deferred = this.#deferred.filter((each) => !isWithin(top, this.#key(each.path)));
    for (const key of [...this.#told.keys()]) if (isWithin(top, key)) this.#told.delete(key);
    return below;
  }
}

export function toldOf(path: CanonicalPath, { fileId, size = 0, modified = "" }: Change): ToldFile {
  return { path, size, modified, ...(fileId === undefined ? {} : { fileId }) };
}

export function toldAs(path: CanonicalPath, { size, modified, fileId }: EntryInfo): ToldFile {
  return {
    ...{ path, size, modified: fileTimeToIso(modified) },
    ...(fileId === undefined ? {} : { fileId: BigInt.asUintN(64, fileId).toString() }),
  };
}

export function isSame(one: ToldFile, other: ToldFile): boolean {
  return one.fileId === other.fileId && one.size === other.size && one.modified === other.modified;
}

/** Reads what `JSON.parse` made of a record that somebody stored. `undefined`: it is none. */
export function readRecord(value: unknown): ReadyRecord | undefined {
  const { waiting, told, deferred = [] } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(waiting) || !Array.isArray(told) || !Array.isArray(deferred)) return undefined;
  try {
    return {
      waiting: waiting.map(readWaiting),
      told: told.slice(-MOST_TOLD).map(readTold),
      ...(deferred.length === 0 ? {} : { deferred: deferred.map(readDeferred) }),
    };
  } catch {
    return undefined;
  }
}

function readWaiting(value: unknown): ReadyRecord["waiting"][number] {
  const { path, ageMs } = value as Record<string, unknown>;
  if (typeof path !== "string" || typeof ageMs !== "number" || !(ageMs >= 0)) throw new TypeError("waiting");
  return { path: canonicalPath(path), ageMs };
}

function readDeferred(value: unknown): DeferredDirectory {
  const { path, since, after } = value as Record<string, unknown>;
  const right = typeof path === "string" && typeof since === "string" && /^\d{1,20}$/.test(since);
  if (!right || (after !== undefined && typeof after !== "string")) throw new TypeError("deferred");
  return { path: canonicalPath(path), since, ...(after === undefined ? {} : { after }) };
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
