import type { Clock } from "../base/clock.ts";
import type { Cursor } from "../fleet/port.ts";
import type { Change, ResyncReason, ResyncScope, Via } from "../watch/events.ts";
import { coalescedFacts, sentFacts } from "./facts.ts";
import type { GatewayLimits, GatewayTimes } from "./options.ts";
import type { DirectoryChangedFrame, ServerFrame } from "./protocol.ts";
import type { DirectoryEvent } from "./shared-watch.ts";

/** The part of a WebSocket that sending needs. */
export interface FrameSink {
  send(text: string): void;
  /** Bytes handed over and not yet taken by the kernel. */
  readonly bufferedAmount: number;
}

/** What a frame says about the subscription it belongs to. */
export interface Addressee {
  readonly connectionId: string;
  /** As the client sent it. */
  readonly path: string;
  readonly recursive: boolean;
  readonly detail: boolean;
  /** The subscribed directory, canonical. */
  readonly directory: string;
}

/** Longer lists go out as several frames, so that one burst does not fill the socket's buffer at a stroke. */
const MAX_CHANGES_PER_FRAME = 1_000;
/** How soon a reader that is behind is looked at again. */
const BEHIND_MS = 50;

/** One frame to be. */
interface Pending {
  cursor: Cursor | undefined;
  changes?: Change[];
  epoch?: string;
  seq?: number;
  via?: Via;
  resync?: {
    readonly scope: ResyncScope;
    readonly reason: ResyncReason;
    readonly jitterMs?: number | undefined;
  };
}

/** After a frame for a directory went out, the next one waits here until `dueAt`. */
interface Window {
  readonly to: Addressee;
  readonly directory: string;
  dueAt: number;
  pending: Pending[];
}

/**
 * All that leaves for one socket. Answers go out at once. Changes: the first of a directory at once, then
 * at most one frame per directory and `coalesceMs`, and what came last always goes out. Without `detail`
 * everything that waits for one directory is one frame; with it no change is lost, and neighbours of one
 * epoch become one list. While more than `softBufferBytes` are unsent all changes wait and merge. When more
 * than `pendingChanges` wait they go out early, or, to a reader that is behind, turn into a resync. Who stays
 * behind for `slowReaderMs`, or is beyond `bufferBytes` when an answer is due, is given up.
 */
