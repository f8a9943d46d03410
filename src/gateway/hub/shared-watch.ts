import { deferred, ignoreRejection, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { ClosedError } from "../../base/errors.ts";
import { isLost } from "../../fleet/looks.ts";
import type { Cursor, FeedSubscription, RefState, WatchRef, WatchTarget } from "../../fleet/port.ts";
import { type Late, sameLate } from "../../watch/events.ts";
import { RequestError, toRequestError } from "../errors.ts";
import type { DirectoryEvent, StateBody, Subscriber } from "./event.ts";
import type { Glances } from "./glances.ts";
import type { Pacer } from "./pacer.ts";
import type { SharedMirror } from "./shared-mirror.ts";

/** One ref of the fleet and all who share it. Gone, and its ref released, with its last subscriber. */
export class SharedWatch {
  readonly target: WatchTarget;
  /** The path as it is compared. */
  readonly key: string;
  readonly #subscribers = new Set<Subscriber>();
  readonly #acquire: () => WatchRef;
  readonly #glances: Glances;
  readonly #feed: FeedSubscription;
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #newMirror: (onEnd: () => void) => SharedMirror;
  #mirror: SharedMirror | undefined;
  readonly #leave: () => void;
  /** Absent until it is this watch's turn. */
  #ref: WatchRef | undefined;
  #offState: (() => void) | undefined;
  readonly #begun = deferred<void>();
  /** Those waiting for the state to move. */
  #moved = deferred<void>();
  /** Of the directory itself, as last passed on. */
  #told: StateBody = publicState(NOT_ASKED);
  #closed = false;

  constructor(options: {
    readonly target: WatchTarget;
    readonly key: string;
    readonly acquire: () => WatchRef;
    readonly pacer: Pacer;
    readonly glances: Glances;
    readonly feed: FeedSubscription;
    readonly clock: Clock;
    readonly onEmpty: () => void;
    /** `onEnd` is called when it is of no use any more. */
    readonly newMirror: (onEnd: () => void) => SharedMirror;
  }) {
    this.target = options.target;
    this.key = options.key;
    this.#acquire = options.acquire;
    this.#glances = options.glances;
    this.#feed = options.feed;
    this.#clock = options.clock;
    this.#onEmpty = options.onEmpty;
    this.#newMirror = options.newMirror;
    ignoreRejection(this.#begun.promise);
    this.#leave = options.pacer.enter(
      () => this.#begin(),
      // Nobody may want it any more by then: whoever asked has been told that it is not there.
      () => this.#glances.look(this.target.path),
    );
    if (isSettled(this.#state)) this.#leave();
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
    const state = publicState(this.#state);
    return state.state === "live" && state.mode === "notify" ? undefined : state;
  }

  /** What is not told at once, now. */
  get late(): Late | undefined {
    return this.#state.late;
  }

  /** Nobody hears what happens in the directory now. */
  get lost(): boolean {
    return isLost(this.#state);
  }

  /** Has whoever watches a lost directory look again at once. */
  look(): void {
    this.#ref?.look().catch(() => undefined);
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

  /** What is in the directory, kept as long as somebody reads it. */
  mirror(): SharedMirror {
    if (this.#mirror === undefined) {
      const mirror = this.#newMirror(() => {
        if (this.#mirror === mirror) this.#mirror = undefined;
      });
      this.#mirror = mirror;
    }
    return this.#mirror;
  }

  deliver(event: DirectoryEvent): void {
    if (event.type === "state" && event.own && !this.#isNews(event.body)) return;
    // A snapshot that is read because of it has it.
    this.#mirror?.hear(event);
    for (const subscriber of this.#subscribers) subscriber.deliver(event);
  }

  /**
   * Resolves when a listing taken from now on cannot miss a change: a worker holds the watch, and we hear
   * the connection's messages.
   * @throws RequestError with the reason, AbortedError, DeadlineError
   */
  async live(options: { readonly signal: AbortSignal; readonly deadlineMs: number }): Promise<void> {
    if (this.#ref === undefined) await this.#turn(options.signal);
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
    let remembered = this.lost ? this.#state : undefined;
    if (remembered !== undefined) await wait(this.#ref?.look().catch(refused) ?? Promise.resolve());
    // `ref.ready` is how it was at first; a watch that others hold may have been lost, or found, since.
    for (;;) {
      const { state, code } = this.#state;
      if (state === "live" || state === "degraded") return;
      if (this.#state !== remembered) {
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

  /** Others may be before it; what is not there need not wait for them. @throws RequestError, AbortedError, ClosedError */
  async #turn(signal: AbortSignal): Promise<void> {
    const begun = this.#begun.promise.then(() => undefined);
    const absent = await waitFor(Promise.race([begun, this.#glances.look(this.target.path)]), { signal });
    if (absent !== undefined) throw new RequestError(absent);
    await waitFor(this.#begun.promise, { signal });
  }

  /** Where nobody can tell who holds it, waiting tells nothing either. @throws RequestError */
  #mustBeInSight(): void {
    const { state, code } = this.#state;
    if (state === "unclaimed" && code === "unreachable") throw new RequestError(code);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mirror?.close();
    this.#leave();
    this.#begun.reject(new ClosedError("watch"));
    this.#offState?.();
    this.#ref?.release();
  }

  get #state(): RefState {
    return this.#ref?.state ?? NOT_ASKED;
  }

  /** Its turn: the fleet is told of the interest. */
  #begin(): void {
    if (this.#closed) return;
    let ref: WatchRef;
    try {
      ref = this.#acquire();
    } catch (error) {
      this.#begun.reject(error);
      return;
    }
    this.#ref = ref;
    ignoreRejection(ref.ready);
    this.#told = publicState(ref.state);
    this.#offState = ref.onState((state) => this.#onState(state));
    this.#begun.resolve();
  }

  #onState(state: RefState): void {
    const moved = this.#moved;
    this.#moved = deferred<void>();
    moved.resolve();
    if (isSettled(state)) this.#leave();
    this.deliver({ type: "state", directory: this.target.path, own: true, body: publicState(state) });
  }

  /** The claim and the feed both tell states; each is passed on once. */
  #isNews(body: StateBody): boolean {
    const last = this.#told;
    this.#told = body;
    return last.state !== body.state || last.mode !== body.mode || !sameLate(last.late, body.late);
  }
}

const NOT_ASKED: RefState = { state: "unclaimed", mode: "notify" };

/** A worker has taken it, or said why not: nothing more is on its way. */
function isSettled({ state, code }: RefState): boolean {
  return code !== undefined || (state !== "unclaimed" && state !== "starting");
}

function refused(error: unknown): never {
  throw toRequestError(error);
}

/** Browsers know no claims: a watch that nobody holds is degraded until somebody does. */
function publicState({ state, mode, error, late, code }: RefState): StateBody {
  if (state === "starting" || state === "unclaimed") {
    const why =
      code === "unreachable"
        ? "the gateway is cut off from the workers at the moment"
        : "no worker serves this directory at the moment";
    return { state: "degraded", mode, error: why };
  }
  return {
    state,
    mode,
    ...(error === undefined ? {} : { error }),
    ...(late === undefined ? {} : { late }),
  };
}
