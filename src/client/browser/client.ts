import { after, type Frame, gatewayError, Link } from "./link.ts";
import { GatewayMirror } from "./mirror.ts";
import type {
  Client,
  ConnectOptions,
  GatewayError,
  Listing,
  Mirror,
  MirrorOptions,
  Status,
  SubscribeOptions,
  Subscription,
  Workers,
} from "./types.ts";

export type * from "./types.ts";

/** A subscription that failed for one of these may succeed later by itself. */
const RETRYABLE: ReadonlySet<string> = new Set(["unreachable", "limit", "internal", "timeout"]);
const RESUBSCRIBE_MS = 5_000;

/** One directory, and all who listen to it. */
interface Entry {
  readonly key: string;
  readonly connection: string;
  readonly path: string;
  /** As the gateway is told the path, and echoes it. */
  readonly wirePath: string;
  readonly recursive: boolean;
  readonly listeners: Set<SubscribeOptions>;
  readonly ready: Promise<void>;
  readonly settle: (error?: GatewayError) => void;
  detail: boolean;
  /** The shortest that a listener asked for. */
  windowMs: number | undefined;
  /** Where to resume. */
  cursor: string | undefined;
  subscribed: boolean;
  /** It was told an error, and is tried again. */
  failed: boolean;
  cancelRetry: (() => void) | undefined;
}

/**
 * Connects to a gateway and stays connected: after a drop it comes back with growing, random delays,
 * subscribes again, and resumes each directory where it was cut off, or tells `onResync`.
 *
 * @param url `ws(s)://…/ws` or `http(s)://…/ws`, also relative to the page.
 * @throws TypeError for a URL that is none, Error where there is no WebSocket.
 */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new GatewayClient(url, options);
}

class GatewayClient implements Client {
  readonly #entries = new Map<string, Entry>();
  /** The same, by what the gateway's frames say. */
  readonly #byWire = new Map<string, Entry>();
  readonly #mirrors = new Map<string, GatewayMirror>();
  readonly #link: Link;

