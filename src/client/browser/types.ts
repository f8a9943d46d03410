/** The vocabulary of the browser client. No Node, no DOM types: the page's own are structurally enough. */

export type ChangeAction = "added" | "removed" | "modified" | "renamed" | "ready";

export interface Change {
  readonly action: ChangeAction;
  readonly name: string;
  readonly oldName?: string;
  /** With `renamed`, for mirrors: what lies below does not move along. */
  readonly emptied?: true;
  readonly stream?: true;
  readonly movedTo?: string;
  readonly movedFrom?: string;
  readonly type?: "file" | "directory";
  /** Bytes. */
  readonly size?: number;
  /** RFC 3339. */
  readonly modified?: string;
  readonly fileId?: string;
  readonly settled?: true;
  /** With `ready`: nobody had the file open for writing; `false`: that could not be asked, or was not waited for. */
  readonly closed?: boolean;
}

/** Something in a subscribed directory changed. */
export interface ChangeEvent {
  readonly connection: string;
  /** As given to `subscribe`. */
  readonly path: string;
  /** With `recursive`: the directory that changed; else the same as `path`. */
  readonly directory: string;
  /** With `detail: "changes"`. */
  readonly changes?: readonly Change[];
  readonly epoch?: string;
  readonly seq?: number;
  readonly via?: "notify" | "rescan" | "poll";
}

/** What you know of this scope may be stale: list it again. */
export interface ResyncEvent {
  readonly connection: string;
  readonly path: string;
  readonly directory: string;
  readonly scope: "self" | "subtree";
  /** The server's reason, or `reconnect` when this client was away and could not resume. */
  readonly reason: string;
}

/** What is not told at once but found by looking, and within how many seconds. */
export interface Late {
  /** Entries made, removed or renamed on the server itself; in `poll` mode by anybody. */
  readonly names: number;
  /** Writes to files that were there. */
  readonly contents?: number;
}

export interface StateEvent {
  readonly connection: string;
  readonly path: string;
  readonly directory: string;
  readonly state: "live" | "degraded" | "gone" | "denied" | "unreachable";
  readonly mode: "notify" | "poll";
  readonly error?: string;
  /** Absent where the server tells everything at once. */
  readonly late?: Late;
}

export interface ListedEntry {
  readonly name: string;
  readonly type: "file" | "directory";
  readonly size: number;
  readonly modified: string;
  readonly fileId?: string;
}

export interface Listing {
  readonly entries: readonly ListedEntry[];
  /** Pass as `after` for the next page; absent on the last one. */
  readonly next?: string;
}

/**
 * - `connecting`: a connection is being opened, or its token checked.
 * - `open`:       requests are served.
 * - `waiting`:    the connection is down; the next try comes after `retryMs`, or when the network returns.
 * - `refused`:    the gateway said not to come back (`reason`). Final.
 * - `closed`:     by `close()`. Final.
 */
export interface Status {
  readonly state: "connecting" | "open" | "waiting" | "refused" | "closed";
  readonly retryMs?: number;
  /** Close code of the last connection. */
  readonly code?: number;
  readonly reason?: string;
}

export interface SubscribeOptions {
  readonly recursive?: boolean;
  /** `changes` names what changed; the default only says that something did. */
  readonly detail?: "none" | "changes";
  /** How long further news of names that have just been told is gathered, ms, 0 to 5,000. Default 100, without `detail` 250. */
  readonly windowMs?: number;
  readonly onChange?: (event: ChangeEvent) => void;
  readonly onResync?: (event: ResyncEvent) => void;
  readonly onState?: (event: StateEvent) => void;
  /**
   * The gateway refused or ended this subscription. It is not tried again, except for `unreachable`, `limit`, `internal` and
   * `timeout`: then `onState` tells when it succeeds.
   */
  readonly onError?: (error: GatewayError) => void;
}

export interface Subscription {
  /** Resolves when first subscribed: a listing taken from then on cannot miss a change. Rejects with GatewayError. */
  readonly ready: Promise<void>;
  close(): void;
}

/** One entry as far as it is known. */
export interface MirrorEntry {
  readonly name: string;
  /** Absent where nobody has looked yet. */
  readonly type?: "file" | "directory";
  /** Bytes. Absent where it is not known, or has changed and nobody has looked since. */
  readonly size?: number;
  /** Last write, RFC 3339 UTC. Absent as `size`. */
  readonly modified?: string;
}

/** As the watch is; `starting` until the gateway has answered. `degraded` also while there is no connection. */
export type MirrorState = StateEvent["state"] | "starting";

