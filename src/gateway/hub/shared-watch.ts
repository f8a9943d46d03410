import { deferred, ignoreRejection, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { ChangesMessage } from "../../broker/message.ts";
import { isLost } from "../../fleet/looks.ts";
import type { Cursor, FeedSubscription, RefState, WatchRef, WatchTarget } from "../../fleet/port.ts";
import type { PublicState, ResyncReason, ResyncScope, WatchMode } from "../../watch/events.ts";
import { RequestError, toRequestError } from "../errors.ts";

export interface StateBody {
  readonly state: PublicState;
  readonly mode: WatchMode;
  readonly error?: string;
}

/** What the hub hands to subscribers. `directory` is canonical, in the server's spelling. */
export type DirectoryEvent =
  | {
      readonly type: "changes";
      readonly directory: CanonicalPath;
      readonly cursor: Cursor;
      readonly body: ChangesMessage;
    }
  | {
      readonly type: "resync";
      readonly directory: CanonicalPath;
      readonly scope: ResyncScope;
      readonly reason: ResyncReason;
      readonly cursor: Cursor | undefined;
      readonly jitterMs?: number | undefined;
    }
  | {
      readonly type: "state";
      readonly directory: CanonicalPath;
      /** Of the watched directory itself, not of one inside a recursive watch. */
      readonly own: boolean;
      readonly body: StateBody;
    };

export interface Subscriber {
  /** Must not throw, must not block. */
  deliver(event: DirectoryEvent): void;
}

/** One ref of the fleet and all who share it. Gone, and its ref released, with its last subscriber. */
export class SharedWatch {
  readonly target: WatchTarget;
  /** The path as it is compared. */
  readonly key: string;
  readonly #subscribers = new Set<Subscriber>();
  readonly #ref: WatchRef;
  readonly #feed: FeedSubscription;
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #offState: () => void;
  /** Those waiting for the state to move. */
  #moved = deferred<void>();
  /** Of the directory itself, as last passed on. */
  #told: StateBody;
  #closed = false;

  constructor(options: {
    readonly target: WatchTarget;
    readonly key: string;
    readonly ref: WatchRef;
    readonly feed: FeedSubscription;
    readonly clock: Clock;
    readonly onEmpty: () => void;
  }) {
    this.target = options.target;
    this.key = options.key;
    this.#ref = options.ref;
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#onEmpty = options.onEmpty;
    this.#told = publicState(this.#ref.state);
    this.#ref.ready.catch(() => undefined);
    this.#offState = this.#ref.onState((state) => this.#onState(state));
  }

  get size(): number {
    return this.#subscribers.size;
  }

  /** Of the newest message seen on the connection. */
  get cursor(): Cursor | undefined {
    return this.#feed.cursor;
  }

  /** What a new subscriber should know; `undefined` when all is well. */
  get trouble(): StateBody | undefined {
    const state = publicState(this.#ref.state);
    return state.state === "live" && state.mode === "notify" ? undefined : state;
  }

  /** Nobody hears what happens in the directory now. */
  get lost(): boolean {
    return isLost(this.#ref.state);
  }

  /** Has whoever watches a lost directory look again at once. */
  look(): void {
    this.#ref.look().catch(() => undefined);
  }

  add(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
  }

  remove(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
    if (this.#closed) return;
    this.close();
    this.#onEmpty();
  }

  deliver(event: DirectoryEvent): void {
    if (event.type === "state" && event.own && !this.#isNews(event.body)) return;
    for (const subscriber of this.#subscribers) subscriber.deliver(event);
  }

  /**
   * Resolves when a listing taken from now on cannot miss a change: a worker holds the watch, and we hear
   * the connection's messages.
   * @throws RequestError with the reason, AbortedError, DeadlineError
   */
  async live(options: { readonly signal: AbortSignal; readonly deadlineMs: number }): Promise<void> {
    const until = this.#clock.monotonic() + options.deadlineMs;
    const wait = <T>(promise: Promise<T>): Promise<T> =>
      waitFor(promise, {
        signal: options.signal,
        deadlineMs: Math.max(0, until - this.#clock.monotonic()),
        clock: this.#clock,
        what: "watch",
      });
    const heard = this.#feed.ready.then(() => true);
    ignoreRejection(heard);
    do this.#mustBeInSight();
    while (!(await wait(Promise.race([heard, this.#moved.promise.then(() => false)]))));
    // What others were told a while ago is no answer to whoever asks now.
    let remembered = this.lost ? this.#ref.state : undefined;
    if (remembered !== undefined) await wait(this.#ref.look().catch(refused));
    // `ref.ready` is how it was at first; a watch that others hold may have been lost, or found, since.
    for (;;) {
      const { state, code } = this.#ref.state;
      if (state === "live" || state === "degraded") return;
      if (this.#ref.state !== remembered) {
        remembered = undefined;
        if (state === "gone") throw new RequestError(code ?? "not_found");
        if (state === "denied") throw new RequestError(code ?? "denied");
        if (state === "unreachable") throw new RequestError(code ?? "unreachable");
        // No worker can ever serve it, such as a connection that none knows.
        if (code !== undefined) throw new RequestError(code);
      }
      await wait(this.#moved.promise);
    }
  }

  /** Where nobody can tell who holds it, waiting tells nothing either. @throws RequestError */
  #mustBeInSight(): void {
    const { state, code } = this.#ref.state;
    if (state === "unclaimed" && code === "unreachable") throw new RequestError(code);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#offState();
    this.#ref.release();
  }

  #onState(state: RefState): void {
    const moved = this.#moved;
    this.#moved = deferred<void>();
    moved.resolve();
    this.deliver({ type: "state", directory: this.target.path, own: true, body: publicState(state) });
  }

  /** The claim and the feed both tell states; each is passed on once. */
  #isNews(body: StateBody): boolean {
    const last = this.#told;
    this.#told = body;
    return last.state !== body.state || last.mode !== body.mode;
  }
}

function refused(error: unknown): never {
  throw toRequestError(error);
}

/** Browsers know no claims: a watch that nobody holds is degraded until somebody does. */
function publicState({ state, mode, error, code }: RefState): StateBody {
  if (state === "starting" || state === "unclaimed") {
    const why =
      code === "unreachable"
        ? "the gateway is cut off from the workers at the moment"
        : "no worker serves this directory at the moment";
    return { state: "degraded", mode, error: why };
  }
  return { state, mode, ...(error === undefined ? {} : { error }) };
}
