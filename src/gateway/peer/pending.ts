import type { Cursor } from "../../fleet/port.ts";
import type { Change, ResyncReason, ResyncScope, Via } from "../../watch/events.ts";
import type { DirectoryEvent } from "../hub/index.ts";
import type { DirectoryChangedFrame } from "./protocol.ts";

/** What coalescing is about: states go out as they come. */
export type ToldEvent = Exclude<DirectoryEvent, { type: "state" }>;

/** What a frame says about the subscription it belongs to. */
export interface Addressee {
  readonly connectionId: string;
  /** As the client sent it. */
  readonly path: string;
  readonly recursive: boolean;
  readonly detail: boolean;
  /** How long what is no first news is gathered, ms. Default: as the gateway has it. */
  readonly windowMs?: number | undefined;
  /** The subscribed directory, canonical. */
  readonly directory: string;
  /** Keeps a picture: he is told everything in one order, whatever directory it is of, and never to list. */
  readonly mirror?: { overflow(): void } | undefined;
}

/** Longer lists go out as several frames, so that one burst does not fill the socket's buffer at a stroke. */
const MAX_CHANGES_PER_FRAME = 1_000;

/** One frame to be. */
export interface Pending {
  readonly directory: string;
  cursor: Cursor | undefined;
  /** In a tree: the cursor of the last event before the first one in here. */
  before?: Cursor | undefined;
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

/** The frame an event makes by itself. */
export function pendingOf(to: Addressee, event: ToldEvent): Pending {
  const { directory, cursor } = event;
  if (event.type === "resync") {
    const { scope, reason, jitterMs } = event;
    return { directory, cursor, resync: { scope, reason, jitterMs } };
  }
  if (!to.detail) return { directory, cursor };
  const { epoch, seq, via, changes } = event.body;
  return { directory, cursor, epoch, seq, via, changes: [...changes] };
}

const promptTexts = new WeakMap<ToldEvent, Map<string, string>>();

/**
 * The frame an event makes by itself, as text: made once for all sockets that asked for a directory in the same
 * words, or one burst told to thousands would stop everything else for seconds. Of a tree only where nothing waits:
 * else its cursor is the subscriber's own.
 */
export function promptText(to: Addressee, event: ToldEvent): string {
  let texts = promptTexts.get(event);
  if (texts === undefined) {
    texts = new Map();
    promptTexts.set(event, texts);
  }
  const words = `${to.detail} ${to.recursive} ${to.connectionId} ${to.path}`;
  let text = texts.get(words);
  if (text === undefined) {
    text = JSON.stringify(changedFrame(to, pendingOf(to, event)));
    texts.set(words, text);
  }
  return text;
}

/** Whether `next` could become part of the frame that waits. */
export function mergeInto(last: Pending, next: Pending): boolean {
  const { changes } = last;
  if (last.directory !== next.directory) return false;
  if ((changes === undefined) !== (next.changes === undefined)) return false;
  if (changes !== undefined && next.changes !== undefined) {
    const fits = changes.length + next.changes.length <= MAX_CHANGES_PER_FRAME;
    if (!fits || last.epoch !== next.epoch || last.via !== next.via) return false;
    changes.push(...next.changes);
    if (next.seq !== undefined) last.seq = next.seq;
  }
  last.cursor = next.cursor ?? last.cursor;
  if (next.resync !== undefined) {
    const scope = last.resync?.scope === "subtree" ? "subtree" : next.resync.scope;
    const jitterMs = Math.max(last.resync?.jitterMs ?? 0, next.resync.jitterMs ?? 0) || undefined;
    last.resync = { reason: next.resync.reason, scope, jitterMs };
  }
  return true;
}

/**
 * How far one subtree has been told. Its directories wait apart, so the newest frame out is not yet a place to
 * resume from: that is the last event before the oldest one still waiting.
 */
export class TreeProgress {
  #seen: Cursor | undefined;
  readonly #waiting = new Set<Pending>();

  /** An event came; returns the cursor before it. */
  see(cursor: Cursor | undefined): Cursor | undefined {
    const before = this.#seen;
    this.#seen = cursor ?? before;
    return before;
  }

  wait(frame: Pending): void {
    this.#waiting.add(frame);
  }

  /** The frame goes out, or is dropped. */
  leave(frame: Pending): void {
    this.#waiting.delete(frame);
  }

  /** Where a client may resume that was told all but what waits. */
  get cursor(): Cursor | undefined {
    const [oldest] = this.#waiting;
    return oldest === undefined ? this.#seen : oldest.before;
  }
}

/** What waits, in changes. */
export function weight(pending: readonly Pending[]): number {
  return pending.reduce((sum, frame) => sum + (frame.changes?.length ?? 1), 0);
}

export function changedFrame(to: Addressee, frame: Pending): DirectoryChangedFrame {
  const { directory, cursor, changes, epoch, seq, via, resync } = frame;
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
