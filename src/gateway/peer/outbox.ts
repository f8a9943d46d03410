import type { Clock } from "../../base/clock.ts";
import type { Cursor } from "../../fleet/port.ts";
import { coalescedFacts, sentFacts } from "../facts.ts";
import type { GatewayLimits, GatewayTimes } from "../options.ts";
import { Bulk, type Load } from "./bulk.ts";
import {
  type Addressee,
  changedFrame,
  mergeInto,
  type Pending,
  pendingOf,
  promptText,
  type ToldEvent,
  TreeProgress,
  weight,
} from "./pending.ts";
import type { Pressure } from "./pressure.ts";
import type { ServerFrame } from "./protocol.ts";
import { Window } from "./window.ts";

/** The part of a WebSocket that sending needs. */
export interface FrameSink {
  send(text: string): void;
  /** Bytes handed over and not yet taken by the kernel. */
  readonly bufferedAmount: number;
}

/** How soon a reader that is behind is looked at again. */
const BEHIND_MS = 50;

interface Tree {
  /** Tells its windows from those of another tree over the same directories. */
  readonly serial: number;
  readonly progress: TreeProgress;
}

/**
 * All that leaves for one socket. Answers go out at once. Changes: the first of a directory at once, then
 * at most one frame per directory and window, and what came last always goes out. Without `detail`
 * everything that waits for one directory is one frame; with it no change is lost, neighbours of one
 * epoch become one list, and the first news of a name waits for no window unless there are many.
 * Of a tree that is mirrored the order is kept across its directories: what is told of one may only make sense after what
 * was told of the one above. While more than `softBufferBytes` are unsent all changes wait and merge. When more
 * than `pendingChanges` wait they go out early, or, to a reader that is behind, turn into a resync. Who stays
 * behind for `slowReaderMs`, or is beyond `bufferBytes` when an answer is due, is given up.
 */
