import type {
  Change,
  ConnectOptions,
  GatewayError,
  ListedEntry,
  StateEvent,
  Status,
  WebSocketConstructor,
  WebSocketLike,
  Worker,
} from "./types.ts";

const PROTOCOL = "smb2nats.v1";
const OPEN = 1;
/** The gateway pings, but a browser hides that: we ask ourselves whether it is still there. */
const HEARTBEAT_MS = 25_000;
const HEARTBEAT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 45_000;
/** A connection that lasted this long was a good one: the next delay starts small again. */
const GOOD_MS = 5_000;

/** Any frame of the gateway, before its `type` is looked at. */
export interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly connection_id?: string;
  readonly path?: string;
  readonly directory?: string;
  readonly cursor?: string;
  readonly code?: string;
  readonly message?: string;
  readonly changes?: readonly Change[];
  readonly epoch?: string;
  readonly seq?: number;
  readonly via?: "notify" | "rescan" | "poll";
  readonly resync?: boolean;
  readonly scope?: "self" | "subtree";
  readonly reason?: string;
  readonly jitterMs?: number;
  readonly state?: StateEvent["state"];
  readonly mode?: StateEvent["mode"];
  readonly error?: string;
  readonly late?: StateEvent["late"];
  readonly connections?: readonly string[];
  readonly current?: boolean;
  readonly workers?: readonly Worker[];
  /** Of a snapshot they may lack all but the name. */
  readonly entries?: readonly ListedEntry[];
  readonly next?: string;
  readonly page?: number;
  readonly more?: boolean;
  readonly ignoreCase?: boolean;
  readonly tooLarge?: boolean;
}

export interface LinkHooks {
  /** Connected, and authenticated where there is a token. */
  onOpen(): void;
  /** A frame that answers no request. */
  onFrame(frame: Frame): void;
  /** The connection is gone; another one will be tried. */
  onLost(): void;
  /** There will be no other connection. */
  onEnd(error: GatewayError): void;
}

interface Waiter {
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: GatewayError) => void;
  readonly cancel: () => void;
}

interface PageEvents {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The few globals of a page that help, where they exist. */
interface PageGlobals extends Partial<PageEvents> {
  readonly WebSocket?: WebSocketConstructor;
  readonly location?: { readonly href: string };
  readonly document?: PageEvents & { readonly visibilityState?: string };
}

const page = globalThis as unknown as PageGlobals;

/**
 * One connection after the other: opens, authenticates, matches answers to requests, notices silence, and
 * comes back with growing, random delays until it is closed or told not to.
 */
export class Link {
  readonly #url: string;
  readonly #options: ConnectOptions;
  readonly #hooks: LinkHooks;
  readonly #WebSocket: WebSocketConstructor;
  readonly #waiters = new Map<number, Waiter>();
  /** Requests made while there is no connection. */
  readonly #waitingForOpen = new Set<(error?: GatewayError) => void>();
  #socket: WebSocketLike | undefined;
  #status: Status = { state: "connecting" };
  #attempt = 0;
  #openedAt = 0;
  #lastId = 0;
  #cancelRetry: (() => void) | undefined;
  #cancelHeartbeat: (() => void) | undefined;

  /** @throws TypeError for a URL that is none, Error where there is no WebSocket. */
  constructor(url: string, options: ConnectOptions, hooks: LinkHooks) {
    const WebSocket = options.WebSocket ?? page.WebSocket;
    if (WebSocket === undefined) throw new Error("there is no WebSocket here: pass one in the options");
    this.#WebSocket = WebSocket;
    this.#url = absolute(url);
    this.#options = options;
    this.#hooks = hooks;
    page.addEventListener?.("online", this.#wake);
    page.document?.addEventListener("visibilitychange", this.#wake);
    // Not before the caller has what we return: its callbacks may use it.
    this.#cancelRetry = after(0, () => void this.#open());
  }

  get status(): Status {
    return this.#status;
  }

  get open(): boolean {
    return this.#status.state === "open";
  }

  /** There will be no other connection. */
  get over(): boolean {
    return this.#isFinal();
  }

  /** Sends now, or as soon as there is a connection. Rejects with GatewayError. */
  async request(message: object): Promise<Frame> {
    if (!this.open) await this.#opened();
    return this.send(message);
  }

  /** Sends now. Rejects with GatewayError: `closed` without a connection or when it is lost, `timeout`. */
  send(message: object, timeoutMs: number = this.#timeoutMs): Promise<Frame> {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState !== OPEN) {
      return Promise.reject(gatewayError("closed", "there is no connection"));
    }
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const cancel = after(timeoutMs, () => {
        this.#waiters.delete(id);
        reject(gatewayError("timeout", "no answer in time"));
      });
      this.#waiters.set(id, { resolve, reject, cancel });
      socket.send(JSON.stringify({ ...message, id }));
    });
  }

  /** Idempotent. */
  close(): void {
    if (this.#isFinal()) return;
    const socket = this.#socket;
    this.#drop();
    this.#finish({ state: "closed" });
    socket?.close(1000, "done");
  }

  /** The network or the user is back: no need to sit the delay out, nor to trust an old connection. */
  readonly #wake = (): void => {
    if (page.document?.visibilityState === "hidden") return;
    if (this.#status.state === "waiting") {
      this.#cancelRetry?.();
      void this.#open();
    } else if (this.open) this.#beat();
  };