export class Outbox {
  readonly #sink: FrameSink;
  readonly #clock: Clock;
  readonly #limits: GatewayLimits;
  readonly #windowMs: number;
  readonly #onHopeless: () => void;
  /** In order of `dueAt`: all windows are equally long, and a reopened one moves to the end. */
  readonly #windows = new Map<Addressee | string, Window>();
  readonly #serials = new WeakMap<Addressee, number>();
  #serial = 0;
  #waitingChanges = 0;
  #behindSince: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: {
    readonly sink: FrameSink;
    readonly clock: Clock;
    readonly limits: GatewayLimits;
    readonly times: GatewayTimes;
    /** Called once when the reader is too slow to go on. */
    readonly onHopeless: () => void;
  }) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#windowMs = options.times.coalesceMs;
    this.#onHopeless = options.onHopeless;
  }

  /** Directories of which something was sent within the window, or waits. */
  get open(): number {
    return this.#windows.size;
  }

  /** An answer, or a state: goes out before anything that waits. */
  send(frame: ServerFrame): void {
    if (this.#closed) return;
    if (this.#sink.bufferedAmount > this.#limits.bufferBytes) this.#giveUp();
    else this.#sink.send(JSON.stringify(frame));
  }

  /** A change or a resync. */
  offer(to: Addressee, event: Exclude<DirectoryEvent, { type: "state" }>): void {
    if (this.#closed) return;
    const key = this.#key(to, event.directory);
    const window = this.#windows.get(key);
    if (window !== undefined) {
      this.#merge(window, event);
      return;
    }
    const fresh: Window = {
      to,
      directory: event.directory,
      dueAt: this.#clock.monotonic() + this.#windowMs,
      pending: [],
    };
    this.#windows.set(key, fresh);
    if (this.#isBehind()) this.#merge(fresh, event);
    else this.#write(fresh, pendingOf(to, event), event);
    this.#schedule();
  }

  /** Drops what waits for a subscription that ended. */
  forget(to: Addressee): void {
    for (const [key, window] of this.#windows) if (window.to === to) this.#drop(key, window);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#windows.clear();
  }

  #key(to: Addressee, directory: string): Addressee | string {
    if (!to.recursive) return to;
    let serial = this.#serials.get(to);
    if (serial === undefined) {
      serial = ++this.#serial;
      this.#serials.set(to, serial);
    }
    return `${serial} ${directory}`;
  }

  #merge(window: Window, event: Exclude<DirectoryEvent, { type: "state" }>): void {
    const next = pendingOf(window.to, event);
    const last = window.pending.at(-1);
    if (last !== undefined && mergeInto(last, next, window.to.detail)) {
      coalescedFacts.publish({ connection: window.to.connectionId });
      this.#waitingChanges += next.changes?.length ?? 0;
    } else {
      window.pending.push(next);
      this.#waitingChanges += next.changes?.length ?? 1;
    }
    if (this.#waitingChanges <= this.#limits.pendingChanges) return;
    this.#writeAll(window);
    if (this.#waitingChanges > this.#limits.pendingChanges) this.#collapse();
  }

  /** As much of what waits as the reader takes. */
  #writeAll(window: Window): void {
    while (window.pending.length > 0 && !this.#isBehind()) {
      const frame = window.pending.shift();
      if (frame === undefined) return;
      this.#waitingChanges -= weight([frame]);
      this.#write(window, frame);
    }
  }

  /** Too much waits: each subscription that has something waiting is told to list again instead. */
  #collapse(): void {
    const told = new Set<Addressee>();
    for (const [key, window] of this.#windows) {
      if (window.pending.length === 0) continue;
      told.add(window.to);
      this.#drop(key, window);
    }
    for (const to of told) {
      const scope = to.recursive ? "subtree" : "self";
      const pending = [{ cursor: undefined, resync: { scope, reason: "slow-consumer" } } satisfies Pending];
      const dueAt = this.#clock.monotonic() + this.#windowMs;
      this.#windows.set(this.#key(to, to.directory), { to, directory: to.directory, dueAt, pending });
    }
    this.#waitingChanges = told.size;
  }

  #drop(key: Addressee | string, window: Window): void {
    this.#windows.delete(key);
    this.#waitingChanges -= weight(window.pending);
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined || this.#closed) return;
    const first = this.#windows.values().next().value;
    if (first === undefined) {
      // Nobody looks any more: being behind starts anew with the next look.
      this.#behindSince = undefined;
      return;
    }
    const wait = first.dueAt - this.#clock.monotonic();
    this.#cancelTimer = this.#clock.after(wait > 0 ? wait : BEHIND_MS, () => this.#flush());
  }

  #flush(): void {
    this.#cancelTimer = undefined;
    const now = this.#clock.monotonic();
    for (const [key, window] of this.#windows) {
      if (window.dueAt > now || this.#closed) break;
      if (window.pending.length === 0) {
        this.#windows.delete(key);
        continue;
      }
      this.#writeAll(window);
      if (window.pending.length > 0) break;
      this.#windows.delete(key);
      window.dueAt = now + this.#windowMs;
      this.#windows.set(key, window);
    }
    this.#schedule();
  }

  #isBehind(): boolean {
    if (this.#sink.bufferedAmount <= this.#limits.softBufferBytes) {
      this.#behindSince = undefined;
      return false;
    }
    const now = this.#clock.monotonic();
    this.#behindSince ??= now;
    if (now - this.#behindSince >= this.#limits.slowReaderMs) this.#giveUp();
    return true;
  }

  #write(window: Window, frame: Pending, prompt?: DirectoryEvent): void {
    this.send(changedFrame(window, frame));
    sentFacts.publish({
      connection: window.to.connectionId,
      type: frame.resync === undefined ? "changes" : "resync",
      ...(prompt?.type === "changes"
        ? { seconds: Math.max(0, this.#clock.now() - Date.parse(prompt.body.time)) / 1_000 }
        : {}),
    });
  }

  #giveUp(): void {
    if (this.#closed) return;
    this.close();
    this.#onHopeless();
  }
}

function pendingOf(to: Addressee, event: Exclude<DirectoryEvent, { type: "state" }>): Pending {
  if (event.type === "resync") {
    const { scope, reason, jitterMs } = event;
    return { cursor: event.cursor, resync: { scope, reason, jitterMs } };
  }
  if (!to.detail) return { cursor: event.cursor };
  const { epoch, seq, via, changes } = event.body;
  return { cursor: event.cursor, epoch, seq, via, changes: [...changes] };
}

/** Whether `next` could become part of the frame that waits. */
function mergeInto(last: Pending, next: Pending, detail: boolean): boolean {
  if (detail) {
    const alike =
      last.resync === undefined
        ? next.resync === undefined &&
          last.epoch === next.epoch &&
          last.via === next.via &&
          (last.changes?.length ?? 0) + (next.changes?.length ?? 0) <= MAX_CHANGES_PER_FRAME
        : next.resync !== undefined;
    if (!alike) return false;
    if (next.changes !== undefined) last.changes?.push(...next.changes);
    if (next.seq !== undefined) last.seq = next.seq;
  }
  last.cursor = next.cursor ?? last.cursor;
  if (next.resync !== undefined) {
    const scope = last.resync?.scope === "subtree" ? "subtree" : next.resync.scope;
    last.resync = { ...next.resync, scope };
  }
  return true;
}

function weight(pending: readonly Pending[]): number {
  return pending.reduce((sum, frame) => sum + (frame.changes?.length ?? 1), 0);
}

function changedFrame({ to, directory }: Window, frame: Pending): DirectoryChangedFrame {
  const { cursor, changes, epoch, seq, via, resync } = frame;
  return {
    type: "directory_changed",
    connection_id: to.connectionId,
    path: to.path,
    ...(to.recursive ? { directory } : {}),
    ...(cursor === undefined ? {} : { cursor }),
    ...(changes === undefined ? {} : { changes }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(seq === undefined ? {} : { seq }),
    ...(via === undefined ? {} : { via }),
    ...(resync === undefined ? {} : { resync: true, scope: resync.scope, reason: resync.reason }),
    ...(resync?.jitterMs === undefined ? {} : { jitterMs: resync.jitterMs }),
  };
}
