import { throwIfAborted } from "../../base/async.ts";
import { type CanonicalPath, foldCase, joinPath } from "../../base/path.ts";
import { forEachAtOnce, type Gate } from "../pacing.ts";
import {
  type DirectoryEntry,
  type DirectorySource,
  type EntryInfo,
  type ListOptions,
  SourceError,
} from "../source.ts";

/** Above this many names in one directory, one listing costs less than asking for each. */
export const STAT_AT_MOST = 16;

/** Names asked for at the same time, where each has to be asked for. */
const AT_ONCE = 16;

/** A listing is two requests, and each entry of it costs a server a quarter of one. */
const ENTRIES_PER_REQUEST = 4;

/** So many new names are hardly all there is. */
const LARGE = 200;

export interface ListedNames {
  readonly listed: ReadonlyMap<string, DirectoryEntry>;
  /** Of the names asked for, those that are listed, but in other case only. */
  readonly respelled: ReadonlySet<string>;
}

/** Finds out what entries are that so far are only names. */
export class NameLookup {
  readonly #source: DirectorySource;
  readonly #gate: Gate;

  constructor(source: DirectorySource, gate: Gate) {
    this.#source = source;
    this.#gate = gate;
  }

  /**
   * As they are now, read from each. What does not exist (any more), or is not for us, is missing from the answer.
   * @throws SourceError, AbortedError
   */
  async look(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryInfo>> {
    if (names.length > STAT_AT_MOST) return (await this.listed(path, names, signal))?.listed ?? new Map();
    return this.open(path, names, signal);
  }

  /** As `look`, however many they are: also what no listing shows. */
  async open(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryInfo>> {
    const found = new Map<string, EntryInfo>();
    const ask = async (name: string): Promise<void> => {
      try {
        found.set(name, await this.#source.stat(joinPath(path, name), { signal }));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    };
    const leave = await this.#gate.enter(signal);
    try {
      await forEachAtOnce(names, AT_ONCE, ask);
    } finally {
      leave();
    }
    return found;
  }

  /**
   * As `open`, without directories whose contents are refused to us: a share that leaves out what cannot be read leaves them
   * out for good, though their names open. @throws SourceError, AbortedError
   */
  async readable(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryInfo>> {
    const found = new Map(await this.open(path, names, signal));
    for (const [name, { type }] of [...found]) {
      if (type === "directory" && !(await this.#mayList(joinPath(path, name), signal))) found.delete(name);
    }
    return found;
  }

  /**
   * Which of the names a listing shows, and as what: also of what is refused to us. `undefined` where the directory
   * cannot be listed (any more).
   * @param size - how many entries it is thought to have. Default: more than are asked for
   * @throws SourceError, AbortedError
   */
  async listed(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
    size: number = Number.POSITIVE_INFINITY,
  ): Promise<ListedNames | undefined> {
    const wanted = new Set(names);
    const folded = new Set(names.map(foldCase));
    const isFew = wanted.size <= STAT_AT_MOST && (wanted.size - 2) * ENTRIES_PER_REQUEST <= size;
    const few = isFew ? { only: [...wanted] } : { large: wanted.size > LARGE };
    const found = await this.#pick(path, (name) => folded.has(foldCase(name)), { signal, ...few });
    if (found === undefined) return undefined;
    const listed = new Map(found.filter(({ name }) => wanted.has(name)).map((entry) => [entry.name, entry]));
    const spellings = new Set(found.map(({ name }) => foldCase(name)));
    const missing = names.filter((name) => !listed.has(name));
    const respelled = new Set(missing.filter((name) => spellings.has(foldCase(name))));
    return { listed, respelled };
  }

  /** What a listing shows besides known names. @throws SourceError, AbortedError */
  async others(
    path: CanonicalPath,
    isKnown: (name: string) => boolean,
    signal: AbortSignal,
  ): Promise<readonly DirectoryEntry[]> {
    return (await this.#pick(path, (name) => !isKnown(name), { signal })) ?? [];
  }

  async #mayList(path: CanonicalPath, signal: AbortSignal): Promise<boolean> {
    try {
      for await (const _ of this.#source.list(path, { signal })) break;
      return true;
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return false;
    }
  }

  async #pick(
    path: CanonicalPath,
    isWanted: (name: string) => boolean,
    options: ListOptions & { readonly signal: AbortSignal },
  ): Promise<DirectoryEntry[] | undefined> {
    const leave = await this.#gate.enter(options.signal);
    const found: DirectoryEntry[] = [];
    try {
      for await (const page of this.#source.list(path, options)) {
        throwIfAborted(options.signal);
        for (const entry of page) if (isWanted(entry.name)) found.push(entry);
      }
      return found;
    } catch (error) {
      // What is a file by now lists nothing: names that were told below it are ghosts.
      if (error instanceof SourceError && error.failure === "not-a-directory") return [];
      if (!isAbsent(error)) throw error;
      return undefined;
    } finally {
      leave();
    }
  }
}

/** Not there, or not for us: nothing to say about it either way. */
function isAbsent(error: unknown): boolean {
  if (!(error instanceof SourceError)) return false;
  return ["gone", "denied", "not-a-directory", "bad-path"].includes(error.failure);
}