  /** Never rejects. */
  async #open(): Promise<void> {
    this.#setStatus({ state: "connecting" });
    const { token } = this.#options;
    let given: string | undefined;
    try {
      given = typeof token === "function" ? await token() : token;
    } catch {
      if (!this.#isFinal()) this.#retry(undefined, "no token");
      return;
    }
    if (this.#isFinal()) return;
    const socket = new this.#WebSocket(this.#url, [PROTOCOL]);
    this.#socket = socket;
    socket.onopen = () => void this.#onOpen(socket, given);
    socket.onmessage = (event: { readonly data: unknown }) => {
      if (socket === this.#socket) this.#onText(event.data);
    };
    socket.onclose = (event: { readonly code: number; readonly reason: string }) => {
      if (socket === this.#socket) this.#onClose(event.code, event.reason);
    };
    // A close event always follows.
    socket.onerror = () => undefined;
  }

  /** Never rejects. */
  async #onOpen(socket: WebSocketLike, token: string | undefined): Promise<void> {
    if (token !== undefined && token !== "") {
      try {
        await this.send({ action: "auth", token });
      } catch {
        // The gateway closes, and its close code says what to do; one that does not answer is left.
        socket.close();
        return;
      }
    }
    if (socket !== this.#socket) return;
    this.#openedAt = Date.now();
    this.#setStatus({ state: "open" });
    this.#cancelHeartbeat = after(HEARTBEAT_MS, () => this.#beat());
    this.#hooks.onOpen();
    this.#settleOpened();
  }

  #onText(data: unknown): void {
    let frame: Frame;
    try {
      frame = JSON.parse(String(data)) as Frame;
    } catch {
      return;
    }
    const waiter = frame.id === undefined ? undefined : this.#waiters.get(frame.id);
    if (waiter === undefined || frame.id === undefined) {
      this.#hooks.onFrame(frame);
      return;
    }
    this.#waiters.delete(frame.id);
    waiter.cancel();
    if (frame.type === "error") waiter.reject(gatewayError(frame.code, frame.message));
    else waiter.resolve(frame);
  }

  #onClose(code: number, reason: string): void {
    this.#drop();
    // 1008 and 4500-4999 say no; a fixed token that ran out will not get younger either.
    const fixed = typeof this.#options.token === "string";
    if (code === 1008 || code >= 4500 || (code === 4401 && fixed)) {
      this.#finish({ state: "refused", code, reason });
    } else this.#retry(code, reason);
  }

  #retry(code: number | undefined, reason: string): void {
    if (this.open) this.#hooks.onLost();
    if (this.#openedAt > 0 && Date.now() - this.#openedAt > GOOD_MS) this.#attempt = 0;
    this.#openedAt = 0;
    const { initialMs = 500, maxMs = 30_000 } = this.#options.backoff ?? {};
    const step = Math.min(maxMs, initialMs * 2 ** Math.min(this.#attempt++, 16));
    const retryMs = Math.round(step / 2 + (Math.random() * step) / 2);
    this.#cancelRetry = after(retryMs, () => void this.#open());
    this.#setStatus({ state: "waiting", retryMs, reason, ...(code === undefined ? {} : { code }) });
  }

  /** A connection that does not answer is given up: waiting for its close event could take minutes. */
  #beat(): void {
    this.#cancelHeartbeat?.();
    const socket = this.#socket;
    this.send({ action: "ping" }, HEARTBEAT_TIMEOUT_MS).then(
      () => {
        if (socket === this.#socket) this.#cancelHeartbeat = after(HEARTBEAT_MS, () => this.#beat());
      },
      () => {
        if (socket === undefined || socket !== this.#socket) return;
        this.#onClose(1006, "silent");
        socket.close();
      },
    );
  }

  /** Forgets the connection, and all who wait for an answer on it. */
  #drop(): void {
    this.#socket = undefined;
    this.#cancelHeartbeat?.();
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) {
      waiter.cancel();
      waiter.reject(gatewayError("closed", "the connection was lost"));
    }
  }

  #finish(status: Status): void {
    this.#cancelRetry?.();
    page.removeEventListener?.("online", this.#wake);
    page.document?.removeEventListener("visibilitychange", this.#wake);
    this.#setStatus(status);
    const error = gatewayError("closed", status.reason || "the client was closed");
    this.#settleOpened(error);
    this.#hooks.onEnd(error);
  }

  #opened(): Promise<void> {
    if (this.#isFinal()) return Promise.reject(gatewayError("closed", "the client is closed"));
    return new Promise((resolve, reject) => {
      const settle = (error?: GatewayError): void => {
        cancel();
        this.#waitingForOpen.delete(settle);
        if (error === undefined) resolve();
        else reject(error);
      };
      const cancel = after(this.#timeoutMs, () => settle(gatewayError("timeout", "no connection in time")));
      this.#waitingForOpen.add(settle);
    });
  }

  #settleOpened(error?: GatewayError): void {
    for (const settle of [...this.#waitingForOpen]) settle(error);
  }

  get #timeoutMs(): number {
    return this.#options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  }

  #isFinal(): boolean {
    return this.#status.state === "closed" || this.#status.state === "refused";
  }

  #setStatus(status: Status): void {
    this.#status = status;
    this.#options.onStatus?.(status);
  }
}

export function gatewayError(code = "internal", message: string = code): GatewayError {
  return Object.assign(new Error(message), { code });
}

/** A timer whose handle has no type of its own. Returns the cancel function. */
export function after(ms: number, fn: () => void): () => void {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
}

function absolute(url: string): string {
  const resolved = new URL(url, page.location?.href);
  resolved.protocol = resolved.protocol.replace("http", "ws");
  resolved.hash = "";
  return resolved.href;
}
