import type { AuthProvider } from "../../auth/provider.ts";
import { type Deferred, deferred, ignoreRejection, waitFor } from "../../base/async.ts";
import { ClosedError } from "../../base/errors.ts";
import { type CanonicalPath, segmentsOf } from "../../base/path.ts";
import { SmbNotSentError } from "../errors.ts";
import { poolFacts } from "../facts.ts";
import {
  askReferral,
  type BegunListing,
  beginListing,
  type DirectoryHandle,
  goOnListing,
  type ListOptions,
  listDirectory,
  makeTemporary,
  type Probed,
  type ProbeOptions,
  probeFile,
  type Referral,
  type StatOptions,
  statPath,
  type TemporaryFile,
} from "../files/index.ts";
import type { Tree } from "../login/index.ts";
import { wirePath } from "../wire-path.ts";
import { CompoundRetry } from "./compound-retry.ts";
import { type DialOptions, dialTree } from "./dial.ts";
import { Dialer } from "./dialer.ts";
import { Orphans } from "./orphans.ts";
import type { PoolInfo, PoolState, Servers } from "./pool-info.ts";
import { dialOptions, type PoolOpenOptions, type PoolOptions, type ReadyOptions } from "./pool-options.ts";
import { isShareFull, openOn, type WatchLane } from "./watch-lane.ts";
import { WatchLanes } from "./watch-lanes.ts";

type Cancellable = ProbeOptions;
type Ask<T> = (tree: Tree, name: string) => Promise<T>;

/**
 * All connections to one configured share: one for listings and look-ups, others for watch handles. It reconnects by itself,
 * for ever, except after refused credentials. Operations do not wait for a server that is away: they fail with
 * SmbNotSentError, and `ready` says when to try again, so that a thousand watches wait on one reconnect.
 */
