import { type Clock, systemClock } from "./clock.ts";
import { AbortedError, ClosedError, DeadlineError, OverflowError } from "./errors.ts";

/** A promise with its handles outside (Node 20 has no `Promise.withResolvers`). */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason: unknown) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: Deferred<T>["resolve"];
  let reject!: Deferred<T>["reject"];
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** Marks a rejection as looked after elsewhere. */
export function ignoreRejection(promise: Promise<unknown>): void {
  promise.catch(() => undefined);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AbortedError(signal.reason);
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; absent means no deadline. */
  readonly deadlineMs?: number | undefined;
  /** What is waited for, for the error's text. */
  readonly what?: string;
  readonly clock?: Clock;
}

/**
 * Waits for `promise`, but no longer than the deadline and the signal allow. Timer and listener are gone
 * on all four exits. The promise itself goes on; its late rejection is not reported as unhandled.
 * @throws DeadlineError, AbortedError, or what the promise rejects with.
 */
export async function waitFor<T>(promise: Promise<T>, options: WaitOptions = {}): Promise<T> {
  const { signal, deadlineMs, what = "wait", clock = systemClock } = options;
  if (signal?.aborted === true) {
    ignoreRejection(promise);
    throw new AbortedError(signal.reason);
  }
  if (signal === undefined && deadlineMs === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const finish = (settle: () => void): void => {
      cancel?.();
      forget();
      settle();
    };
    const cancel =
      deadlineMs === undefined
        ? undefined
        : clock.after(deadlineMs, () => finish(() => reject(new DeadlineError(what, deadlineMs))));
    const forget = onAbort(signal, (reason) => finish(() => reject(new AbortedError(reason))));
    promise.then(
      (value) => finish(() => resolve(value)),
      (reason: unknown) => finish(() => reject(reason)),
    );
  });
}

/** Resolves after `ms`. @throws AbortedError */
export async function sleep(
  ms: number,
  options: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock } = {},
): Promise<void> {
  const { signal, clock = systemClock } = options;
  throwIfAborted(signal);
  await new Promise<void>((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      forget();
      resolve();
    });
    const forget = onAbort(signal, (reason) => {
      cancel();
      reject(new AbortedError(reason));
    });
  });
}

type Aborted = (reason: unknown) => void;

/** Those who wait for one signal, and the one listener that it has for all of them. */
interface Audience {
  readonly waiting: Set<Aborted>;
  readonly listener: () => void;
}

const audiences = new WeakMap<AbortSignal, Audience>();

/**
 * Calls `fn` once when the signal aborts, which it has not yet; never without one. Returns how to be forgotten. However many wait for one signal,
 * it has one listener: an EventTarget walks all it has for each that comes and for each that goes, and ten thousand
 * watches wait for one signal.
 */
export function onAbort(signal: AbortSignal | undefined, fn: Aborted): () => void {
  if (signal === undefined) return () => undefined;
  const audience = audiences.get(signal) ?? listen(signal);
  const { waiting, listener } = audience;
  waiting.add(fn);
  return () => {
    if (!waiting.delete(fn) || waiting.size > 0) return;
    signal.removeEventListener("abort", listener);
    audiences.delete(signal);
  };
}

function listen(signal: AbortSignal): Audience {
  const waiting = new Set<Aborted>();
  const listener = (): void => {
    audiences.delete(signal);
    for (const fn of waiting) fn(signal.reason);
  };
  const audience = { waiting, listener };
  audiences.set(signal, audience);
  signal.addEventListener("abort", listener, { once: true });
  return audience;
}

export interface BackoffOptions {
  /** First delay, ms. Default 1,000. */
  readonly initialMs?: number;
  /** Longest delay, ms. Default 60,000. */
  readonly maxMs?: number;
  /** Growth per try. Default 2. */
  readonly factor?: number;
  /** Uniform in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** Exponential backoff with "equal jitter": each delay lies between half and all of the current step. */
export class Backoff {
  #attempt = 0;
  readonly #initial: number;
  readonly #max: number;
  readonly #factor: number;
  readonly #random: () => number;

  constructor(options: BackoffOptions = {}) {
    this.#initial = options.initialMs ?? 1_000;
    this.#max = options.maxMs ?? 60_000;
    this.#factor = options.factor ?? 2;
    this.#random = options.random ?? Math.random;
  }

  /** Tries since the last reset. */
  get attempt(): number {
    return this.#attempt;
  }

  /** The next delay in ms. */
  next(): number {
    const step = Math.min(this.#max, this.#initial * this.#factor ** Math.min(this.#attempt, 64));
    this.#attempt++;
    return step / 2 + (this.#random() * step) / 2;
  }

  reset(): void {
    this.#attempt = 0;
  }
}

/** A bounded single-consumer queue, read as an async iterable. */
export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  #waiting: Deferred<IteratorResult<T>> | undefined;
  #end: { readonly error?: unknown } | undefined;

  constructor(limit = 65_536) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#items.length;
  }

  /** @throws OverflowError when full, ClosedError after `end` or `fail`. */
  push(item: T): void {
    if (this.#end !== undefined) throw new ClosedError("queue");
    if (this.#waiting !== undefined) {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting.resolve({ value: item, done: false });
      return;
    }
    if (this.#items.length >= this.#limit) throw new OverflowError("queue", this.#limit);
    this.#items.push(item);
  }

  /** What is queued is still delivered, then the iteration ends. */
  end(): void {
    if (this.#end !== undefined) return;
    this.#end = {};
    this.#waiting?.resolve({ value: undefined, done: true });
    this.#waiting = undefined;
  }

  /** What is queued is still delivered, then the iteration throws `error`, once. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#end = waiting === undefined ? { error } : {};
    waiting?.reject(error);
  }

  async next(): Promise<IteratorResult<T>> {
    const item = this.#items.shift();
    if (item !== undefined) return { value: item, done: false };
    if (this.#end !== undefined) {
      const end = this.#end;
      this.#end = {};
      if ("error" in end) throw end.error;
      return { value: undefined, done: true };
    }
    if (this.#waiting !== undefined) throw new Error("a queue has one consumer");
    this.#waiting = deferred<IteratorResult<T>>();
    return this.#waiting.promise;
  }

  async return(): Promise<IteratorResult<T>> {
    this.end();
    this.#items.length = 0;
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
