import { AsyncQueue, deferred, onAbort, throwIfAborted, waitFor } from "../base/async.ts";
import { BadPathError, ClosedError } from "../base/errors.ts";
import { canonicalPath, isWithin, pathKey } from "../base/path.ts";
import { parseCursor } from "../broker/cursor.ts";
import { type Subjects, watchName } from "../broker/subjects.ts";
import { FleetError } from "../fleet/errors.ts";
import type { FleetMember } from "../fleet/member.ts";
import type { Cursor, FeedMessage, RefState, WatchRef, WatchTarget } from "../fleet/port.ts";
import { type ResyncReason, sameLate } from "../watch/events.ts";
import type { ClientEvent, ClientResync, ClientState } from "./events.ts";
import type { FeedRoutes } from "./feed-routes.ts";

export interface WatchStreamOptions {
  readonly target: WatchTarget;
  /** Replay what was stored after this cursor first. */
  readonly since?: Cursor;
  readonly signal?: AbortSignal | undefined;
  /** Events waiting for a slow reader; beyond, one resync takes their place. Default 10,000. */
  readonly maxQueued?: number;
  /** Longest wait for the first `live`, ms. Default: for ever. */
  readonly readyMs?: number;
}

/** Failures of the first attempt that waiting will not heal. */
const FINAL: ReadonlySet<string> = new Set([
  "bad_path",
  "unknown_connection",
  "denied",
  "not_found",
  "not_a_directory",
]);

/**
 * One watch as an async iterable: acquire, replay, live, events, release. The ref is released when the iteration
 * ends, however it ends.
 * @throws FleetError, AbortedError, DeadlineError
 */
export async function* watchStream(
  { member, routes }: { readonly member: FleetMember; readonly routes: FeedRoutes },
  options: WatchStreamOptions,
): AsyncGenerator<ClientEvent, void, undefined> {
  const { signal, since, readyMs } = options;
  throwIfAborted(signal);
  const target = cleanTarget(options.target);
  const inbox = new Inbox(target, options.maxQueued ?? 10_000);
  const matcher = (): Matcher =>
    new Matcher(target, member.caseSensitive(target.connection), member.subjects);
  const ref = member.acquire(target);
  const forget = onAbort(signal, () => inbox.end());
  let feed: ReturnType<FeedRoutes["follow"]> | undefined;
  try {
    feed = routes.follow(target, {
      onMessage: (message) => {
        const event = matcher().event(message);
        if (event !== undefined) inbox.put(event);
      },
      onGap: (reason) => inbox.resync(reason),
    });
    await waitFor(feed.ready, { signal });
    let replayed: Cursor | undefined;
    if (since !== undefined) {
      try {
        for await (const message of member.replay(target, since, { signal })) {
          replayed = message.cursor;
          const event = matcher().event(message);
          if (event !== undefined) yield event;
        }
      } catch (error) {
        if (!(error instanceof FleetError) || error.failure !== "retention") throw error;
        yield resyncOf(target, "retention");
      }
    }
    await firstLive(ref, { signal, readyMs });
    const { mode, late } = ref.state;
    let shown: RefState = { state: "live", mode, ...(late === undefined ? {} : { late }) };
    yield { type: "live", mode, ...(late === undefined ? {} : { late }) };
    const onState = (state: RefState): void => {
      const same = state.state === shown.state && state.error === shown.error && state.mode === shown.mode;
      if (same && sameLate(state.late, shown.late)) return;
      shown = state;
      inbox.put({ type: "state", path: target.path, ...state });
    };
    ref.onState(onState);
    onState(ref.state);
    for await (const event of inbox.queue) {
      inbox.taken();
      if ("cursor" in event && event.cursor !== undefined && notAfter(event.cursor, replayed)) continue;
      yield event;
    }
    throwIfAborted(signal);
  } finally {
    forget();
    feed?.close();
    ref.release();
  }
}

/** Waits through what may heal (`unreachable`, no worker yet); throws what will not. */
export async function firstLive(
  ref: WatchRef,
  wait: { readonly signal: AbortSignal | undefined; readonly readyMs: number | undefined },
): Promise<void> {
  const settled = deferred<void>();
  const look = ({ state, code, error }: RefState): void => {
    if (state === "live" || state === "degraded") settled.resolve();
    else if (code !== undefined && FINAL.has(code)) {
      settled.reject(new FleetError(code, error ?? `the watch is ${state}`));
    }
  };
  const unsubscribe = ref.onState(look);
  look(ref.state);
  try {
    await waitFor(settled.promise, {
      signal: wait.signal,
      ...(wait.readyMs === undefined ? {} : { deadlineMs: wait.readyMs }),
      what: "the watch",
    });
  } finally {
    unsubscribe();
  }
}