export class SmbPool {
  readonly #options: PoolOptions;
  readonly #root: CanonicalPath;
  readonly #dialer: Dialer;
  readonly #life = new AbortController();
  readonly #lanes: WatchLanes;
  readonly #compounds: CompoundRetry;
  readonly #orphans = new Orphans();
  #dial: DialOptions;
  #scan: Tree | undefined;
  #servers: Servers = { server: undefined };
  #loop: Promise<void> | undefined;
  #attempt: Deferred<void> | undefined;
  #growing: Promise<void> | undefined;
  #changed: Deferred<void> = deferred();
  #closing: Promise<void> | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#root = options.root ?? "/";
    this.#dial = dialOptions(options);
    const { label, clock } = this.#dial.connection;
    this.#compounds = new CompoundRetry(this.#dial.connection);
    const { watchesPerConnection: cap, idleMs = 10_000 } = options;
    this.#lanes = new WatchLanes({ label, cap, idleMs });
    this.#dialer = new Dialer({ label, clock, backoff: options.backoff });
  }

  /** Resolves when the server may be asked. @throws SmbCredentialsError, ClosedError, AbortedError */
  async ready({ signal, onFailed }: ReadyOptions = {}): Promise<void> {
    this.#start();
    let told: string | undefined;
    for (;;) {
      this.#check();
      const { lastError } = this.#dialer;
      if (lastError !== undefined && lastError.message !== told) {
        told = lastError.message;
        onFailed?.(lastError);
      }
      if (this.#scan === undefined) await waitFor(this.#changed.promise, { signal });
      else if (this.#dialer.pause === 0) return;
      else await this.#dialer.rest(() => this.#changed.promise, signal);
    }
  }

  /**
   * Somebody asks anew: an attempt that waits for its turn is made now, at most once a second, and not where a login had been
   * refused. Resolves when it is over, whatever became of it. @throws AbortedError
   */
  async hurry({ signal }: Cancellable = {}): Promise<void> {
    this.#start();
    if (!this.#dialer.hurry()) return;
    this.#notify();
    const { lastError } = this.#dialer;
    while (this.#scan === undefined && this.#dialer.lastError === lastError && !this.#life.signal.aborted) {
      await waitFor(this.#changed.promise, { signal });
    }
  }

  /**
   * Opens a directory for watching, on a connection with room for it.
   * @throws SmbStatusError, SmbNotSentError, SmbConnectionError, SmbCredentialsError, AbortedError
   */
  async openDirectory(path: CanonicalPath, options: PoolOpenOptions = {}): Promise<DirectoryHandle> {
    const { signal, above = false } = options;
    const name = wirePath(above ? "/" : this.#root, path);
    const open = async (): Promise<DirectoryHandle> => openOn(await this.#lane(signal), path, name, options);
    return this.#compounds.run(open, () => this.#reconnected(signal));
  }

  /** Lists a directory page by page, without `.` and `..`. Throws like `openDirectory`. */
  async *list(path: CanonicalPath, options: ListOptions = {}): ReturnType<typeof listDirectory> {
    const begin: Ask<BegunListing> = (tree, name) => beginListing(listDirectory(tree, name, options));
    yield* goOnListing(await this.#ask(path, options, begin));
  }

  /** Looks at one entry without following it. Throws like `openDirectory`. */
  stat(path: CanonicalPath, options: StatOptions = {}): ReturnType<typeof statPath> {
    return this.#ask(path, options, (tree, name) => statPath(tree, name, options));
  }

  /** Asks whether anybody has a file open for writing. Throws like `openDirectory`. */
  probe(path: CanonicalPath, options: ProbeOptions = {}): Promise<Probed> {
    return this.#ask(path, options, (tree, name) => probeFile(tree, name, options));
  }

  /** Makes an empty file that is gone when it is let go of. Throws like `openDirectory`. */
  async temporary(path: CanonicalPath, { signal }: Cancellable = {}): Promise<TemporaryFile> {
    return makeTemporary(await this.#tree(signal), wirePath(this.#root, path), { signal });
  }

  /** Asks where a path is kept; `asked` are its names below the share. Throws like `openDirectory`. */
  async referral(
    path: CanonicalPath,
    { signal }: Cancellable = {},
  ): Promise<Referral & { readonly asked: readonly string[] }> {
    const tree = await this.#tree(signal);
    const name = `\\${tree.nameOf(wirePath(this.#root, path))}`;
    const asked = [...segmentsOf(this.#root), ...segmentsOf(path)];
    return { ...(await askReferral(tree.session, name, { signal })), asked };
  }

  readonly servers = (): Servers => this.#servers;

  info(): PoolInfo {
    return {
      state: this.#state(),
      error: this.#dialer.lastError,
      server: this.#servers.server,
      connections: this.#trees().length,
      watches: this.#lanes.load,
      watchesPerConnection: this.#lanes.cap,
    };
  }

  /** Fulfilled when all has been heard that the server had sent on any connection. @throws what `SmbConnection.echo` throws */
  echo(): Promise<unknown> {
    return Promise.all(this.#trees().map(({ connection }) => connection.echo()));
  }

  /** New credentials: for the next login or renewal; a login comes at once if the old ones had been refused. */
  replaceAuth(auth: AuthProvider): void {
    this.#dial = { ...this.#dial, auth };
    for (const tree of this.#trees()) tree.session.replaceAuth(auth);
    this.#dialer.forgive();
    this.#notify();
  }

  /** Says goodbye on every connection, `closeMs` at most. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #ask<T>(path: CanonicalPath, { signal }: Cancellable, ask: Ask<T>): Promise<T> {
    const look = async (): Promise<T> => ask(await this.#tree(signal), wirePath(this.#root, path));
    return this.#compounds.run(look, () => this.#reconnected(signal));
  }

  async #close(): Promise<void> {
    this.#life.abort(new ClosedError("pool"));
    this.#notify();
    await Promise.all(this.#trees().map((tree) => tree.close()));
    await this.#loop;
    await this.#growing?.catch(() => undefined);
  }

  #trees(): Tree[] {
    const trees = new Set(this.#lanes.trees);
    if (this.#scan !== undefined) trees.add(this.#scan);
    return [...trees];
  }

  #state(): PoolState {
    if (this.#life.signal.aborted) return "closed";
    if (this.#dialer.refusal !== undefined) return "refused";
    if (this.#scan !== undefined) return "connected";
    if (this.#attempt !== undefined) return "connecting";
    return this.#loop === undefined ? "idle" : "waiting";
  }

  #check(): void {
    if (this.#life.signal.aborted) throw new ClosedError("pool");
    if (this.#dialer.refusal !== undefined) throw this.#dialer.refusal;
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }

  /** After the connection that showed it has gone: see `CompoundRetry`. */
  async #reconnected(signal: AbortSignal | undefined): Promise<void> {
    for (const { connection, lost } of this.#trees()) if (connection.state === "closed") await lost;
    await this.ready({ signal });
  }

  #start(): void {
    if (this.#life.signal.aborted) return;
    this.#loop ??= this.#keepConnected();
  }

  /** The connection for listings, once up; fails at once when no attempt is under way. */
  async #tree(signal: AbortSignal | undefined): Promise<Tree> {
    this.#start();
    for (;;) {
      this.#check();
      if (this.#scan !== undefined) return this.#scan;
      if (this.#attempt === undefined) {
        throw new SmbNotSentError(`//${this.#options.host}/${this.#options.share}`, this.#dialer.lastError);
      }
      await waitFor(this.#attempt.promise, { signal });
    }
  }

  /** A lane with room, its load already counted. */
  async #lane(signal: AbortSignal | undefined): Promise<WatchLane> {
    for (;;) {
      // A server that cannot be listed is not worth a watch: one gate for both.
      await this.#tree(signal);
      const lane = this.#lanes.take();
      if (lane !== undefined) return lane;
      this.#growing ??= this.#grow().finally(() => {
        this.#growing = undefined;
      });
      await waitFor(this.#growing, { signal });
    }
  }

  async #grow(): Promise<void> {
    if (this.#dialer.pause > 0) throw new SmbNotSentError("watch connection", this.#dialer.lastError);
    const tree = await this.#connect("watch").catch((error: unknown) => {
      if (this.#scan === undefined || !isShareFull(error)) throw error;
      return this.#scan;
    });
    // The share takes no further connection: the one for listings carries the watches, too.
    const shared = tree === this.#scan;
    this.#lanes.add(tree, { shared });
    if (shared) {
      poolFacts.publish({ connection: this.#dial.connection.label, type: "shared" });
      return;
    }
    const started = this.#now();
    ignoreRejection(tree.lost.then((error) => this.#lost("watch", tree, started, error)));
  }

  /** Owns the listing connection from the first use to the end of the pool. */
  async #keepConnected(): Promise<void> {
    const { signal } = this.#life;
    while (!signal.aborted) {
      try {
        while (this.#dialer.refusal !== undefined) await waitFor(this.#changed.promise, { signal });
        // Without a pause at once: whoever asks in this very turn waits for the attempt.
        if (this.#dialer.pause > 0) await this.#dialer.rest(() => this.#changed.promise, signal);
        await this.#stayConnected();
      } catch {
        // The dialer has booked the failure; the pause before the next attempt is its decision.
        this.#notify();
      }
    }
  }

  async #stayConnected(): Promise<void> {
    const attempt = deferred<void>();
    this.#attempt = attempt;
    let tree: Tree;
    try {
      tree = await this.#connect("scan");
      this.#scan = tree;
      this.#servers = { server: tree.info };
    } finally {
      this.#attempt = undefined;
      attempt.resolve();
    }
    this.#notify();
    const started = this.#now();
    const error = await tree.lost;
    this.#scan = undefined;
    this.#lost("scan", tree, started, error);
  }

  async #connect(role: "scan" | "watch"): Promise<Tree> {
    const { signal } = this.#life;
    return this.#dialer.dial(
      async () => {
        const started = this.#now();
        const previousSessionId = this.#orphans.take();
        try {
          const tree = await dialTree(this.#dial, { signal, previousSessionId });
          if (signal.aborted) {
            await tree.close();
            throw new ClosedError("pool");
          }
          const ms = this.#now() - started;
          poolFacts.publish({ connection: this.#dial.connection.label, type: "connected", role, ms });
          return tree;
        } catch (error) {
          this.#orphans.add(previousSessionId);
          throw error;
        }
      },
      (error) => role === "watch" && this.#scan !== undefined && isShareFull(error),
    );
  }

  #lost(role: "scan" | "watch", tree: Tree, started: number, error: Error | undefined): void {
    // A connection that we closed ourselves has logged off: nothing is left behind, and nobody is to blame.
    if (error !== undefined) {
      // Another server's numbers mean other sessions.
      if (tree.connection.options.referred === this.#dial.connection.referred) {
        this.#orphans.add(tree.session.id);
      }
      // Without compounds it may be spoken to at once.
      if (!this.#compounds.explains(error)) this.#dialer.lost(this.#now() - started, error);
    }
    poolFacts.publish({ connection: this.#dial.connection.label, type: "lost", role, error });
    this.#notify();
  }

  #now(): number {
    return this.#dial.connection.clock.monotonic();
  }
}
