import type { Deferred } from "../../../src/base/async.ts";
import { deferred } from "../../../src/base/async.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import { FleetError } from "../../../src/fleet/errors.ts";
import type {
  Cursor,
  DirectorySnapshot,
  FeedListener,
  FeedMessage,
  FeedSubscription,
  FleetClient,
  Listing,
  ListRequest,
  RefState,
  StatAnswer,
  StatRequest,
  WatchRef,
  WatchTarget,
  Workers,
} from "../../../src/fleet/port.ts";
import type {
  Change,
  Late,
  PublicState,
  ResyncReason,
  ResyncScope,
  WatchMode,
} from "../../../src/watch/events.ts";

/** One ref as the fleet would hold it, with the worker's side in the test's hand. */
export class FakeRef implements WatchRef {
  readonly target: WatchTarget;
  readonly #ready: Deferred<void> = deferred<void>();
  readonly #listeners = new Set<(state: RefState) => void>();
  state: RefState = { state: "starting", mode: "notify" };
  released: boolean = false;

  constructor(target: WatchTarget) {
    this.target = target;
    this.#ready.promise.catch(() => undefined);
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  onState(listener: (state: RefState) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  release(): void {
    this.released = true;
  }

  /** Looks taken at this directory; each finds what is remembered, unless the test says otherwise. */
  looks: number = 0;
  onLook: () => Promise<void> = async () => {
    const { state, code } = this.state;
    const byState = { gone: "not_found", denied: "denied", unreachable: "unreachable" } as const;
    const failure = code ?? (state in byState ? byState[state as keyof typeof byState] : undefined);
    if (failure !== undefined) throw new FleetError(failure, "looked");
  };

  look(): Promise<void> {
    this.looks++;
    return this.onLook();
  }

  /** The worker says so. */
  become(state: RefState["state"], mode: WatchMode = "notify", error?: string, late?: Late): void {
    const why = error === undefined ? {} : { error };
    this.state = { state, mode, ...why, ...(late === undefined ? {} : { late }) };
    if (state === "live") this.#ready.resolve();
    for (const listener of this.#listeners) listener(this.state);
  }

  fail(error: FleetError): void {
    this.#ready.reject(error);
    const { failure } = error;
    if (
      failure === "retention" ||
      failure === "bad_message" ||
      failure === "too_large" ||
      failure === "no_changes"
    )
      return;
    this.state = { state: "unclaimed", mode: "notify", code: failure };
    for (const listener of this.#listeners) listener(this.state);
  }
}

interface Feed {
  readonly connection: string;
  readonly listener: FeedListener;
}

/** A fleet of one worker that does what the test says. Messages get cursors `s:1`, `s:2`, … */
export class FakeFleet implements FleetClient {
  readonly leaseId: string = "fake";
  readonly refs: FakeRef[] = [];
  readonly feeds: Set<Feed> = new Set();
  readonly lists: ListRequest[] = [];
  readonly stored: FeedMessage[] = [];
  /** Whether refs become live by themselves. */
  autoLive: boolean = true;
  /** What comes late of them. */
  late: Late | undefined;
  /** What `list` answers. */
  listing: (request: ListRequest) => Promise<Listing> = async (): Promise<Listing> => ({ entries: [] });
  /** Runs before each message a replay gives. */
  onReplay: () => Promise<void> = async () => undefined;
  fleetWorkers: Workers = { current: true, workers: [] };
  /** Lowest sequence the stream still has. */
  firstSequence: number = 1;
  #sequence = 0;
  #seq = 0;

  acquire(target: WatchTarget): FakeRef {
    const ref = new FakeRef(target);
    this.refs.push(ref);
    if (this.autoLive) ref.become("live", "notify", undefined, this.late);
    return ref;
  }

  follow(connection: string, listener: FeedListener): FeedSubscription {
    const feed = { connection, listener };
    this.feeds.add(feed);
    const cursor = (): Cursor => `s:${this.#sequence}`;
    return {
      ready: Promise.resolve(),
      get cursor() {
        return cursor();
      },
      close: () => {
        this.feeds.delete(feed);
      },
    };
  }

  async *replay(target: WatchTarget, since: Cursor): AsyncGenerator<FeedMessage> {
    const from = /^s:(\d+)$/.exec(since)?.[1];
    if (from === undefined || Number(from) + 1 < this.firstSequence) {
      throw new FleetError("retention", "the stream no longer holds it");
    }
    for (const message of [...this.stored]) {
      if (Number(message.cursor.slice(2)) <= Number(from)) continue;
      const { connection, path } = message.message.body;
      const within = target.recursive ? path.startsWith(target.path) : path === target.path;
      if (connection !== target.connection || !within) continue;
      await this.onReplay();
      yield message;
    }
  }

  async list(request: ListRequest): Promise<Listing> {
    this.lists.push(request);
    return this.listing(request);
  }

  /** Whether `stat` is answered at all, and with what for each path. */
  stats: ((request: StatRequest) => Promise<readonly StatAnswer[]>) | undefined;
  readonly statRequests: StatRequest[] = [];

  async stat(request: StatRequest): Promise<readonly StatAnswer[]> {
    this.statRequests.push(request);
    if (this.stats === undefined) throw new FleetError("unreachable", "no worker answered");
    return this.stats(request);
  }

  /** What `snapshot` answers. */
  picture: (target: WatchTarget) => Promise<DirectorySnapshot> = async (
    target: WatchTarget,
  ): Promise<DirectorySnapshot> => ({
    epoch: "e-1",
    told: this.#seq,
    stored: true,
    servedBy: target,
    directories: [{ path: target.path, entries: [] }],
  });

  snapshot(target: WatchTarget): Promise<DirectorySnapshot> {
    return this.picture(target);
  }

  workers(): Workers {
    return this.fleetWorkers;
  }

  async close(): Promise<void> {
    this.feeds.clear();
  }

  /** Refs that are held now. */
  get held(): FakeRef[] {
    return this.refs.filter((ref) => !ref.released);
  }

  ref(path: string): FakeRef {
    const found = this.held.find((ref) => ref.target.path === path);
    if (found === undefined) throw new Error(`no ref on ${path}`);
    return found;
  }

  publish(message: EventMessage): Cursor {
    const cursor = `s:${++this.#sequence}`;
    const stored: FeedMessage = { cursor, subject: "smb.test", message };
    this.stored.push(stored);
    for (const feed of this.feeds) {
      if (feed.connection === message.body.connection) feed.listener.onMessage(stored);
    }
    return cursor;
  }

  changes(connection: string, path: string, changes: readonly Change[] | string, epoch = "e1"): Cursor {
    const list: readonly Change[] =
      typeof changes === "string" ? [{ action: "modified", name: changes }] : changes;
    const body = { ...this.#base(connection, path, epoch), via: "notify" as const, changes: list };
    return this.publish({ type: "changes", body });
  }

  resync(connection: string, path: string, reason: ResyncReason, scope: ResyncScope = "self"): Cursor {
    return this.publish({ type: "resync", body: { ...this.#base(connection, path, "e2"), scope, reason } });
  }

  state(connection: string, path: string, state: PublicState, mode: WatchMode = "notify"): Cursor {
    return this.publish({ type: "state", body: { ...this.#base(connection, path, "e1"), state, mode } });
  }

  gap(reason: "slow-consumer" | "retention"): void {
    for (const feed of this.feeds) feed.listener.onGap(reason);
  }

  #base(
    connection: string,
    path: string,
    epoch: string,
  ): {
    connection: string;
    path: string;
    epoch: string;
    seq: number;
    time: string;
  } {
    return { connection, path, epoch, seq: ++this.#seq, time: new Date().toISOString() };
  }
}
