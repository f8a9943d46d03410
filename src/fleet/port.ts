import type { CanonicalPath } from "../base/path.ts";
import type { EventMessage } from "../broker/message.ts";
import type { Late, PublicState, WatchMode } from "../watch/events.ts";

/**
 * The consumer's side of the fleet: what a gateway and the watch client need. Implemented by
 * `FleetMember` over NATS; it holds one lease, mirrors the bucket, writes refs, follows claims.
 */
export interface FleetClient {
  readonly leaseId: string;
  /** Registers interest. Refs are counted inside: the KV ref is written once per target, and removed a linger after the last release. */
  acquire(target: WatchTarget): WatchRef;
  /**
   * All messages of a connection from now on, in order per directory, gap-free: what a reconnect or a slow consumer
   * made us miss is replayed from the stream first, or told as a gap.
   */
  follow(connection: string, listener: FeedListener): FeedSubscription;
  /**
   * What was stored for a scope after `since`, oldest first, ending at the present.
   * @throws FleetError `RETENTION` when the stream no longer holds it, or the cursor is of another stream.
   */
  replay(
    target: WatchTarget,
    since: Cursor,
    options: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<FeedMessage>;
  /**
   * Lists a directory through a worker: what has been told of it, where its watch is in no doubt, or else the file server.
   * @throws FleetError with the contract's code
   */
  list(request: ListRequest, options?: { readonly signal?: AbortSignal | undefined }): Promise<Listing>;
  /**
   * What many directories of one connection are, by a look that a worker takes now, without watching any of them: in the order asked.
   * @throws FleetError with the contract's code
   */
  stat(
    request: StatRequest,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly StatAnswer[]>;
  /**
   * What consumers of a directory have been told so far, as its owner has it: no file server is asked. Follow the
   * connection first: what is told after the snapshot comes that way.
   * @throws FleetError with the contract's code, or `too_large`
   */
  snapshot(
    target: WatchTarget,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<DirectorySnapshot>;
  /** The workers of the fleet; not newer than a second, so that asking often costs little. */
  workers(): Workers;
  close(): Promise<void>;
}

export interface Workers {
  /** `false`: NATS is away, and this is how it was. */
  readonly current: boolean;
  /** By lease. */
  readonly workers: readonly WorkerStatus[];
}

export interface WorkerStatus {
  readonly lease: string;
  readonly host: string;
  readonly ttlMs: number;
  /** It is leaving, and takes nothing new. */
  readonly draining: boolean;
  /** Those it can serve; absent: it does not say. */
  readonly connections?: readonly string[];
  /** Connections it cannot reach. */
  readonly deny: readonly string[];
  /** How many it holds, by connection. */
  readonly watches: ReadonlyMap<string, number>;
  /** What waited to be published at its last renewal, and the age of the oldest, ms. */
  readonly lag: { readonly messages: number; readonly ms: number };
  /** Since a renewal was last seen from here, ms. */
  readonly silentMs?: number;
}

export interface WatchTarget {
  readonly connection: string;
  readonly path: CanonicalPath;
  readonly recursive: boolean;
}

export interface WatchRef {
  readonly target: WatchTarget;
  /**
   * Resolves once the claim that serves this target says `live`; rejects with FleetError (`not_found`, `denied`,
   * `not_a_directory`, `unreachable`, …) when it says it cannot: what is only remembered is looked at first. A ref stays registered either way until released.
   */
  readonly ready: Promise<void>;
  readonly state: RefState;
  /** Called on every change of `state`. Returns the unsubscribe function. */
  onState(listener: (state: RefState) => void): () => void;
  /**
   * Takes a look now, where `state` remembers the directory as gone, denied or unreachable. Resolves where nothing speaks
   * against it, and whoever watches it has been asked to try again; `state` follows.
   * @throws FleetError for what was seen
   */
  look(): Promise<void>;
  release(): void;
}

export interface RefState {
  readonly state: PublicState | "starting" | "unclaimed";
  readonly mode: WatchMode;
  readonly error?: string;
  readonly late?: Late;
  /** Contract code of the failure, where there is one. */
  readonly code?: FleetErrorCode;
}

export type FleetErrorCode =
  | "bad_path"
  | "unknown_connection"
  | "denied"
  | "not_found"
  | "not_a_directory"
  | "unreachable"
  | "limit"
  | "internal";

/** Opaque to callers: `<stream nonce>:<stream sequence>`. */
export type Cursor = string;

export interface FeedMessage {
  readonly cursor: Cursor;
  readonly subject: string;
  readonly message: EventMessage;
}

export interface FeedListener {
  onMessage(message: FeedMessage): void;
  /** Messages of this connection were lost for good: everyone must list again. */
  onGap(reason: "slow-consumer" | "retention"): void;
}

export interface FeedSubscription {
  /** Resolves when the subscription is known to the server. */
  readonly ready: Promise<void>;
  /** Cursor of the newest message seen, or of the stream's end when none was. */
  readonly cursor: Cursor | undefined;
  close(): void;
}

export interface DirectorySnapshot {
  /** Whose words these are: see `EventBase`. */
  readonly epoch: string;
  /** Every event of that epoch up to this number is in it, and none beyond. */
  readonly told: number;
  /** All of that is in the stream. If it is not, a later epoch does not go on from it. */
  readonly stored: boolean;
  /** What its owner watches. */
  readonly servedBy: { readonly path: CanonicalPath; readonly recursive: boolean };
  /** Parents before what is below them. */
  readonly directories: readonly SnapshotDirectory[];
}

export interface SnapshotDirectory {
  readonly path: CanonicalPath;
  readonly entries: readonly SnapshotEntry[];
  /** It has more entries than are remembered: none is told, only what changes. */
  readonly tooLarge?: true;
}

/** Absent members are not known: the entry has been heard of, or has changed, and nobody could look in time. */
export interface SnapshotEntry {
  readonly name: string;
  readonly type?: "file" | "directory";
  /** Bytes. */
  readonly size?: number;
  /** RFC 3339 UTC. */
  readonly modified?: string;
}

export interface ListRequest {
  readonly connection: string;
  readonly path: CanonicalPath;
  /** Where to go on: `next` of the page before, or a name to continue after. */
  readonly after?: string;
  /** Default 1,000; at most 5,000. */
  readonly limit?: number;
  /** From the file server, also where what has been told is known. */
  readonly fresh?: boolean;
}

export interface StatRequest {
  readonly connection: string;
  /** At most `MOST_PATHS`, and no more than one request of the control API holds. */
  readonly paths: readonly CanonicalPath[];
}

/** Paths of one `StatRequest`. */
export const MOST_PATHS = 256;

/** A directory is there, or why none can be seen. */
export type StatAnswer = "directory" | FleetErrorCode;

export interface ListedEntry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes. */
  readonly size: number;
  /** RFC 3339 UTC. */
  readonly modified: string;
  readonly fileId?: string;
}

export interface Listing {
  readonly entries: readonly ListedEntry[];
  /** Pass as `after` for the next page; absent at the end. */
  readonly next?: string;
  /**
   * Where in the order of events it stands: it is what the owner of a watch had told by then, without file ids. Pages
   * of one instant have the same. Absent where the file server was asked.
   */
  readonly position?: ListingPosition;
}

export interface ListingPosition {
  readonly epoch: string;
  /** Every event of that epoch up to this number is in it, and none beyond. */
  readonly told: number;
}