/** What `on("change")` hears. */
export type MirrorChange =
  /** `reason`: `first`, or why what was known had to be taken anew. */
  | { readonly type: "snapshot"; readonly reason: string }
  | {
      readonly type: "changes";
      /** Of the directory whose entries changed. */
      readonly path: string;
      readonly via: "notify" | "rescan" | "poll";
      readonly changes: readonly Change[];
    }
  | {
      readonly type: "state";
      readonly state: MirrorState;
      readonly mode: StateEvent["mode"];
      readonly error?: string;
      readonly late?: Late;
    };

/** For `useSyncExternalStore` and its kin: the same object until something changes. */
export interface MirrorView {
  /** The picture is whole. */
  readonly ready: boolean;
  readonly state: MirrorState;
  readonly error?: string;
  /** Of the directory itself; see `Mirror.entries`. */
  readonly entries: readonly MirrorEntry[];
}

export interface MirrorOptions {
  /** The whole tree below the path. Default false. */
  readonly recursive?: boolean;
  /** Closes it. */
  readonly signal?: AbortSignal | undefined;
}

/** A directory, or a tree, that is kept right without listing it; through drops of the connection, too. */
export interface Mirror {
  /** Canonical. */
  readonly path: string;
  readonly recursive: boolean;
  /** Resolves with the first whole picture. Rejects with GatewayError for what cannot heal by itself. */
  readonly ready: Promise<void>;
  readonly state: MirrorState;
  /** Snapshots taken so far, by reason. */
  readonly snapshots: Readonly<Record<string, number>>;
  /**
   * Entries of the directory, or of one below it by its full path, in no order. The same array until something of it
   * changes. Empty where there is no such directory.
   */
  entries(path?: string): readonly MirrorEntry[];
  /** By a name in the directory, or a path below it (`sub/name`). */
  get(name: string): MirrorEntry | undefined;
  /** Whether all entries of a directory are known: it may have more than are remembered. */
  isWhole(path?: string): boolean;
  /** All entries, with their full paths. */
  walk(): IterableIterator<readonly [path: string, entry: MirrorEntry]>;
  /** Called after the picture has followed. Returns the function that takes it back. */
  on(event: "change", listener: (change: MirrorChange) => void): () => void;
  /** With `getSnapshot`, what React's `useSyncExternalStore` asks for. Both may be passed on their own. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => MirrorView;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** The token, or where to get a fresh one each time one is needed. */
  readonly token?: string | (() => string | Promise<string>);
  /** Default: the global one. */
  readonly WebSocket?: WebSocketConstructor;
  readonly onStatus?: (status: Status) => void;
  /** First and longest delay between tries, ms. Default 500 and 30,000. */
  readonly backoff?: { readonly initialMs?: number; readonly maxMs?: number };
  /** Deadline of a request, ms. Default 45,000. */
  readonly requestTimeoutMs?: number;
}

/** A worker as this token may see it. */
export interface Worker {
  /** Of this run of it; opaque. */
  readonly name: string;
  /** `silent`: its last sign of life is overdue. */
  readonly state: "serving" | "draining" | "silent";
  /** Those it serves, of those this token may see something of. */
  readonly connections: readonly string[];
  /** Of `connections`, those whose server it cannot reach. */
  readonly unreachable?: readonly string[];
  /** Since the gateway last heard of it, ms. */
  readonly heardMs?: number;
  /** This and what follows: where the token may see all of one of `connections`. */
  readonly host?: string;
  /** How many it holds, in connections the token may see all of. */
  readonly watches?: number;
  /** How long its oldest unpublished message had waited, ms. */
  readonly lagMs?: number;
}

export interface Workers {
  /** `false`: the gateway is cut off from the fleet, and this is how it was. */
  readonly current: boolean;
  readonly workers: readonly Worker[];
}

export interface Client {
  readonly status: Status;
  subscribe(connection: string, path: string, options?: SubscribeOptions): Subscription;
  /** What is there, and stays right. @throws nothing: see `Mirror.ready` */
  mirror(connection: string, path: string, options?: MirrorOptions): Mirror;
  /** @throws GatewayError */
  list(connection: string, path: string, options?: { readonly after?: string }): Promise<Listing>;
  /** Names of the connections this token may see something of. @throws GatewayError */
  connections(): Promise<readonly string[]>;
  /** The workers that serve them. @throws GatewayError */
  workers(): Promise<Workers>;
  /** Ends everything. Idempotent. */
  close(): void;
}

/** An `error` frame, or a request that did not come to an answer (`closed`, `timeout`). */
export interface GatewayError extends Error {
  /** Code of the protocol (`denied`, `not_found`, …), `closed` or `timeout`. */
  readonly code: string;
}

/** The part of the WebSocket API that is used. */
export interface WebSocketLike {
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
}

export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;
