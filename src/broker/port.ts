import type { Smb2NatsError } from "../base/errors.ts";
import type { CanonicalPath } from "../base/path.ts";
import type { ChangesEvent, ResyncEvent, ResyncReason, StateEvent } from "../watch/events.ts";
import type { EventMessage } from "./message.ts";
import type { StreamDifference } from "./stream-config.ts";
import type { Subjects } from "./subjects.ts";

/**
 * All that the floors above see of NATS. Times in milliseconds. Failures are BrokerErrors, or
 * the base floor's AbortedError, DeadlineError and ClosedError.
 */
export interface Broker {
  readonly link: BrokerLink;
  /** The bucket `SMB_WATCHES`. */
  readonly watches: KvBucket;
  /** The bucket of checkpoints; absent where none are kept. */
  readonly checkpoints: ObjectBucket | undefined;
  readonly feed: EventFeed;
  /** What exists in the broker with another configuration than ours, and was left alone. */
  readonly differences: readonly StreamDifference[];
  /** A mirror of `watches`. The caller closes it. */
  mirror(options?: MirrorOptions): KvMirror;
  /** The caller closes it. */
  publisher(options: PublisherOptions): EventPublisher;
  /** Sends what is buffered, then closes the connection. Idempotent. */
  close(): Promise<void>;
}

export type LinkStatus =
  | { readonly type: "connected"; readonly server: string; readonly version: string; readonly again: boolean }
  | { readonly type: "disconnected"; readonly server: string }
  | { readonly type: "error"; readonly code: string; readonly message: string }
  /** For good: by `close`, or because the client gave up. */
  | { readonly type: "closed"; readonly message?: string };

/** Core NATS: at most once, gone while disconnected. */
export interface BrokerLink {
  readonly subjects: Subjects;
  readonly connected: boolean;
  /** As of the last connection. */
  readonly server: { readonly name: string; readonly version: string; readonly maxPayload: number };
  /** Returns the unsubscribe function. */
  onStatus(listener: (status: LinkStatus) => void): () => void;
  /** @throws BrokerError `BROKER_UNAVAILABLE` while disconnected: the client would drop it silently. */
  publish(
    subject: string,
    data?: Uint8Array,
    headers?: Readonly<Record<string, string>>,
    reply?: string,
  ): void;
  /** A subject that nobody else has, for answers to us. */
  newInbox(): string;
  /** @throws BrokerError `BROKER_TIMEOUT`, `BROKER_NO_JETSTREAM` when nobody listens, `BROKER_DENIED`, … */
  request(subject: string, data: Uint8Array, options?: RequestOptions): Promise<CoreMessage>;
  /** Survives reconnects. The listener must not throw. */
  subscribe(
    subject: string,
    listener: (message: CoreMessage) => void,
    options?: {
      readonly queue?: string;
      /** The server ended the subscription: no permission, or none any more. */
      readonly onRefused?: (error: Error) => void;
    },
  ): CoreSubscription;
  /** PING and PONG: everything sent before has been seen by the server. */
  roundTrip(options?: {
    readonly signal?: AbortSignal | undefined;
    readonly deadlineMs?: number;
  }): Promise<void>;
}

export interface RequestOptions {
  /** Default 2,000. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface CoreMessage {
  readonly subject: string;
  readonly reply: string | undefined;
  readonly data: Uint8Array;
  /** The server's own word: nobody listens there. */
  readonly noResponders?: boolean;
  /** By exact name; `undefined` when absent. */
  header(name: string): string | undefined;
  /**
   * False when the message asks for no answer, or the connection is gone.
   * @throws BrokerError `BROKER_TOO_LARGE`: nothing is sent, and the asker still waits.
   */
  respond(data?: Uint8Array, headers?: Readonly<Record<string, string>>): boolean;
}

export interface CoreSubscription {
  /** Resolves when the server knows it; rejects when it refuses. */
  readonly ready: Promise<void>;
  /** No further message is delivered. Idempotent. */
  close(): void;
}

export interface KvEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