  constructor(url: string, options: ConnectOptions) {
    this.#link = new Link(url, options, {
      onOpen: () => {
        for (const entry of this.#entries.values()) void this.#subscribe(entry);
        for (const mirror of this.#mirrors.values()) void mirror.begin();
      },
      onFrame: (frame) => {
        const name = wireKey(frame.connection_id ?? "", frame.path ?? "");
        const entry = this.#byWire.get(name);
        if (entry !== undefined) this.#onFrame(entry, frame);
        else this.#mirrors.get(name)?.onFrame(frame);
      },
      onLost: () => {
        for (const mirror of this.#mirrors.values()) mirror.lost();
      },
      onEnd: (error) => {
        for (const entry of this.#entries.values()) {
          entry.cancelRetry?.();
          entry.settle(error);
        }
        for (const mirror of this.#mirrors.values()) {
          mirror.lost();
          mirror.end(error);
        }
        this.#entries.clear();
        this.#byWire.clear();
        this.#mirrors.clear();
      },
    });
  }

  get status(): Status {
    return this.#link.status;
  }

  subscribe(connection: string, path: string, options: SubscribeOptions = {}): Subscription {
    const recursive = options.recursive ?? false;
    const key = wireKey(connection, `${recursive} ${path}`);
    const existing = this.#entries.get(key);
    const isNew = existing === undefined;
    const entry = existing ?? this.#newEntry(key, connection, path, recursive);
    const { windowMs = entry.windowMs } = options;
    const sooner = windowMs !== undefined && !((entry.windowMs ?? windowMs + 1) <= windowMs);
    const wantsMore = sooner || (options.detail === "changes" && !entry.detail);
    if (sooner) entry.windowMs = windowMs;
    if (options.detail === "changes") entry.detail = true;
    // A copy, so that the same options may be used twice.
    const listener = { ...options };
    entry.listeners.add(listener);
    if ((isNew || wantsMore) && this.#link.open) void this.#subscribe(entry);
    return { ready: entry.ready, close: () => this.#unsubscribe(entry, listener) };
  }

  mirror(connection: string, path: string, { recursive = false, signal }: MirrorOptions = {}): Mirror {
    const wirePath = this.#wirePath(connection, path);
    const name = wireKey(connection, wirePath);
    const onAbort = (): void => void mirror.close();
    const mirror: GatewayMirror = new GatewayMirror({
      connection,
      path,
      wirePath,
      recursive,
      open: () => this.#link.open,
      send: (message) => this.#link.send(message),
      onClose: () => {
        signal?.removeEventListener("abort", onAbort);
        if (!this.#mirrors.delete(name)) return;
        const request = { action: "unsubscribe", connection_id: connection, path: wirePath };
        this.#link.send(request).catch(() => undefined);
      },
    });
    this.#mirrors.set(name, mirror);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    else if (this.#link.over) mirror.end(gatewayError("closed", "the client is closed"));
    else if (this.#link.open) void mirror.begin();
    return mirror;
  }

  async list(connection: string, path: string, options: { readonly after?: string } = {}): Promise<Listing> {
    const request = { action: "list", connection_id: connection, path, ...options };
    const { entries = [], next } = await this.#link.request(request);
    return { entries, ...(next === undefined ? {} : { next }) };
  }

  async connections(): Promise<readonly string[]> {
    return (await this.#link.request({ action: "connections" })).connections ?? [];
  }

  async workers(): Promise<Workers> {
    const { current = false, workers = [] } = await this.#link.request({ action: "workers" });
    return { current, workers };
  }

  close(): void {
    this.#link.close();
  }

  #onFrame(entry: Entry, frame: Frame): void {
    const { connection, path } = entry;
    const about = { connection, path, directory: frame.directory ?? path };
    if (frame.type === "error") {
      this.#onRefused(entry, gatewayError(frame.code, frame.message));
    } else if (frame.type === "unsubscribed") {
      this.#onEnded(entry);
    } else if (frame.type === "state" && frame.state !== undefined) {
      const { state, mode = "notify", error, late } = frame;
      const event = {
        ...about,
        state,
        mode,
        ...(error === undefined ? {} : { error }),
        ...(late === undefined ? {} : { late }),
      };
      tell(entry, (listener) => listener.onState?.(event));
    } else if (frame.type === "directory_changed") {
      entry.cursor = frame.cursor ?? entry.cursor;
      if (frame.resync === true) {
        const { scope = "self", reason = "unknown", jitterMs = 0 } = frame;
        resync(entry, { ...about, scope, reason }, jitterMs);
        return;
      }
      const { changes, epoch, seq, via } = frame;
      const event = {
        ...about,
        ...(changes === undefined ? {} : { changes }),
        ...(epoch === undefined ? {} : { epoch }),
        ...(seq === undefined ? {} : { seq }),
        ...(via === undefined ? {} : { via }),
      };
      tell(entry, (listener) => listener.onChange?.(event));
    }
  }

  /** Never rejects. */
  async #subscribe(entry: Entry): Promise<void> {
    entry.cancelRetry?.();
    entry.cancelRetry = undefined;
    const { connection, path, recursive, wirePath } = entry;
    const resuming = entry.subscribed;
    const since = resuming ? entry.cursor : undefined;
    try {
      const frame = await this.#link.send({
        action: "subscribe",
        connection_id: connection,
        path: wirePath,
        ...(recursive ? { recursive } : {}),
        ...(entry.detail ? { detail: "changes" } : {}),
        ...(entry.windowMs === undefined ? {} : { windowMs: entry.windowMs }),
        ...(since === undefined ? {} : { since }),
      });
      if (frame.type !== "subscribed") {
        this.#onEnded(entry);
        return;
      }
      entry.cursor = frame.cursor ?? entry.cursor;
      entry.subscribed = true;
      entry.settle();
      const { late } = frame;
      if (entry.failed || late !== undefined) {
        entry.failed = false;
        // What is not well after all is told next.
        const live = { connection, path, directory: path, state: "live", mode: "notify" } as const;
        const event = late === undefined ? live : { ...live, late };
        tell(entry, (listener) => listener.onState?.(event));
      }
      if (resuming && since === undefined) {
        const scope = recursive ? "subtree" : "self";
        resync(entry, { connection, path, directory: path, scope, reason: "reconnect" }, 0);
      }
    } catch (error) {
      const refusal = error as GatewayError;
      // A lost connection is not an answer: the next one subscribes again.
      if (refusal.code !== "closed") this.#onRefused(entry, refusal);
    }
  }

  /** The gateway took an `unsubscribe` of the same directory in another spelling for this one's. */
  #onEnded(entry: Entry): void {
    if (this.#entries.get(entry.key) === entry) void this.#subscribe(entry);
  }

  #onRefused(entry: Entry, error: GatewayError): void {
    if (this.#entries.get(entry.key) !== entry) return;
    if (RETRYABLE.has(error.code)) {
      entry.failed = true;
      entry.cancelRetry?.();
      entry.cancelRetry = after(RESUBSCRIBE_MS * (0.5 + Math.random()), () => {
        if (this.#link.open) void this.#subscribe(entry);
      });
    } else {
      this.#forget(entry);
      entry.settle(error);
    }
    tell(entry, (listener) => listener.onError?.(error));
  }

  #unsubscribe(entry: Entry, listener: SubscribeOptions): void {
    if (!entry.listeners.delete(listener) || entry.listeners.size > 0) return;
    entry.cancelRetry?.();
    if (this.#entries.get(entry.key) !== entry) return;
    this.#forget(entry);
    entry.settle(gatewayError("closed", "the subscription was closed"));
    const { connection, wirePath: path } = entry;
    this.#link.send({ action: "unsubscribe", connection_id: connection, path }).catch(() => undefined);
  }

  /**
   * To the gateway the path as sent is the name of a subscription, so a directory wanted both alone and with
   * all below, or mirrored, goes by several spellings: a trailing slash means nothing.
   */
  #wirePath(connection: string, path: string): string {
    let wirePath = path;
    for (;;) {
      const name = wireKey(connection, wirePath);
      if (!this.#byWire.has(name) && !this.#mirrors.has(name)) return wirePath;
      wirePath += "/";
    }
  }

  #newEntry(key: string, connection: string, path: string, recursive: boolean): Entry {
    const wirePath = this.#wirePath(connection, path);
    const entry = newEntry({ key, connection, path, wirePath, recursive });
    this.#entries.set(key, entry);
    this.#byWire.set(wireKey(connection, wirePath), entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#entries.delete(entry.key);
    this.#byWire.delete(wireKey(entry.connection, entry.wirePath));
  }
}

/** Where thousands are told at once, each lists at a moment of its own. */
function resync(
  entry: Entry,
  event: Parameters<NonNullable<SubscribeOptions["onResync"]>>[0],
  jitterMs: number,
): void {
  const now = (): void => tell(entry, (listener) => listener.onResync?.(event));
  if (jitterMs > 0) after(Math.random() * jitterMs, now);
  else now();
}

/** One listener that throws must not cost the others their event: its error is reported as uncaught. */
function tell(entry: Entry, call: (listener: SubscribeOptions) => void): void {
  for (const listener of [...entry.listeners]) {
    try {
      call(listener);
    } catch (error) {
      after(0, () => {
        throw error;
      });
    }
  }
}

function newEntry(about: Pick<Entry, "key" | "connection" | "path" | "wirePath" | "recursive">): Entry {
  let resolve: () => void = () => undefined;
  let reject: (error: GatewayError) => void = () => undefined;
  const ready = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Whoever wants to know awaits it; nobody has to.
  ready.catch(() => undefined);
  return {
    ...about,
    listeners: new Set(),
    ready,
    settle: (error) => (error === undefined ? resolve() : reject(error)),
    detail: false,
    windowMs: undefined,
    cursor: undefined,
    subscribed: false,
    failed: false,
    cancelRetry: undefined,
  };
}

/** No path that is let in has a line feed. */
function wireKey(connection: string, path: string): string {
  return `${connection}\n${path}`;
}
