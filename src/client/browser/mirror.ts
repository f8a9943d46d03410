import { after, type Frame, gatewayError } from "./link.ts";
import { type SnapshotPart, segmentsOf, Tree } from "./tree.ts";
import type {
  Change,
  GatewayError,
  Mirror,
  MirrorChange,
  MirrorEntry,
  MirrorState,
  MirrorView,
  StateEvent,
} from "./types.ts";

/** What fails before there is a picture, and may succeed later by itself. Once there is one, everything may. */
const RETRYABLE: ReadonlySet<string> = new Set(["unreachable", "limit", "internal", "timeout"]);
/** What a refusal says of a directory that was there. */
const STATES: Readonly<Record<string, MirrorState>> = {
  not_found: "gone",
  not_a_directory: "gone",
  denied: "denied",
  unreachable: "unreachable",
};
const FIRST_RETRY_MS = 5_000;
const LAST_RETRY_MS = 30_000;
const NOTHING: readonly MirrorEntry[] = [];
/** Where nothing may be shown. */
const EMPTY: ReadonlySet<MirrorState> = new Set(["gone", "denied"]);

/** What a mirror needs of the client. */
export interface MirrorPort {
  readonly connection: string;
  readonly path: string;
  /** As the gateway is told the path. */
  readonly wirePath: string;
  readonly recursive: boolean;
  /** There is a connection now. */
  readonly open: () => boolean;
  /** Sends now. Rejects with GatewayError. */
  readonly send: (message: object) => Promise<Frame>;
  readonly onClose: () => void;
}

/** Asks for a snapshot, keeps it right by what is told after it, and resumes after a drop. */
export class GatewayMirror implements Mirror {
  readonly path: string;
  readonly recursive: boolean;
  readonly ready: Promise<void>;
  readonly #port: MirrorPort;
  readonly #listeners = new Set<(change: MirrorChange) => void>();
  readonly #subscribers = new Set<() => void>();
  readonly #snapshots: Record<string, number> = {};
  #settle: (error?: GatewayError) => void = () => undefined;
  #tree: Tree;
  /** A snapshot on its way. */
  #coming: { readonly tree: Tree; readonly reason: string } | undefined;
  #whole = false;
  /** Where to resume. */
  #cursor: string | undefined;
  #status: Omit<Extract<MirrorChange, { type: "state" }>, "type"> = { state: "starting", mode: "notify" };
  /** Since it was asked for. */
  #stateTold = false;
  #view: MirrorView | undefined;
  #attempt = 0;
  #cancelRetry: (() => void) | undefined;
  #telling = false;
  #closed = false;

  constructor(port: MirrorPort) {
    this.#port = port;
    this.path = `/${segmentsOf(port.path).join("/")}`;
    this.recursive = port.recursive;
    this.#tree = new Tree(this.path, port.recursive, false);
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever wants to know awaits it; nobody has to.
    this.ready.catch(() => undefined);
  }

  get state(): MirrorState {
    return this.#status.state;
  }

  get snapshots(): Readonly<Record<string, number>> {
    return this.#snapshots;
  }

  entries(path?: string): readonly MirrorEntry[] {
    return EMPTY.has(this.state) ? NOTHING : this.#tree.entries(path);
  }

  get(name: string): MirrorEntry | undefined {
    return EMPTY.has(this.state) ? undefined : this.#tree.get(`${this.path}/${name}`);
  }

  isWhole(path?: string): boolean {
    return this.#tree.isWhole(path);
  }

  *walk(): IterableIterator<readonly [path: string, entry: MirrorEntry]> {
    if (!EMPTY.has(this.state)) yield* this.#tree.walk();
  }

  on(_event: "change", listener: (change: MirrorChange) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#subscribers.add(listener);
    return () => {
      this.#subscribers.delete(listener);
    };
  };