export interface KvWriteOptions {
  /**
   * `Nats-Msg-Id`. With it a write is tried again after a timeout, and a retry of what had been stored
   * returns the original revision. Unique per write.
   */
  readonly msgId?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Compare-and-swap only. A failure by timeout may have been stored. */
export interface KvBucket {
  readonly name: string;
  /** Identifies the incarnation of the bucket there is now: revisions of another one mean nothing. */
  readonly nonce: string;
  /** From the leader, never from a lagging replica. Absent and deleted keys are `undefined`. */
  get(key: string): Promise<KvEntry | undefined>;
  /** Stores a key that does not exist or is deleted; returns its revision. @throws ConflictError */
  create(key: string, value: Uint8Array, options?: KvWriteOptions): Promise<number>;
  /** Returns the new revision. @throws ConflictError */
  update(key: string, value: Uint8Array, revision: number, options?: KvWriteOptions): Promise<number>;
  /** Returns the revision of the tombstone. @throws ConflictError, also when already deleted. */
  delete(key: string, revision: number, options?: KvWriteOptions): Promise<number>;
  /** Forgets tombstones older than `olderThanMs`; they never go by themselves. Returns how many, at most `limit`. */
  purgeTombstones(options: { readonly olderThanMs: number; readonly limit?: number }): Promise<number>;
}

export interface MirrorOptions {
  /** Time between full re-reads, with 20 % jitter. Default 600,000. */
  readonly auditMs?: number;
  /** How long an expected echo may take before the watch is doubted. Default 2,000. */
  readonly echoMs?: number;
}

export type MirrorChange =
  | { readonly type: "put"; readonly entry: KvEntry; readonly previous: KvEntry | undefined }
  | { readonly type: "delete"; readonly key: string; readonly previous: KvEntry };

export interface MirrorBatch {
  readonly generation: number;
  /**
   * The first batch of a generation: the bucket was read anew, `changes` is what differs from the picture before.
   * Restart every timer that judges silence.
   */
  readonly restarted: boolean;
  readonly changes: readonly MirrorChange[];
}

/** A Map of the whole bucket by one watch, read anew after every doubt. Deleted keys are absent. */
export interface KvMirror {
  /**
   * Resolves after the first full read. Rejects with ClosedError when closed before, with BrokerError where waiting
   * does not help: no right, no room for another consumer.
   */
  readonly synced: Promise<void>;
  /** Why the last attempt to read it failed; absent once it is whole. */
  readonly failure: Smb2NatsError | undefined;
  /** Full reads so far. */
  readonly generation: number;
  /** Whether the watch is whole now: between a doubt and the next full read it is not. */
  readonly current: boolean;
  readonly size: number;
  get(key: string): KvEntry | undefined;
  entries(): Iterable<KvEntry>;
  /** Called in order, after the Map has changed. Must not throw. Returns the unsubscribe function. */
  onBatch(listener: (batch: MirrorBatch) => void): () => void;
  /** A write of our own was acknowledged: it must come back through the watch. */
  expectEcho(key: string, revision: number): void;
  /** Monotonic time of the last expected echo seen; proof that the watch is alive. */
  readonly lastEchoAt: number | undefined;
  /** Reads the bucket anew now. */
  refresh(): void;
  close(): Promise<void>;
}

export interface PublisherOptions {
  /**
   * The fence: asked at each attempt to publish. While false everything is held, nothing is dropped; `resume` or a
   * timer asks again.
   */
  readonly mayPublish: () => boolean;
  /** Called when the fence closes and when it opens again. */
  readonly onFence?: (held: boolean) => void;
  /** Unacknowledged publishes at once, over all subjects. Default 256. */
  readonly maxInFlight?: number;
  /** Messages waiting, over all watches. Default 20,000. */
  readonly maxMessages?: number;
  /** Bytes waiting, over all watches. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Size up to which changes of one directory share a message, bytes. Default 512 KiB, less where the server's limit asks. */
  readonly maxMessageBytes?: number;
  /** Changes of one message. Default 1,000. */
  readonly maxChanges?: number;
  /** Wait for one acknowledgement. Default 2,000. */
  readonly ackTimeoutMs?: number;
  /** See `EventMode`. Default `binary`. */
  readonly mode?: "binary" | "structured";
}

/** What waits or is unacknowledged. */
export interface OutboxDepth {
  readonly messages: number;
  readonly bytes: number;
  readonly inFlight: number;
  /** Age of the oldest of it, ms; 0 when there is none. */
  readonly lagMs: number;
}

export interface EventPublisher {
  /** @throws BrokerError `BROKER_BAD_NAME`, ClosedError */
  open(options: WatchPublisherOptions): WatchPublisher;
  readonly depth: OutboxDepth;
  /** Ask the fence again now. */
  resume(): void;
  /** Closes all watches: with `flushMs`, waits that long for what is queued. Idempotent. */
  close(options?: { readonly flushMs?: number }): Promise<void>;
}

export interface WatchPublisherOptions {
  readonly connection: string;
  /** The covering watch's directory: where an `outbox-full` resync is told. */
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  readonly caseSensitive: boolean;
  /** CloudEvents source, `smb://<server>/<share>`. */
  readonly source: string;
  /** `<bucket nonce>-<claim revision>`. */
  readonly epoch: string;
  /**
   * Directories besides the event's own on whose subjects a resync is told as well: those inside its scope with a
   * live ref. Default none.
   */
  readonly resyncTargets?: (event: ResyncEvent) => readonly CanonicalPath[];
}

/**
 * Messages of one covering watch under one epoch, with one growing `seq`. Per directory: in order, one publish in
 * flight, what arrives meanwhile shares the next message. Handing in never blocks and never throws; after `close` it
 * does nothing.
 */
export interface WatchPublisher {
  readonly epoch: string;
  /**
   * Where everything handed in so far ends: number of the last message, and a point of the stream behind it and before
   * whatever is told next. `undefined` while something waits or is unacknowledged, or was given up.
   */
  readonly position: { readonly seq: number; readonly cursor: Cursor } | undefined;
  /** @param told - see `WatchSink`; rising, but for what was held back */
  changes(event: ChangesEvent, told?: number): void;
  resync(event: ResyncEvent, told?: number): void;
  state(event: StateEvent): void;
  /** A snapshot of all told up to this number is taken: no message says something of before and of after it. */
  mark(told: number): void;
  /** Resolves `true` once all told up to this number is stored; `false` when the watch is closed before. */
  stored(told: number): Promise<boolean>;
  /** Resolves once nothing is waiting or unacknowledged. @throws DeadlineError, AbortedError */
  flush(options?: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number }): Promise<void>;
  /**
   * Takes no more. With `flushMs`, tries that long to get the queue out; what is left is dropped. Resolves `true` when
   * everything had been acknowledged, so nothing was lost. Idempotent.
   */
  close(options?: { readonly flushMs?: number }): Promise<boolean>;
}

