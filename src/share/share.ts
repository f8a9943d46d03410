import type { AuthProvider } from "../auth/provider.ts";
import { systemClock } from "../base/clock.ts";
import { BadPathError } from "../base/errors.ts";
import { type CanonicalPath, canonicalPath, segmentsOf } from "../base/path.ts";
import { DfsPool } from "../smb/dfs/index.ts";
import type { TemporaryFile } from "../smb/files/index.ts";
import { type PoolInfo, type PoolOptions, SmbPool } from "../smb/pool/index.ts";
import type { ShareWatch } from "../watch/api.ts";
import type { ShareWatcherOptions, Surroundings } from "../watch/options.ts";
import { ShareWatcher } from "../watch/share-watcher.ts";
import { type DirectoryEntry, type DirectorySource, type EntryInfo, SourceError } from "../watch/source.ts";
import { failureToConnect, isNoSuchShare, sourceError } from "./failure.ts";
import { type ListingPage, listPage, type PageRequest } from "./page.ts";
import { SmbDirectorySource, type SourceOptions } from "./source.ts";

export interface ShareOptions extends SourceOptions {
  readonly smb: PoolOptions;
  readonly watch?: ShareWatcherOptions;
  readonly surroundings?: Partial<Surroundings>;
}

interface Cancellable {
  readonly signal?: AbortSignal | undefined;
}

/**
 * One SMB share that can be watched and listed: the pool and the watch engine together. Nothing is sent
 * before the first call that needs the server.
 */
export class Share {
  /** `smb://server/share`. */
  readonly url: string;
  readonly source: DirectorySource;
  readonly watches: ShareWatch;
  readonly #pool: DfsPool;
  readonly #watcher: ShareWatcher;
  #auth: AuthProvider;
  #closing: Promise<void> | undefined;

  constructor(options: ShareOptions) {
    const { host, share, port = 445 } = options.smb;
    const authority = host.includes(":") ? `[${host}]` : host;
    this.url = `smb://${authority}${port === 445 ? "" : `:${port}`}/${encodeURIComponent(share)}`;
    const { smb } = options;
    this.#auth = smb.auth;
    this.#pool = new DfsPool({
      label: smb.label ?? host,
      clock: smb.clock ?? systemClock,
      base: new SmbPool(smb),
      location: { host, port, share, names: segmentsOf(smb.root ?? "/") },
      open: ({ host, port, share }) =>
        new SmbPool({
          label: smb.host,
          ...smb,
          host,
          port,
          share,
          root: "/",
          auth: this.#auth,
          referred: true,
        }),
    });
    this.source = new SmbDirectorySource(this.#pool, {
      ...options,
      clock: smb.clock ?? systemClock,
      root: canonicalPath(smb.root ?? "/"),
    });
    this.#watcher = new ShareWatcher(this.source, options.watch, options.surroundings);
    this.watches = this.#watcher;
  }

  /** Handles open for watching, over all interests. */
  get handles(): number {
    return this.#watcher.handles;
  }

  /** Whether no connection can be made until people change something that is not the password. */
  get barred(): boolean {
    const { state, error } = this.#pool.info();
    return state !== "connected" && error !== undefined && failureToConnect(error) === "policy";
  }

  info(): PoolInfo {
    return this.#pool.info();
  }

  /** Where a path is served from: itself alone, or the way through DFS as far as it is known. */
  route(path: string): readonly string[] {
    return this.#pool.route(canonicalPath(path));
  }

  /** Resolves when the server may be asked. @throws SourceError, AbortedError */
  ready(options: Cancellable = {}): Promise<void> {
    return this.source.reachable(options);
  }

  /**
   * First contact: logs in and looks at the root. An absent server is waited for, for as long as the signal
   * allows; with `wait: false` it is an error. @throws SourceError for what does not heal by itself, AbortedError
   */
  async connect({ signal, wait = true }: Cancellable & { readonly wait?: boolean } = {}): Promise<void> {
    for (;;) {
      try {
        await this.source.stat("/", { signal });
        return;
      } catch (error) {
        // A name that was never there is a mistake rather than an outage.
        if (isNoSuchShare(error))
          throw new SourceError("gone", `${this.url}: the server has no such share`, error);
        const away = error instanceof SourceError && error.failure === "unreachable";
        if (!away || !wait) throw error;
      }
      await this.ready({ signal });
    }
  }

  /**
   * Somebody wants to know how it is now: where the server is away, the next attempt is made now, at most once a second and
   * never after a refused login. Resolves when it is over. `list`, `page` and `stat` do so by themselves. @throws AbortedError
   */
  async hurry({ signal }: Cancellable = {}): Promise<void> {
    await this.#pool.hurry({ signal }).catch((error: unknown) => {
      throw sourceError(error);
    });
  }

  /** Entries of one directory, page by page, in the server's order. @throws SourceError, BadPathError, AbortedError */
  list(path: string, options: Cancellable = {}): AsyncIterable<readonly DirectoryEntry[]> {
    return this.#list(canonicalPath(path), options);
  }

  async *#list(path: CanonicalPath, options: Cancellable): AsyncGenerator<readonly DirectoryEntry[], void> {
    await this.hurry(options);
    yield* this.source.list(path, options);
  }

  /** One page in order of names. @throws SourceError, BadPathError, AbortedError */
  async page(request: PageRequest, options: Cancellable = {}): Promise<ListingPage> {
    await this.hurry(options);
    return listPage(this.source, request, options);
  }

  /** @throws SourceError, BadPathError, AbortedError */
  async stat(path: CanonicalPath, options: Cancellable = {}): Promise<EntryInfo> {
    const canonical = canonicalPath(path);
    await this.hurry(options);
    return this.source.stat(canonical, options);
  }

  /**
   * Makes an empty file that is gone when it is let go of, at the latest with the connection: a change to see told.
   * @throws SourceError, BadPathError, AbortedError
   */
  async temporary(path: string, options: Cancellable = {}): Promise<TemporaryFile> {
    try {
      return await this.#pool.temporary(canonicalPath(path), options);
    } catch (error) {
      throw error instanceof BadPathError ? error : sourceError(error);
    }
  }

  /** New credentials for the next login; at once where the old ones had been refused. */
  replaceAuth(auth: AuthProvider): void {
    this.#auth = auth;
    this.#pool.replaceAuth(auth);
    this.#watcher.retry();
  }

  /** Ends the watches, then the connections. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#watcher.close();
    } finally {
      await this.#pool.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