  readonly getSnapshot = (): MirrorView => {
    const { state, error } = this.#status;
    this.#view ??= {
      ready: this.#whole,
      state,
      ...(error === undefined ? {} : { error }),
      entries: this.entries(),
    };
    return this.#view;
  };

  async close(): Promise<void> {
    if (this.#closed) return;
    this.end(gatewayError("closed", "the mirror was closed"));
    this.#port.onClose();
  }

  /** There is a connection. Never rejects. */
  async begin(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#coming = undefined;
    const { connection, wirePath, recursive, send } = this.#port;
    const since = this.#cursor;
    this.#stateTold = false;
    try {
      const frame = await send({
        action: "subscribe",
        connection_id: connection,
        path: wirePath,
        snapshot: true,
        ...(recursive ? { recursive } : {}),
        ...(since === undefined ? {} : { since }),
      });
      if (this.#closed) return;
      if (frame.type !== "subscribed") {
        void this.begin();
        return;
      }
      this.#attempt = 0;
      // What is not well after all is told next, or was told already.
      if (!this.#stateTold) this.#fares({ state: "live", mode: "notify", late: frame.late });
    } catch (error) {
      const refusal = error as GatewayError;
      // A lost connection is not an answer: the next one subscribes again.
      if (refusal.code !== "closed") this.#onRefused(refusal);
    }
  }

  /** The connection was lost. */
  lost(): void {
    this.#coming = undefined;
    if (this.#whole) this.#fares({ ...this.#status, state: "degraded", error: "there is no connection" });
  }

  /** There will be no other connection. */
  end(error: GatewayError): void {
    this.#closed = true;
    this.#cancelRetry?.();
    this.#settle(error);
  }

  onFrame(frame: Frame): void {
    if (frame.type === "snapshot") this.#onSnapshot(frame);
    else if (frame.type === "directory_changed") this.#onChanged(frame);
    else if (frame.type === "state") this.#onState(frame);
    else if (frame.type === "error") this.#onRefused(gatewayError(frame.code, frame.message));
    // The gateway took an `unsubscribe` of the same directory in another spelling for this one's.
    else if (frame.type === "unsubscribed" && this.#port.open()) void this.begin();
  }

  #onSnapshot(frame: Frame): void {
    const { directory = this.path, page = 0, reason = "unknown" } = frame;
    if (page === 0) {
      this.#coming = { tree: new Tree(directory, this.recursive, frame.ignoreCase === true), reason };
    }
    const coming = this.#coming;
    if (coming === undefined) return;
    const { entries = [], tooLarge = false } = frame as {
      entries?: readonly MirrorEntry[];
      tooLarge?: boolean;
    };
    coming.tree.add({ directory, entries, tooLarge } satisfies SnapshotPart);
    if (frame.more === true) return;
    this.#coming = undefined;
    this.#cursor = frame.cursor;
    this.#tree = coming.tree;
    this.#whole = true;
    this.#snapshots[coming.reason] = (this.#snapshots[coming.reason] ?? 0) + 1;
    this.#tell({ type: "snapshot", reason: coming.reason });
    this.#settle();
  }

  #onChanged({ directory = this.path, changes = [], via = "notify", cursor }: Frame): void {
    this.#cursor = cursor ?? this.#cursor;
    if (this.#apply(directory, changes, via)) this.#tell({ type: "changes", path: directory, via, changes });
  }

  #apply(directory: string, changes: readonly Change[], via: string): boolean {
    // A resync has none, and says at least that there is such a directory.
    return this.#tree.apply(directory, changes, via) && changes.length > 0;
  }

  #onState({ directory, state, mode = "notify", error, late }: Frame): void {
    // Of a directory inside it.
    if (directory !== undefined && segmentsOf(directory).length !== segmentsOf(this.path).length) return;
    if (state === undefined) return;
    this.#stateTold = true;
    this.#fares({ state, mode, error, late });
  }

  #onRefused(error: GatewayError): void {
    if (this.#closed) return;
    if (!this.#whole && !RETRYABLE.has(error.code)) {
      this.end(error);
      this.#port.onClose();
      return;
    }
    const state = STATES[error.code] ?? "degraded";
    // What comes in its place is told as a whole.
    if (EMPTY.has(state)) this.#cursor = undefined;
    this.#fares({ ...this.#status, state, error: error.message });
    const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempt++);
    this.#cancelRetry?.();
    this.#cancelRetry = after(wait * (0.5 + Math.random() / 2), () => {
      if (this.#port.open()) void this.begin();
    });
  }

  #fares(status: {
    readonly state: MirrorState;
    readonly mode: StateEvent["mode"];
    readonly error?: string | undefined;
    readonly late?: StateEvent["late"] | undefined;
  }): void {
    const { state, mode, error, late } = status;
    this.#status = {
      state,
      mode,
      ...(error === undefined ? {} : { error }),
      ...(late === undefined ? {} : { late }),
    };
    this.#tell({ type: "state", ...this.#status });
  }

  #tell(change: MirrorChange): void {
    this.#view = undefined;
    for (const listener of [...this.#listeners]) call(() => listener(change));
    if (this.#telling || this.#subscribers.size === 0) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      for (const subscriber of [...this.#subscribers]) call(subscriber);
    });
  }
}

/** One that throws must cost neither the others their news nor the picture its truth: its error is reported as uncaught. */
function call(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    after(0, () => {
      throw error;
    });
  }
}