/** @throws FleetError `bad_path` */
export function cleanTarget(target: WatchTarget): WatchTarget {
  try {
    return { ...target, path: canonicalPath(target.path) };
  } catch (error) {
    if (error instanceof BadPathError) throw new FleetError("bad_path", error.message, error);
    throw error;
  }
}

function resyncOf(target: WatchTarget, reason: ResyncReason): ClientResync {
  return { type: "resync", path: target.path, scope: target.recursive ? "subtree" : "self", reason };
}

function numbered(told: number | undefined): { readonly told?: number } {
  return told === undefined ? {} : { told };
}

function notAfter(cursor: Cursor, limit: Cursor | undefined): boolean {
  if (limit === undefined) return false;
  const a = parseCursor(cursor);
  const b = parseCursor(limit);
  return a !== undefined && b !== undefined && a.nonce === b.nonce && a.sequence <= b.sequence;
}

/** Which messages concern a target. */
class Matcher {
  readonly #target: WatchTarget;
  readonly #caseSensitive: boolean;
  readonly #subjects: Subjects;

  constructor(target: WatchTarget, caseSensitive: boolean, subjects: Subjects) {
    this.#target = target;
    this.#caseSensitive = caseSensitive;
    this.#subjects = subjects;
  }

  event({ cursor, subject, message }: FeedMessage): ClientEvent | undefined {
    if (message.type === "changes") {
      const { path, via, changes, time, epoch, seq, told } = message.body;
      if (!this.#inside(path)) return undefined;
      return { type: "changes", path, via, changes, time, epoch, seq, ...numbered(told), cursor };
    }
    if (message.type === "resync") {
      const { path, scope, reason, picture, epoch, told } = message.body;
      // A resync is told on its own subject and on those of the directories inside that someone asked for: take
      // the first where it lies in our scope, the copy for us where it lies above.
      const inside = this.#inside(path);
      if (subject !== this.#subject(inside ? path : this.#target.path)) return undefined;
      const place = inside
        ? { type: "resync" as const, path, scope, reason }
        : resyncOf(this.#target, reason);
      const kept = picture === undefined ? {} : { picture };
      return { ...place, ...kept, epoch, ...numbered(told), cursor };
    }
    // How our watch is, its claim tells.
    return undefined;
  }

  #inside(path: string): boolean {
    const own = pathKey(this.#target.path, this.#caseSensitive);
    const other = pathKey(path, this.#caseSensitive);
    return this.#target.recursive ? isWithin(own, other) : own === other;
  }

  #subject(path: string): string {
    return this.#subjects.event(watchName(this.#target.connection, path, this.#caseSensitive));
  }
}

/** A bounded queue that never loses silently: what does not fit is replaced by one resync. */
class Inbox {
  readonly queue: AsyncQueue<ClientEvent>;
  readonly #target: WatchTarget;
  readonly #limit: number;
  #overflowed = false;
  /** How the watch fares, where there was no room to say so: no listing shows it. */
  #unsaid: ClientState | undefined;

  constructor(target: WatchTarget, limit: number) {
    this.#target = target;
    // One place more than the limit, for the resync itself.
    this.queue = new AsyncQueue(limit + 1);
    this.#limit = limit;
  }

  put(event: ClientEvent): void {
    if (this.queue.size < this.#limit && !this.#overflowed) {
      this.#push(event);
      return;
    }
    if (event.type === "state") this.#unsaid = event;
    if (this.#overflowed) return;
    this.#overflowed = true;
    this.#push(resyncOf(this.#target, "slow-consumer"));
  }

  resync(reason: ResyncReason): void {
    this.put(resyncOf(this.#target, reason));
  }

  /** The reader took one. */
  taken(): void {
    if (!this.#overflowed || this.queue.size > 0) return;
    this.#overflowed = false;
    if (this.#unsaid !== undefined) this.#push(this.#unsaid);
    this.#unsaid = undefined;
  }

  end(): void {
    this.queue.end();
  }

  #push(event: ClientEvent): void {
    try {
      this.queue.push(event);
    } catch (error) {
      // After the end nobody reads any more.
      if (!(error instanceof ClosedError)) throw error;
    }
  }
}
