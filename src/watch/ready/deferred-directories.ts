import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import { type DirectoryEntry, SourceError } from "../source.ts";
import { FileTable } from "./file-table.ts";
import type { DeferredDirectory, ReadyRecord } from "./record.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** A directory that could not be listed is tried again. */
const AGAIN_MS = 30_000;

export interface DeferredContext {
  readonly room: WaitingRoom;
  readonly clock: Clock;
  readonly key: (path: CanonicalPath) => string;
  readonly stop: AbortSignal;
  readonly list: (path: CanonicalPath, signal: AbortSignal) => AsyncIterable<readonly DirectoryEntry[]>;
  /** Whether it is one to be waited for at all. */
  readonly isWanted: (path: CanonicalPath, entry: DirectoryEntry) => boolean;
  /** `false`: there was no room for it. */
  readonly wait: (path: CanonicalPath) => boolean;
  /** How many they are has changed. Must not throw. */
  readonly onCount: (by: number) => void;
}

interface Deferred {
  readonly path: CanonicalPath;
  /** FILETIME: files that have changed earlier are not meant; 0 for all. */
  since: bigint;
  /** Names up to this one have been dealt with. */
  after: string | undefined;
  /** Files of it found no room again while it was gone through: once more, for what has changed since then. */
  again: bigint | undefined;
}

/**
 * Where files were to be waited for that there was no room for: their directories, which are few. When there is room they
 * are listed, in order of names, as many at a time as find room: nothing is forgotten, it only comes later.
 */
export class DeferredDirectories {
  readonly #context: DeferredContext;
  readonly #directories: FileTable<Deferred>;
  readonly #leaveRoom: () => void;
  #running = false;
  #cancelRetry: (() => void) | undefined;

  constructor(context: DeferredContext) {
    this.#context = context;
    this.#directories = new FileTable(context.key);
    this.#leaveRoom = context.room.onAmple(() => this.#look());
  }

  get size(): number {
    return this.#directories.size;
  }

  get record(): Pick<ReadyRecord, "deferred"> {
    if (this.size === 0) return {};
    const deferred = [...this.#directories.values()].map(({ path, since, again, after }) => ({
      path,
      since: String(again === undefined ? since : smaller(again, since)),
      // From the start again, if there was something before it.
      ...(again === undefined && after !== undefined ? { after } : {}),
    }));
    return { deferred };
  }

  /** @param since - see `Deferred` */
  add(path: CanonicalPath, since: bigint): void {
    const known = this.#directories.get(path);
    if (known === undefined) this.#set({ path, since, after: undefined, again: undefined });
    else if (known.after === undefined && !this.#running) known.since = smaller(known.since, since);
    else known.again = smaller(known.again ?? since, since);
  }

  adopt(record: readonly DeferredDirectory[]): void {
    for (const { path, since, after } of record) {
      if (this.#directories.get(path) !== undefined) this.add(path, BigInt(since));
      else this.#set({ path, since: BigInt(since), after, again: undefined });
    }
    this.#look();
  }

  /** It is not there any more, nor what was below it. */
  prune(path: CanonicalPath): void {
    this.#pruned(path);
  }

  move(from: CanonicalPath, to: CanonicalPath): void {
    for (const moved of this.#pruned(from)) this.#set({ ...moved, path: to + moved.path.slice(from.length) });
  }

  close(): void {
    this.#leaveRoom();
    this.#cancelRetry?.();
    this.#context.onCount(-this.#directories.size);
    this.#directories.clear();
  }

  #set(directory: Deferred): void {
    if (this.#directories.get(directory.path) === undefined) this.#context.onCount(1);
    this.#directories.set(directory.path, directory);
  }

  #pruned(path: CanonicalPath): Deferred[] {
    const gone = this.#directories.prune(path);
    if (gone.length > 0) this.#context.onCount(-gone.length);
    return gone;
  }

  #end(directory: Deferred): void {
    // It may have gone, or been renamed, meanwhile.
    if (this.#directories.get(directory.path) !== directory) return;
    this.#directories.delete(directory.path);
    this.#context.onCount(-1);
  }

  #look(): void {
    const { room, stop } = this.#context;
    if (this.#running || this.#cancelRetry !== undefined || this.size === 0) return;
    if (!room.ample || stop.aborted) return;
    this.#running = true;
    void this.#goOn().finally(() => {
      this.#running = false;
    });
  }

  async #goOn(): Promise<void> {
    const { room, clock, stop } = this.#context;
    for (;;) {
      const [directory] = this.#directories.values();
      if (directory === undefined || !room.ample || stop.aborted) return;
      try {
        await this.#pass(directory);
      } catch (error) {
        if (stop.aborted) return;
        const failure = error instanceof SourceError ? error.failure : "busy";
        if (failure === "gone" || failure === "bad-path" || failure === "not-a-directory")
          this.#end(directory);
        else {
          this.#cancelRetry = clock.after(AGAIN_MS, () => {
            this.#cancelRetry = undefined;
            this.#look();
          });
          return;
        }
      }
    }
  }

  async #pass(directory: Deferred): Promise<void> {
    const { room, list, isWanted, wait, stop } = this.#context;
    const { path, since, after } = directory;
    const names = new FirstNames(room.free, after);
    for await (const page of list(path, stop)) {
      for (const entry of page) {
        const { name, type, changed } = entry;
        if (type === "file" && changed >= since && isWanted(joinPath(path, name), entry)) names.add(name);
      }
    }
    let whole = names.whole;
    for (const name of names.take()) {
      if (!wait(joinPath(path, name))) {
        whole = false;
        break;
      }
      directory.after = name;
    }
    if (!whole) return;
    if (directory.again === undefined) this.#end(directory);
    else Object.assign(directory, { since: directory.again, after: undefined, again: undefined });
  }
}

/** The first so many of names that come in any order, and in memory no more than twice as many. */
class FirstNames {
  readonly #most: number;
  readonly #after: string | undefined;
  #names: string[] = [];
  #whole = true;

  constructor(most: number, after: string | undefined) {
    this.#most = most;
    this.#after = after;
  }

  get whole(): boolean {
    return this.#whole && this.#names.length <= this.#most;
  }

  add(name: string): void {
    if (this.#after !== undefined && name <= this.#after) return;
    this.#names.push(name);
    if (this.#names.length > 2 * this.#most) this.#cut();
  }

  take(): string[] {
    this.#cut();
    return this.#names;
  }

  #cut(): void {
    this.#names.sort();
    if (this.#names.length <= this.#most) return;
    this.#names = this.#names.slice(0, this.#most);
    this.#whole = false;
  }
}

function smaller(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}