/** Opaque to callers: `<stream nonce>:<stream sequence>`. */
export type Cursor = string;

export interface FeedMessage {
  readonly cursor: Cursor;
  /** `smb.…`, whether it came live or from the stream. */
  readonly subject: string;
  readonly message: EventMessage;
}

export interface FeedListener {
  /** A message that breaks the contract comes as a resync of its directory. */
  onMessage(message: FeedMessage): void;
  /** Messages were lost for good: everything of this connection must be listed again. */
  onGap(reason: Extract<ResyncReason, "slow-consumer" | "retention">): void;
}

export interface FeedSubscription {
  /** Resolves when nothing published from now on can be missed. Rejects with ClosedError when closed before. */
  readonly ready: Promise<void>;
  /** Of the newest message delivered; before one was, of the stream's end at the start. */
  readonly cursor: Cursor | undefined;
  close(): void;
}

export interface ReplayScope {
  readonly connection: string;
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  readonly caseSensitive: boolean;
}

export interface EventFeed {
  /** All messages of a connection from now on, in order per directory, gap-free. Listener calls must not throw. */
  follow(connection: string, listener: FeedListener): FeedSubscription;
  /**
   * What was stored for a scope after `since`, oldest first, ending at the present.
   * @throws BrokerError `BROKER_RETENTION` when the stream no longer holds it, or the cursor is of another stream.
   */
  replay(
    scope: ReplayScope,
    since: Cursor,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<FeedMessage>;
  /** Whether anything was stored for a scope after `since`: one request, no consumer. @throws as `replay` */
  isSilent(
    scope: ReplayScope,
    since: Cursor,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<boolean>;
  /** Of the stream's end now. */
  end(): Promise<Cursor>;
}

/** Small blobs by name, newest wins. */
export interface ObjectBucket {
  /** @throws BrokerError `BROKER_TOO_LARGE` */
  put(name: string, data: Uint8Array, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Absent and damaged are `undefined`. @throws BrokerError `BROKER_TOO_LARGE` when what is stored passes our limit. */
  get(name: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Uint8Array | undefined>;
  delete(name: string): Promise<void>;
}
