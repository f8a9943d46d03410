import { throwIfAborted } from "../../base/async.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import type { Gate } from "../pacing.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "../source.ts";

/** Above this many names in one directory, one listing costs less than asking for each. */
export const STAT_AT_MOST = 16;

/** Finds out what entries are that so far are only names. */
export class NameLookup {
  readonly #source: DirectorySource;
  readonly #gate: Gate;

  constructor(source: DirectorySource, gate: Gate) {
    this.#source = source;
    this.#gate = gate;
  }

  /** What does not exist (any more) is missing from the answer. @throws SourceError, AbortedError */
  async look(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, EntryInfo>> {
    const leave = await this.#gate.enter(signal);
    try {
      return names.length <= STAT_AT_MOST
        ? await this.#ask(path, names, signal)
        : await this.#pick(path, new Set(names), signal);
    } finally {
      leave();
    }
  }

  async #ask(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, EntryInfo>> {
    const found = new Map<string, EntryInfo>();
    const asked = names.map(async (name) => {
      try {
        found.set(name, await this.#source.stat(joinPath(path, name), { signal }));
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    });
    for (const result of await Promise.allSettled(asked)) {
      if (result.status === "rejected") throw result.reason;
    }
    return found;
  }

  async #pick(
    path: CanonicalPath,
    names: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<Map<string, EntryInfo>> {
    const found = new Map<string, EntryInfo>();
    try {
      for await (const page of this.#source.list(path, { signal })) {
        throwIfAborted(signal);
        for (const entry of page) if (names.has(entry.name)) found.set(entry.name, entry);
      }
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
    return found;
  }
}

/** Not there, or not for us: nothing to say about it either way. */
function isAbsent(error: unknown): boolean {
  if (!(error instanceof SourceError)) return false;
  return ["gone", "denied", "not-a-directory", "bad-path"].includes(error.failure);
}
