import { AbortedError } from "../base/errors.ts";
import { type BrokerOptions, connectBroker } from "../broker/broker.ts";
import type { Broker } from "../broker/port.ts";
import { FleetMember } from "../fleet/member.ts";
import type { Cursor, Listing, ListRequest } from "../fleet/port.ts";
import type { Mirror } from "../watch/mirror/index.ts";
import type { ClientEvent } from "./events.ts";
import { FeedRoutes } from "./feed-routes.ts";
import { type MirrorOptions, mirrorThroughFleet } from "./mirror-stream.ts";
import { watchStream } from "./watch-stream.ts";

export interface WatchClientOptions {
  /** Where NATS is, or a connection of the caller's, which stays the caller's. */
  readonly broker: BrokerOptions | Broker;
  /** Of the client's lease, ms. Default 15,000. */
  readonly ttlMs?: number;
  /** How long a watch outlives its last reader, ms. Default 10,000. */
  readonly lingerMs?: number;
  /** Shown by `smb2nats status`. */
  readonly host?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface WatchOptions {
  /** The whole tree below the path. Default false. */
  readonly recursive?: boolean;
  /** Cursor of the last event dealt with: what was stored since comes first, or a resync (`retention`). */
  readonly since?: Cursor;
  readonly signal?: AbortSignal | undefined;
  /** Events waiting for a slow reader; beyond, one resync takes their place. Default 10,000. */
  readonly maxQueued?: number;
  /** Longest wait for the first `live`, ms. Default: for ever. */
  readonly readyMs?: number;
}

/** @throws BrokerError, DeadlineError, AbortedError */
export async function connectWatchClient(options: WatchClientOptions): Promise<WatchClient> {
  const { broker: given, ttlMs, lingerMs, host, signal } = options;
  const own =
    "link" in given
      ? undefined
      : await connectBroker({ ...given, streams: { checkpoints: false, ...given.streams } });
  try {
    const member = await FleetMember.start(
      {
        broker: own ?? (given as Broker),
        kind: "client",
        ...(ttlMs === undefined ? {} : { ttlMs }),
        ...(lingerMs === undefined ? {} : { lingerMs }),
        ...(host === undefined ? {} : { host }),
      },
      { signal },
    );
    return new WatchClient(member, own);
  } catch (error) {
    await own?.close();
    throw error;
  }
}

/** Watches and lists through the fleet. Any number of watches share one lease and one feed per connection. */
export class WatchClient {
  readonly #member: FleetMember;
  readonly #routes: FeedRoutes;
  readonly #broker: Broker | undefined;
  readonly #stop = new AbortController();
  #closing: Promise<void> | undefined;

  /** @param broker - closed with the client; absent when it is the caller's. */
  constructor(member: FleetMember, broker: Broker | undefined) {
    this.#member = member;
    this.#routes = new FeedRoutes(member);
    this.#broker = broker;
  }

  get #parts(): { readonly member: FleetMember; readonly routes: FeedRoutes } {
    return { member: this.#member, routes: this.#routes };
  }

  get leaseId(): string {
    return this.#member.leaseId;
  }

  /**
   * Events of a directory: `live` first (after what `since` brings back), then changes, resyncs and states, until the
   * loop is left, the signal fires or the client closes.
   * @throws FleetError (`not_found`, `denied`, …), AbortedError, DeadlineError
   */
  async *watch(
    connection: string,
    path: string,
    options: WatchOptions = {},
  ): AsyncGenerator<ClientEvent, void, undefined> {
    const { recursive = false, since, signal, maxQueued, readyMs } = options;
    const stop = this.#stop.signal;
    try {
      yield* watchStream(this.#parts, {
        target: { connection, path, recursive },
        signal: signal === undefined ? stop : AbortSignal.any([signal, stop]),
        ...(since === undefined ? {} : { since }),
        ...(maxQueued === undefined ? {} : { maxQueued }),
        ...(readyMs === undefined ? {} : { readyMs }),
      });
    } catch (error) {
      // Closing the client is a plain end of its loops.
      if (!(error instanceof AbortedError && stop.aborted)) throw error;
    }
  }

  /**
   * A picture of a directory, or of a tree, that is kept right: a snapshot of what has been told, then every change after
   * it. Nothing is listed. It ends with `close`, with the signal, or with the client.
   * @throws FleetError `bad_path`; what else goes wrong before it is whole, `ready` rejects with
   */
  mirror(connection: string, path: string, options: MirrorOptions = {}): Mirror {
    const { recursive = false, signal } = options;
    const stop = this.#stop.signal;
    return mirrorThroughFleet(
      this.#parts,
      { connection, path, recursive },
      { signal: signal === undefined ? stop : AbortSignal.any([signal, stop]) },
    );
  }

  /** One page of a directory. @throws FleetError */
  list(request: ListRequest, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Listing> {
    return this.#member.list(request, options);
  }

  /** Ends all watches and gives the lease back. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#member.close();
    await this.#broker?.close();
  }
}
