import { type Deferred, deferred, ignoreRejection, onAbort } from "../base/async.ts";
import { AbortedError } from "../base/errors.ts";
import type { CanonicalPath } from "../base/path.ts";
import type { ShareWatch, WatchHandle, WatchOverrides } from "../watch/api.ts";
import type { Late, ResyncEvent, StateEvent, WatchEvent } from "../watch/events.ts";

export interface WatchStreamOptions extends WatchOverrides {
  /** Sub-directories too. Default false. */
  readonly recursive?: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Events kept for a slow reader; beyond it they are replaced by one `resync slow-consumer`. Default 10,000. */
  readonly maxQueued?: number;
}

/**
 * The watch is armed: a listing taken from now on cannot miss a change. Always the first event; a `state` follows at
 * once where something is wrong, or the server has to be polled.
 */
export interface LiveEvent {
  readonly type: "live";
  readonly path: CanonicalPath;
  /** What will not be told at once; see `StateEvent`. */
  readonly late?: Late;
}

export type StreamEvent = LiveEvent | WatchEvent;

/** A watch as an async iterable with one reader. */
export class WatchStream implements AsyncIterableIterator<StreamEvent> {
  readonly #handle: WatchHandle;
  readonly #path: CanonicalPath;
  readonly #recursive: boolean;
  readonly #limit: number;
  #forget: () => void = () => undefined;
  #queue: StreamEvent[] = [];
  #live = false;
  /** How the watch fares, as last told before it was live. */
  #before: StateEvent | undefined;
  #waiting: Deferred<IteratorResult<StreamEvent>> | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(watches: ShareWatch, path: CanonicalPath, options: WatchStreamOptions) {
    const { recursive = false, signal, maxQueued = 10_000, ...overrides } = options;
    this.#path = path;
    this.#recursive = recursive;
    this.#limit = maxQueued;
    this.#handle = watches.watch({ path, recursive }, (event) => this.#push(event), overrides);
    if (signal?.aborted === true) this.#stop({ error: new AbortedError(signal.reason) });
    else this.#forget = onAbort(signal, (reason) => this.#stop({ error: new AbortedError(reason) }));
    ignoreRejection(
      this.#handle.live.then(
        () => {
          this.#live = true;
          // What was told before the watch was live is part of the listing the reader takes now.
          this.#queue = [];
          const { late } = this.#handle;
          this.#push({ type: "live", path, ...(late === undefined ? {} : { late }) });
          // How it fares is not in any listing.
          const state = this.#before;
          if (state !== undefined && (state.state !== "live" || state.mode !== "notify")) this.#push(state);
        },
        (error: unknown) => this.#stop({ error }),
      ),
    );
  }

  async next(): Promise<IteratorResult<StreamEvent>> {
    const event = this.#queue.shift();
    if (event !== undefined) return { value: event, done: false };
    if (this.#end !== undefined) {
      const { error } = this.#end;
      this.#end = {};
      if (error !== undefined) throw error;
      return { value: undefined, done: true };
    }
    this.#waiting ??= deferred();
    return this.#waiting.promise;
  }

  async return(): Promise<IteratorResult<StreamEvent>> {
    this.#queue = [];
    this.#stop({});
    await this.#handle.close();
    return { value: undefined, done: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #push(event: StreamEvent): void {
    if (!this.#live && event.type === "state") this.#before = event;
    if (this.#end !== undefined || !this.#live) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ value: event, done: false });
      return;
    }
    if (this.#queue.length >= this.#limit) {
      const gap: ResyncEvent = {
        type: "resync",
        path: this.#path,
        scope: this.#recursive ? "subtree" : "self",
        reason: "slow-consumer",
      };
      // What cannot be found by listing again is kept.
      const live = this.#queue.filter(({ type }) => type === "live");
      const state = this.#queue.findLast(({ type }) => type === "state");
      this.#queue = [...live, gap, ...(state === undefined ? [] : [state])];
    }
    this.#queue.push(event);
  }

  /** What is queued is still delivered. */
  #stop(end: { readonly error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#forget();
    void this.#handle.close();
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.#end = {};
    if (end.error === undefined) waiting.resolve({ value: undefined, done: true });
    else waiting.reject(end.error);
  }
}
