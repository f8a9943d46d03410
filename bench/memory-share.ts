import { setImmediate as turn } from "node:timers/promises";
import { deferred } from "../src/base/async.ts";
import type { CanonicalPath } from "../src/base/path.ts";
import type {
  ArmedNotify,
  DirectoryEntry,
  DirectorySource,
  EntryInfo,
  ListOptions,
  NotifyOutcome,
  SourceTraits,
  WatchedDirectory,
} from "../src/watch/source.ts";

const INFO: EntryInfo = {
  type: "directory",
  fileId: 1n,
  created: 1n,
  modified: 1n,
  changed: 1n,
  size: 0,
  attributes: 0x10,
};

/** Each by the number in its name: one that had the id of the directory above would be taken for a link that leads back. */
function infoOf(path: CanonicalPath): EntryInfo {
  return path === "/" ? INFO : { ...INFO, fileId: BigInt(2 + Number(path.replace(/\D/g, ""))) };
}

/** A quiet file server that answers at once: what remains to be measured is the watch engine. */
export class MemoryShare implements DirectorySource {
  readonly traits: SourceTraits = { fullRecursion: false, notifyDepth: 2 };
  readonly #top: readonly DirectoryEntry[];

  /** @param names directories at the root; each is empty, as is every other directory. */
  constructor(names: readonly string[]) {
    this.#top = names.map((name) => ({ ...infoOf(`/${name}`), name }));
  }

  async open(path: CanonicalPath): Promise<WatchedDirectory> {
    await turn();
    return new MemoryDirectory(path, infoOf(path));
  }

  async *list(
    path: CanonicalPath,
    { onOpened, only }: ListOptions,
  ): AsyncGenerator<readonly DirectoryEntry[], void> {
    await turn();
    onOpened?.(infoOf(path));
    const entries = path === "/" ? this.#top : [];
    const shown = only === undefined ? entries : entries.filter(({ name }) => only.includes(name));
    if (shown.length > 0) yield shown;
  }

  async stat(path: CanonicalPath): Promise<EntryInfo> {
    await turn();
    return infoOf(path);
  }

  roundTrip(): Promise<void> {
    return Promise.resolve();
  }

  reachable(): Promise<void> {
    return Promise.resolve();
  }
}

class MemoryDirectory implements WatchedDirectory {
  readonly path: CanonicalPath;
  readonly info: EntryInfo;
  readonly #ends: (() => void)[] = [];

  constructor(path: CanonicalPath, info: EntryInfo) {
    this.path = path;
    this.info = info;
  }

  arm(): ArmedNotify {
    const outcome = deferred<NotifyOutcome>();
    const cancel = (): void => outcome.resolve({ type: "cancelled" });
    this.#ends.push(cancel);
    return { accepted: Promise.resolve(true), outcome: outcome.promise, cancel };
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
  }
}
