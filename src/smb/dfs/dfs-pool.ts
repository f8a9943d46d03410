import type { AuthProvider } from "../../auth/provider.ts";
import { ignoreRejection, throwIfAborted, waitFor } from "../../base/async.ts";
import { ClosedError } from "../../base/errors.ts";
import { type CanonicalPath, segmentsOf } from "../../base/path.ts";
import { type DfsLocation, formatLocation } from "../dfs-location.ts";
import {
  type BegunListing,
  beginListing,
  type DirEntry,
  type DirectoryHandle,
  type FileInfo,
  goOnListing,
  type ListOptions,
  type Probed,
  type ProbeOptions,
  type StatOptions,
  type TemporaryFile,
} from "../files/index.ts";
import type { PoolInfo, PoolOpenOptions, ReadyOptions, Servers } from "../pool/index.ts";
import { isAway, isNotCovered, routed, SmbDfsError } from "./dfs-errors.ts";
import { type DfsLeg, type DfsOptions, DfsTable, type SharePool } from "./dfs-table.ts";

/** Far above what any namespace needs; a path that is still not served then never will be. */
const MOST_ATTEMPTS = 64;

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A share with all that its DFS links lead to (MS-DFSC 3.1): paths that the server does not cover are asked
 * for, and served by a pool of their own on the link's target, under the caller's path. A target that is away
 * is replaced by the next one. Whoever watches sees a lost connection, opens again, and compares.
 */
export class DfsPool {
  readonly #options: DfsOptions;
  readonly #table: DfsTable;
  #asking: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: DfsOptions) {
    this.#options = options;
    this.#table = new DfsTable(options);
  }

  /**
   * Resolves when the share, or a target that is in use, may be asked: neither has to wait for the other.
   * @throws as `SmbPool.ready`
   */
  async ready({ signal, onFailed }: ReadyOptions = {}): Promise<void> {
    const enough = new AbortController();
    const both = signal === undefined ? enough.signal : AbortSignal.any([signal, enough.signal]);
    const base = this.#options.base.ready({ signal: both, onFailed });
    const others = this.#table.pools().map((pool) => pool.ready({ signal: both }));
    for (const each of [base, ...others]) ignoreRejection(each);
    try {
      await Promise.any([base, ...others]).catch(() => base);
    } finally {
      enough.abort();
    }
  }

  /** As `SmbPool.hurry`, for the share and every target in use together. */
  async hurry({ signal }: Cancellable = {}): Promise<void> {
    const inUse = [this.#options.base, ...this.#table.pools()].filter((pool) => pool.info().state !== "idle");
    await Promise.all(inUse.map((pool) => pool.hurry({ signal })));
  }

  openDirectory(path: CanonicalPath, options: PoolOpenOptions = {}): Promise<DirectoryHandle> {
    return this.#through(path, options.signal, (leg) => leg.pool.openDirectory(leg.path, options));
  }

  async *list(path: CanonicalPath, options: ListOptions = {}): AsyncGenerator<readonly DirEntry[], void> {
    // A listing that has begun elsewhere cannot be gone on with: only its first page may take another way.
    const begin = (leg: DfsLeg): Promise<BegunListing> => beginListing(leg.pool.list(leg.path, options));
    yield* goOnListing(await this.#through(path, options.signal, begin));
  }

  stat(path: CanonicalPath, options: StatOptions = {}): Promise<FileInfo> {
    return this.#through(path, options.signal, (leg) => leg.pool.stat(leg.path, options));
  }

  probe(path: CanonicalPath, options: ProbeOptions = {}): Promise<Probed> {
    return this.#through(path, options.signal, (leg) => leg.pool.probe(leg.path, options));
  }

  temporary(path: CanonicalPath, { signal }: Cancellable = {}): Promise<TemporaryFile> {
    return this.#through(path, signal, (leg) => leg.pool.temporary(leg.path, { signal }));
  }

  /** `server` is the one that serves `/`. */
  servers(): Servers {
    const base = this.#options.base.servers();
    if (this.#table.empty) return base;
    const root = this.#table.leg("/");
    const others = this.#table.pools().flatMap((pool) => pool.servers().server ?? []);
    return { server: root.link === undefined ? base.server : root.pool.servers().server, others };
  }

  /** Of all pools together. */
  info(): PoolInfo {
    const base = this.#options.base.info();
    const { server, others = [] } = this.servers();
    let { connections, watches } = base;
    for (const pool of this.#table.pools()) {
      const info = pool.info();
      connections += info.connections;
      watches += info.watches;
    }
    return { ...base, server, others, connections, watches };
  }

  /** Where a path is served from as far as is known, from the configured share to the last target. */
  route(path: CanonicalPath): readonly string[] {
    const { location } = this.#options;
    const names = [...location.names, ...segmentsOf(path)];
    const stops: DfsLocation[] = [{ ...location, names }];
    const moved = this.#options.base.info().server?.location;
    if (moved !== undefined) stops.push({ ...moved, names });
    const { link, target, path: last } = this.#table.leg(path);
    const behind: DfsLocation[] = [];
    for (let hop = link; hop?.via !== undefined; hop = hop.via) behind.unshift(hop.location);
    stops.push(...behind);
    if (target !== undefined) stops.push({ ...target, names: segmentsOf(last) });
    return stops.map(formatLocation);
  }

  echo(): Promise<unknown> {
    return Promise.all([this.#options.base, ...this.#table.pools()].map((pool) => pool.echo()));
  }

  replaceAuth(auth: AuthProvider): void {
    this.#options.base.replaceAuth(auth);
    for (const pool of this.#table.pools()) pool.replaceAuth(auth);
  }

  /** Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([this.#table.close(), this.#options.base.close()]).then(() => undefined);
    return this.#closing;
  }

  async #through<T>(
    path: CanonicalPath,
    signal: AbortSignal | undefined,
    attempt: (leg: DfsLeg) => Promise<T>,
  ): Promise<T> {
    const tried = new Set<string>();
    for (let attempts = 0; attempts < MOST_ATTEMPTS; attempts++) {
      if (this.#closing !== undefined) throw new ClosedError("pool");
      const leg = this.#table.leg(path);
      try {
        const result = await attempt(leg);
        this.#table.worked(leg);
        return result;
      } catch (error) {
        throwIfAborted(signal);
        if (isNotCovered(error)) await this.#resolve(leg, path, signal);
        else if (leg.link === undefined || !isAway(error)) throw error;
        // Somebody else may have moved or dropped the link meanwhile: then this leg says nothing any more.
        else if (this.#table.isCurrent(leg) && !this.#table.moveOn(leg, tried)) {
          throw routed(error, this.route(path));
        }
      }
    }
    throw new SmbDfsError("the way does not end", this.route(path));
  }

  /** Finds out where `path` is kept. One question at a time: a thousand watches below one link ask once. */
  async #resolve(leg: DfsLeg, path: CanonicalPath, signal: AbortSignal | undefined): Promise<void> {
    const turn = this.#asking.then(async () => {
      throwIfAborted(signal);
      const now = this.#table.leg(path);
      if (now.link !== leg.link || now.target !== leg.target) return;
      let answer: Awaited<ReturnType<SharePool["referral"]>>;
      try {
        answer = await leg.pool.referral(leg.path, { signal });
      } catch (error) {
        throwIfAborted(signal);
        if (isAway(error)) throw error;
        throw new SmbDfsError("nothing is known of its target", [...this.route(path), "?"], error);
      }
      this.#table.add(leg, path, answer, this.route(path));
    });
    this.#asking = turn.catch(() => undefined);
    await waitFor(turn, { signal });
  }
}