export class Outbox {
  readonly #sink: FrameSink;
  readonly #clock: Clock;
  readonly #limits: GatewayLimits;
  readonly #times: GatewayTimes;
  readonly #pressure: Pressure;
  readonly #onHopeless: () => void;
  /** Most readers never ask for more than goes out at once. */
  #bulk: Bulk | undefined;
  /** In order of `dueAt`, as long as all windows are equally long: a reopened one moves to the end. */
  readonly #windows = new Map<Addressee | string, Window>();
  readonly #trees = new Map<Addressee, Tree>();
  #serial = 0;
  /** How long windows are. Of different lengths their order says nothing. */
  #length: number | undefined;
  #unequal = false;
  #waitingChanges = 0;
  #behindSince: number | undefined;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(options: {
    readonly sink: FrameSink;
    readonly clock: Clock;
    readonly limits: GatewayLimits;
    readonly times: GatewayTimes;
    /** Of all sockets together. */
    readonly pressure: Pressure;
    /** Called once when the reader is too slow to go on. */
    readonly onHopeless: () => void;
  }) {
    this.#sink = options.sink;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#times = options.times;
    this.#pressure = options.pressure;
    this.#onHopeless = options.onHopeless;
  }

  /** Directories of which something was sent within the window, or waits. */
  get open(): number {
    return this.#windows.size;
  }

  /** An answer, or a state: goes out before anything that waits. */
  send(frame: ServerFrame): void {
    this.#send(() => JSON.stringify(frame));
  }

  /** A frame of another application, as it came. */
  relay(text: string): void {
    this.#send(() => text);
  }

  /** More than goes out at once. */
  load(load: Load): void {
    if (this.#closed) return;
    this.#bulk ??= new Bulk({
      clock: this.#clock,
      isBehind: () => this.#isBehind(),
      send: (text) => this.#send(() => text),
    });
    this.#bulk.add(load);
  }

  /** A change or a resync. */
  offer(to: Addressee, event: ToldEvent): void {
    if (this.#closed) return;
    const key = this.#key(to, event.directory);
    const tree = this.#trees.get(to);
    const before = tree?.progress.see(event.cursor);
    const frame = (): Pending => ({ ...pendingOf(to, event), before });
    const known = this.#windows.get(key);
    if (known !== undefined && (this.#pressure.loaded || !known.isNews(event) || this.#isBehind())) {
      this.#merge(known, frame());
      return;
    }
    const window = known ?? this.#open(key, new Window(to));
    window.note(event);
    if (this.#isBehind()) this.#merge(window, frame());
    else if (window.pending.length > 0) {
      this.#merge(window, frame());
      this.#writeAll(window);
    } else if (tree === undefined || tree.progress.cursor === event.cursor) {
      this.#sendPrompt(to, event, () => promptText(to, event));
    } else {
      const changed = changedFrame(to, { ...frame(), cursor: tree.progress.cursor });
      this.#sendPrompt(to, event, () => JSON.stringify(changed));
    }
    if (window.dueAt <= this.#clock.monotonic() && window.pending.length === 0) this.#windows.delete(key);
    this.#schedule();
  }

  /** Another window of the directory begins: it is due last of all that are as long. */
  #open(key: Addressee | string, window: Window): Window {
    const { to } = window;
    const { coalesceMs, windowMs } = this.#times;
    const own = to.windowMs ?? (to.detail ? windowMs : coalesceMs);
    const length = this.#pressure.loaded ? Math.max(own, coalesceMs) : own;
    this.#unequal ||= this.#length !== undefined && this.#length !== length;
    this.#length = length;
    window.open(this.#clock.monotonic() + length);
    if (window.dueAt < this.#timerAt) {
      this.#cancelTimer?.();
      this.#cancelTimer = undefined;
    }
    this.#windows.delete(key);
    this.#windows.set(key, window);
    return window;
  }

  /** Drops what waits for a subscription that ended. */
  forget(to: Addressee): void {
    for (const [key, window] of this.#windows) if (window.to === to) this.#drop(key, window);
    this.#trees.delete(to);
    this.#bulk?.forget(to);
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#windows.clear();
    this.#bulk?.close();
  }

  #key(to: Addressee, directory: string): Addressee | string {
    if (!to.recursive || to.mirror !== undefined) return to;
    let tree = this.#trees.get(to);
    if (tree === undefined) {
      tree = { serial: ++this.#serial, progress: new TreeProgress() };
      this.#trees.set(to, tree);
    }
    return `${tree.serial} ${directory}`;
  }

  #merge(window: Window, next: Pending): void {
    const last = window.pending.at(-1);
    if (last !== undefined && mergeInto(last, next)) {
      coalescedFacts.publish({ connection: window.to.connectionId });
      this.#waitingChanges += next.changes?.length ?? 0;
    } else {
      window.pending.push(next);
      this.#trees.get(window.to)?.progress.wait(next);
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
      this.#trees.get(window.to)?.progress.leave(frame);
      this.#write(window, frame);
    }
  }

  /** Too much waits: each subscription that has something waiting is told to list again instead, or to do without. */
  #collapse(): void {
    /** With the cursor from which a client that never hears of this must resume. */
    const told = new Map<Addressee, Cursor | undefined>();
    for (const [key, window] of this.#windows) {
      if (window.pending.length === 0) continue;
      const { to } = window;
      if (!told.has(to)) told.set(to, this.#trees.get(to)?.progress.cursor);
      this.#drop(key, window);
    }
    const toList = [...told].filter(([to]) => to.mirror === undefined);
    for (const [to, before] of toList) {
      const { directory } = to;
      const scope = to.recursive ? "subtree" : "self";
      const resync = { scope, reason: "slow-consumer" } as const;
      const frame: Pending = { directory, cursor: undefined, before, resync };
      this.#open(this.#key(to, directory), new Window(to)).pending.push(frame);
      this.#trees.get(to)?.progress.wait(frame);
    }
    this.#waitingChanges = toList.length;
    for (const to of told.keys()) to.mirror?.overflow();
  }

  #drop(key: Addressee | string, window: Window): void {
    this.#windows.delete(key);
    this.#waitingChanges -= weight(window.pending);
    for (const frame of window.pending) this.#trees.get(window.to)?.progress.leave(frame);
  }

  #schedule(): void {
    if (this.#cancelTimer !== undefined || this.#closed) return;
    const dueAt = this.#nextDue();
    if (dueAt === undefined) {
      // Nobody looks any more: being behind starts anew with the next look.
      if (this.#bulk?.waiting !== true) this.#behindSince = undefined;
      return;
    }
    const now = this.#clock.monotonic();
    this.#timerAt = dueAt > now ? dueAt : now + BEHIND_MS;
    this.#cancelTimer = this.#clock.after(this.#timerAt - now, () => this.#flush());
  }

  #nextDue(): number | undefined {
    if (this.#windows.size === 0) {
      this.#length = undefined;
      this.#unequal = false;
    }
    if (!this.#unequal) return this.#windows.values().next().value?.dueAt;
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#windows.values()) next = Math.min(next, dueAt);
    return next;
  }

  #flush(): void {
    this.#cancelTimer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (const [key, window] of this.#windows) {
      if (this.#closed) break;
      if (window.dueAt > now) {
        if (!this.#unequal) break;
        continue;
      }
      if (window.pending.length === 0) {
        this.#windows.delete(key);
        continue;
      }
      this.#writeAll(window);
      if (window.pending.length > 0) break;
      this.#open(key, window);
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

  #write({ to }: Window, frame: Pending): void {
    const tree = this.#trees.get(to);
    if (tree !== undefined) frame.cursor = tree.progress.cursor;
    this.send(changedFrame(to, frame));
    this.#pressure.sent();
    const type = frame.resync === undefined ? "changes" : "resync";
    sentFacts.publish({ connection: to.connectionId, type });
  }

  /** What did not have to wait. */
  #sendPrompt(to: Addressee, event: ToldEvent, text: () => string): void {
    this.#send(text);
    this.#pressure.sent();
    const { type } = event;
    const connection = to.connectionId;
    if (type === "resync") sentFacts.publish({ connection, type });
    else {
      const seconds = Math.max(0, this.#clock.now() - Date.parse(event.body.time)) / 1_000;
      sentFacts.publish({ connection, type, seconds });
    }
  }

  #send(text: () => string): void {
    if (this.#closed) return;
    if (this.#sink.bufferedAmount > this.#limits.bufferBytes) this.#giveUp();
    else this.#sink.send(text());
  }

  #giveUp(): void {
    if (this.#closed) return;
    this.close();
    this.#onHopeless();
  }
}
