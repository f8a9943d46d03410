import { waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { describeError } from "../base/errors.ts";
import { type CanonicalPath, foldCase } from "../base/path.ts";
import { ShareCapabilities } from "../codec/msg/tree-connect.ts";
import type { ArmOptions, DirectoryHandle, NotifyOutcome as SmbNotifyOutcome } from "../smb/files/index.ts";
import type { Servers, SmbPool } from "../smb/pool/index.ts";
import {
  type ArmedNotify,
  type DirectoryEntry,
  type DirectorySource,
  type EntryInfo,
  type ListOptions,
  type NotifyOutcome,
  type OpenOptions,
  type ProbedFile,
  type ReachOptions,
  SourceError,
  type SourceTraits,
  type StatOptions,
  type WatchedDirectory,
} from "../watch/source.ts";
import { failureToConnect, sourceError } from "./failure.ts";
import { DirectoryFromAbove } from "./from-above.ts";
import { shownName, storedPaths } from "./reserved-names.ts";

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

export interface SourceOptions {
  /**
   * Names with private-use stand-ins (U+F020 to U+F029) are told with the characters these stand for (`:` `?` `"` …),
   * and found by either. Default true. Off: exactly as the server has them.
   */
  readonly mapReserved?: boolean;
  readonly clock?: Clock;
  /** Where in the share its root lies. Default: it is the share's root. */
  readonly root?: CanonicalPath;
}

/** A share, alone or with what its DFS links lead to. */
export type SourcePool = Pick<
  SmbPool,
  "ready" | "hurry" | "openDirectory" | "list" | "stat" | "probe" | "servers" | "echo"
>;

/** An SMB share as the watch engine sees it. Decides nothing but what an error means, and how names are shown. */
export class SmbDirectorySource implements DirectorySource {
  readonly #pool: SourcePool;
  readonly #mapped: boolean;
  readonly #clock: Clock;
  readonly #root: CanonicalPath;
  #servers: Servers;
  #traits: SourceTraits;

  constructor(pool: SourcePool, { mapReserved = true, clock = systemClock, root = "/" }: SourceOptions = {}) {
    this.#pool = pool;
    this.#mapped = mapReserved;
    this.#clock = clock;
    this.#root = root;
    this.#servers = pool.servers();
    this.#traits = this.#traitsOf(this.#servers);
  }

  serverTime(): bigint | undefined {
    const told = this.#pool.servers().server?.clock;
    if (told === undefined || told.time === 0n) return undefined;
    return told.time + BigInt(Math.round((this.#clock.monotonic() - told.at) * 10_000));
  }

  /** Asked for several times for each watch: made anew when there are other servers. */
  get traits(): SourceTraits {
    const servers = this.#pool.servers();
    if (servers !== this.#servers) {
      this.#servers = servers;
      this.#traits = this.#traitsOf(servers);
    }
    return this.#traits;
  }

  #traitsOf({ server, others = [] }: Servers): SourceTraits {
    // What is served by several servers is watched as the most difficult of them wants it.
    const all = server === undefined ? others : [server, ...others];
    const windows = all.length > 0 && all.every(({ kind }) => kind === "windows");
    const samba = all.some(({ kind }) => kind === "samba");
    // A recursive handle ends at the DFS links below it.
    const dfs = all.some(({ shareCapabilities }) => (shareCapabilities & ShareCapabilities.DFS) !== 0);
    return {
      // Measured on Samba: writes below the top level and local changes there are not reported (facts of
      // Windows are from MS-SMB2; what is neither is treated like Samba, which costs handles, not changes).
      fullRecursion: windows && !dfs,
      recursionStops: dfs || others.length > 0,
      rootFromAbove: this.#root !== "/",
      // Two requests close the gap between an answer and the next one. Samba answers a burst of 20,000
      // creates without loss only so; on Windows each one takes one of few slots, and it buffers anyway.
      notifyDepth: samba ? 2 : 1,
      strayRecords: samba,
      doubtfulRenames: all.some(({ kind }) => kind === "unknown"),
      // smbd answers before notifyd has set the inotify watch, which takes longer the more there are.
      settleScanMs: windows ? 0 : 1_500,
    };
  }

  async reachable({ signal, onFailed }: ReachOptions): Promise<void> {
    const tell = (error: Error): void =>
      onFailed?.(new SourceError(failureToConnect(error), describeError(error), error));
    await translated(this.#pool.ready({ signal, onFailed: tell }));
  }

  async hurry(options: Cancellable): Promise<void> {
    await translated(this.#pool.hurry(options));
  }

  async open(path: CanonicalPath, options: OpenOptions): Promise<WatchedDirectory> {
    if (options.recursive === true && path === "/" && this.#root !== "/") {
      const info = await this.stat("/", options);
      const above = await translated(this.#pool.openDirectory("/", { ...options, above: true }));
      return new DirectoryFromAbove(new SmbWatchedDirectory("/", above, this.#mapped), this.#root, info);
    }
    const handle = await this.#find(path, (stored) => this.#pool.openDirectory(stored, options));
    return new SmbWatchedDirectory(path, handle, this.#mapped);
  }

  async *list(path: CanonicalPath, options: ListOptions): AsyncGenerator<readonly DirectoryEntry[], void> {
    const { only, ...whole } = options;
    if (only !== undefined) return yield* this.#listNames(path, only, whole);
    yield* this.#listAll(path, whole);
  }

  /** Entries of a few names, in whatever case they are listed: a name that only looks otherwise by now is not hidden. */
  async *#listNames(
    path: CanonicalPath,
    names: readonly string[],
    options: ListOptions,
  ): AsyncGenerator<readonly DirectoryEntry[], void> {
    const wanted = new Set(names.map(foldCase));
    const patterns = names.flatMap((name) => (this.#mapped ? storedPaths(name) : [name]));
    // A name that is a pattern as well finds more than itself, and how much more nobody knows.
    const only = patterns.some(isPattern) ? {} : { only: [...new Set(patterns)] };
    for await (const page of this.#listAll(path, { ...options, ...only })) {
      const found = page.filter(({ name }) => wanted.has(foldCase(name)));
      if (found.length > 0) yield found;
    }
  }

  async *#listAll(
    path: CanonicalPath,
    options: ListOptions,
  ): AsyncGenerator<readonly DirectoryEntry[], void> {
    const shown = (page: readonly DirectoryEntry[]): readonly DirectoryEntry[] =>
      this.#mapped ? page.map(shownEntry) : page;
    const pages = await this.#find(path, async (stored) => {
      const listing = this.#pool.list(stored, options);
      // Whether there is such a directory shows when the first page comes.
      return { listing, first: await listing.next() };
    });
    try {
      if (pages.first.done === true) return;
      yield shown(pages.first.value);
      for await (const page of pages.listing) yield shown(page);
    } catch (error) {
      throw sourceError(error);
    } finally {
      await pages.listing.return();
    }
  }

  async stat(path: CanonicalPath, options: StatOptions): Promise<EntryInfo> {
    const info = await this.#find(path, (stored) => this.#pool.stat(stored, options));
    const { spelling } = info;
    return spelling === undefined || !this.#mapped ? info : { ...info, spelling: shownName(spelling) };
  }

  probe(path: CanonicalPath, options: StatOptions): Promise<ProbedFile> {
    return this.#find(path, (stored) => this.#pool.probe(stored, options));
  }

  async roundTrip({ signal }: Cancellable): Promise<void> {
    await translated(waitFor(this.#pool.echo(), { signal }));
  }

  /** Tries the ways in which a server may have stored the path. @throws SourceError, AbortedError */
  async #find<T>(path: CanonicalPath, look: (stored: CanonicalPath) => Promise<T>): Promise<T> {
    const [first, ...others] = this.#mapped ? storedPaths(path) : [path];
    let missing: unknown;
    for (const stored of [first, ...others]) {
      try {
        return await translated(look(stored));
      } catch (error) {
        const absent =
          error instanceof SourceError && (error.failure === "gone" || error.failure === "bad-path");
        if (!absent) throw error;
        // What the likelier form says is the better explanation.
        missing ??= error;
      }
    }
    throw missing;
  }
}

function shownEntry(entry: DirectoryEntry): DirectoryEntry {
  const name = shownName(entry.name);
  return name === entry.name ? entry : { ...entry, name };
}

class SmbWatchedDirectory implements WatchedDirectory {
  readonly path: CanonicalPath;
  readonly #handle: DirectoryHandle;
  readonly #mapped: boolean;

  constructor(path: CanonicalPath, handle: DirectoryHandle, mapped: boolean) {
    this.path = path;
    this.#handle = handle;
    this.#mapped = mapped;
  }

  get info(): EntryInfo {
    return this.#handle.info;
  }

  get recalled(): Promise<void> | undefined {
    return this.#handle.leased ? this.#handle.recalled : undefined;
  }

  arm(options: ArmOptions): ArmedNotify {
    return new SmbArmedNotify(this.#handle.arm(options), this.#mapped);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

class SmbArmedNotify implements ArmedNotify {
  readonly outcome: Promise<NotifyOutcome>;
  readonly #notify: ReturnType<DirectoryHandle["arm"]>;

  constructor(notify: ReturnType<DirectoryHandle["arm"]>, mapped: boolean) {
    this.#notify = notify;
    this.outcome = notify.outcome.then((outcome) => watchOutcome(outcome, mapped));
  }

  get accepted(): Promise<boolean> {
    return this.#notify.accepted;
  }

  cancel(): void {
    this.#notify.cancel();
  }
}

function watchOutcome(outcome: SmbNotifyOutcome, mapped: boolean): NotifyOutcome {
  if (outcome.type === "records" && mapped) {
    const records = outcome.records.map(({ name, ...rest }) => ({ ...rest, name: shownName(name) }));
    return { ...outcome, records };
  }
  if (outcome.type !== "failed") return outcome;
  const error = sourceError(outcome.error);
  return {
    type: "failed",
    error: error instanceof SourceError ? error : new SourceError("unreachable", error.message, error),
  };
}

/** Wildcards of a search (MS-FSCC 2.1.4). */
function isPattern(name: string): boolean {
  return /[*?<>"]/.test(name);
}

async function translated<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw sourceError(error);
  }
}
