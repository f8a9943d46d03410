import { type Backoff, type Deferred, deferred, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { AbortedError, DeadlineError } from "../../base/errors.ts";
import { type CanonicalPath, foldCase, pathKey } from "../../base/path.ts";
import type { ChangesEvent, ResyncEvent, StateEvent } from "../../watch/events.ts";
import { outboxFacts } from "../facts.ts";
import { type EventMode, encodeMessage } from "../message/index.ts";
import type { EventMessage } from "../message.ts";
import type { Cursor, WatchPublisher, WatchPublisherOptions } from "../port.ts";
import { type Subjects, watchName } from "../subjects.ts";
import {
  type Draft,
  type Lane,
  type Moment,
  type OutboxLimits,
  type ResyncDraft,
  WatchQueue,
} from "./outbox.ts";

/** A message with its number: from now on it is published as it is until it is acknowledged. */
export interface Sealed {
  readonly watch: WatchOutbox;
  readonly lane: Lane;
  readonly subject: string;
  readonly message: EventMessage;
  readonly headers: Readonly<Record<string, string>>;
  readonly payload: Uint8Array;
  /** Of the draft it was. */
  readonly order: number;
  readonly told: number | undefined;
  /** Monotonic clock when its first part was handed in. */
  readonly since: number;
  attempts: number;
  backoff: Backoff | undefined;
}

export interface OutboxHost {
  readonly limits: OutboxLimits;
  readonly subjects: Subjects;
  readonly mode: EventMode;
  readonly clock: Clock;
  /** Of the newest message known to be stored. */
  readonly cursor: () => Cursor;
  /** Lanes have something to send; the totals moved by `messages` and `bytes`. */
  changed(watch: WatchOutbox, lanes: Iterable<Lane>, messages: number, bytes: number): void;
  closed(watch: WatchOutbox): void;
}

export class WatchOutbox implements WatchPublisher {
  readonly epoch: string;
  readonly connection: string;
  readonly queue: WatchQueue;
  readonly #options: WatchPublisherOptions;
  readonly #host: OutboxHost;
  /** Of the watched directory itself: most changes are there. */
  #ownAddress: Parameters<WatchQueue["lane"]> | undefined;
  #seq = 0;
  #taking = true;
  #closed = false;
  /** Closed with something left to tell. */
  #lost = false;
  #idle: Deferred<void> | undefined;
  #closing: Promise<boolean> | undefined;

  constructor(options: WatchPublisherOptions, host: OutboxHost) {
    this.#options = options;
    this.#host = host;
    this.epoch = options.epoch;
    this.connection = options.connection;
    const fold = options.caseSensitive ? (name: string): string => name : foldCase;
    this.queue = new WatchQueue(options.path, options.recursive, fold);
  }

  get position(): { readonly seq: number; readonly cursor: Cursor } | undefined {
    if (this.#seq === 0 || this.queue.outstanding > 0 || this.#lost) return undefined;
    return { seq: this.#seq, cursor: this.#host.cursor() };
  }

  mark(told: number): void {
    this.queue.tally.mark(told);
  }

  stored(told: number): Promise<boolean> {
    return this.#lost ? Promise.resolve(false) : this.queue.tally.stored(told);
  }

  changes(event: ChangesEvent, told?: number): void {
    // A resync that is still to be numbered covers what comes before it.
    if (!this.#taking || this.queue.overflowed || event.changes.length === 0) return;
    this.#add(event.path, (lane, now) => this.queue.addChanges(lane, event, this.#host.limits, now, told));
  }

  resync(event: ResyncEvent, told?: number): void {
    if (!this.#taking) return;
    for (const path of this.#targets(event)) {
      this.#add(path, (lane, now) => this.queue.addResync(lane, event, now, told));
    }
  }

  state(event: StateEvent): void {
    if (!this.#taking) return;
    this.#add(event.path, (lane, now) => this.queue.addState(lane, event, now));
  }

  async flush(
    options: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number } = {},
  ): Promise<void> {
    if (this.queue.outstanding === 0) return;
    this.#idle ??= deferred<void>();
    await waitFor(this.#idle.promise, { ...options, what: "flush of a watch", clock: this.#host.clock });
  }

  close(options: { readonly flushMs?: number } = {}): Promise<boolean> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close(options: { readonly flushMs?: number }): Promise<boolean> {
    this.#taking = false;
    if (options.flushMs !== undefined) {
      await this.flush({ deadlineMs: options.flushMs }).catch((error: unknown) => {
        if (!(error instanceof DeadlineError || error instanceof AbortedError)) throw error;
      });
    }
    this.#closed = true;
    const complete = this.queue.outstanding === 0;
    this.#lost = !complete;
    this.#moved(() => {
      this.queue.clear();
      return [];
    });
    this.queue.outstanding = 0;
    this.queue.tally.close();
    this.#idle?.resolve();
    this.#host.closed(this);
    return complete;
  }

  /** Drops what is queued; one resync of the whole watch stands for it. */
  overflow(): void {
    const event = this.#wholeWatch();
    const root = this.#lane(event.path);
    this.#moved(() => {
      const { dropped, bytes } = this.queue.drop();
      this.queue.overflowed = true;
      this.queue.addExemptResync(root, event, true, this.#now());
      const { connection } = this;
      outboxFacts.publish({ type: "overflow", connection, path: event.path, dropped, bytes });
      return [root];
    });
  }

  /** Numbers and encodes the first draft of a lane. `undefined` when there is none that can be sent now. */
  seal(lane: Lane, maxBodyBytes: number): Sealed | undefined {
    let sealed: Sealed | undefined;
    this.#moved(() => {
      const draft = this.queue.take(lane);
      if (draft === undefined) {
        this.queue.release(lane);
        return [];
      }
      if (draft.event.type === "resync" && (draft as ResyncDraft).expand) this.#expand(draft.event);
      const message = this.#number(draft, this.#seq + 1);
      const encoded = encodeMessage(message, this.#options.source, this.#host.mode);
      if (encoded.payload.length > maxBodyBytes && "changes" in draft && draft.changes.length > 1) {
        this.queue.split(lane, draft);
        return [lane];
      }
      this.#seq++;
      sealed = {
        watch: this,
        lane,
        subject: lane.subject,
        message,
        headers: encoded.headers,
        payload: encoded.payload,
        order: draft.order,
        told: draft.told,
        since: draft.since,
        attempts: 0,
        backoff: undefined,
      };
      return [];
    });
    return sealed;
  }

  /** A sealed message is done with. Returns lanes that waited for it. */
  settled({ lane, order, told, message }: Sealed): readonly Lane[] {
    if (this.queue.outstanding > 0) this.queue.outstanding--;
    if (message.type !== "state") this.queue.tally.leave(told);
    this.queue.settle(order);
    this.queue.release(lane);
    this.#checkIdle();
    return this.queue.takeFreed();
  }

  /** The server takes no message of that size: its directory is to be listed. */
  replaceTooLarge(sealed: Sealed): void {
    const { path } = sealed.message.body;
    outboxFacts.publish({ type: "too-large", connection: this.connection, path });
    if (sealed.message.type !== "changes" || this.#closed) return;
    this.#add(path, (lane, now) =>
      this.queue.addResync(lane, { type: "resync", path, scope: "self", reason: "too-large" }, now),
    );
  }

  #wholeWatch(): ResyncEvent {
    const { path, recursive } = this.#options;
    return { type: "resync", path, scope: recursive ? "subtree" : "self", reason: "outbox-full" };
  }

  /** From here on the resync has its number; what comes after it is told again. */
  #expand(event: ResyncEvent): void {
    this.queue.overflowed = false;
    const lanes = this.#targets(event)
      .slice(1)
      .map((path) => this.#lane(path));
    for (const lane of lanes) this.queue.addExemptResync(lane, event, false, this.#now());
    this.#host.changed(this, lanes, 0, 0);
  }

  /** The event's own directory first. */
  #targets(event: ResyncEvent): readonly CanonicalPath[] {
    return [
      event.path,
      ...(this.#options.resyncTargets?.(event) ?? []).filter((path) => path !== event.path),
    ];
  }

  #number(draft: Draft, seq: number): EventMessage {
    const { connection, epoch } = this.#options;
    const time = new Date(draft.time).toISOString();
    const numbered = draft.told === undefined ? {} : { told: draft.told };
    if ("changes" in draft) {
      const { path, via } = draft.event;
      const body = { connection, path, epoch, seq, ...numbered, time, via, changes: draft.changes };
      return { type: "changes", body };
    }
    const { event } = draft;
    const head = { connection, path: event.path, epoch, seq, ...numbered, time };
    if (event.type === "resync") {
      const { scope, reason, picture } = event;
      const kept = picture === undefined ? {} : { picture };
      return { type: "resync", body: { ...head, scope, reason, ...kept } };
    }
    const { type: _, path: __, ...state } = event;
    return { type: "state", body: { ...head, ...state } };
  }

  #add(path: CanonicalPath, add: (lane: Lane, now: Moment) => void): void {
    const lane = this.#lane(path);
    this.#moved(() => {
      add(lane, this.#now());
      return [lane];
    });
  }

  /** Runs a change of the queue and tells the host how the totals moved. */
  #moved(change: () => readonly Lane[]): void {
    const { messages, bytes } = this.queue;
    const lanes = [...change(), ...this.queue.takeFreed()];
    this.#host.changed(this, lanes, this.queue.messages - messages, this.queue.bytes - bytes);
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.queue.outstanding > 0) return;
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #lane(path: CanonicalPath): Lane {
    if (path !== this.#options.path) return this.queue.lane(...this.#address(path));
    this.#ownAddress ??= this.#address(path);
    return this.queue.lane(...this.#ownAddress);
  }

  #address(path: CanonicalPath): Parameters<WatchQueue["lane"]> {
    const { connection, caseSensitive } = this.#options;
    const name = watchName(connection, path, caseSensitive);
    return [this.#host.subjects.ingest(name), pathKey(path, caseSensitive)];
  }

  #now(): Moment {
    return { time: this.#host.clock.now(), since: this.#host.clock.monotonic() };
  }
}
