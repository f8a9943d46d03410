import { deferred, ignoreRejection, sleep, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { ClosedError } from "../base/errors.ts";
import type { CanonicalPath } from "../base/path.ts";
import type { ShareWatch, WatchHandle, WatchOverrides, WatchSink } from "./api.ts";
import { HandleSet } from "./cover/index.ts";
import {
  ActiveInterest,
  deliveryStage,
  type InterestHooks,
  type ReadyStageOptions,
} from "./deliver/index.ts";
import type { Interest } from "./interest.ts";
import {
  type ResolvedOptions,
  resolveOptions,
  type ShareWatcherOptions,
  type Surroundings,
} from "./options.ts";
import { Gate } from "./pacing.ts";
import { adoptCheckpoint, type CheckpointDirectory, freezePicture, takeCheckpoint } from "./picture/index.ts";
import { Prober, WaitingRoom } from "./ready/index.ts";
import { resolveReady } from "./ready-options.ts";
import { NameLookup } from "./rescan/index.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "./source.ts";

/** How long the first contact may take before interests are told that the server is out of reach. */
const FIRST_CONTACT_MS = 4_000;
/** Files asked about at the same time, for all who wait for any. */
const PROBES_AT_ONCE = 8;
/** A refused login is not repeated sooner than this: accounts get locked. */
const REFUSED_MS = 600_000;

/**
 * Watches one share for any number of interests, with as few handles as its cover policy allows.
 * Every change the server can tell reaches every interest that covers it, or a `resync` does.
 */
export class ShareWatcher implements ShareWatch {
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  readonly #clock: Clock;
  readonly #handles: HandleSet;
  readonly #lookup: NameLookup;
  readonly #prober: Prober;
  readonly #room: WaitingRoom;
  readonly #stop = new AbortController();
  readonly #hooks: InterestHooks;
  #contact: Promise<void> | undefined;
  #retryContact: (() => void) | undefined;
  /** Why there is no contact yet. */
  #trouble: SourceError | undefined;
  #closing: Promise<void> | undefined;
  /** On its way, whatever becomes of it; and the one after it. */
  #trip: Promise<void> | undefined;
  #nextTrip: Promise<void> | undefined;

  constructor(
    source: DirectorySource,
    options: ShareWatcherOptions = {},
    surroundings: Partial<Surroundings> = {},
  ) {
    const { clock = systemClock, random = Math.random } = surroundings;
    this.#source = source;
    this.#options = resolveOptions(options);
    // What cannot be meant is said at once.
    resolveReady(this.#options.ready);
    this.#clock = clock;
    const gate = new Gate(this.#options.scansAtOnce);
    this.#lookup = new NameLookup(source, new Gate(this.#options.scansAtOnce));
    this.#prober = new Prober({
      source,
      clock,
      gate: new Gate(PROBES_AT_ONCE),
      key: (path) => this.#key(path),
      stop: this.#stop.signal,
    });
    this.#room = new WaitingRoom(this.#options.maxReady);
    const handles = new HandleSet(source, this.#options, { clock, random }, gate, this.#lookup);
    this.#handles = handles;
    this.#hooks = {
      onClose: (closed) => handles.remove(closed),
      checkpoint: ({ interest }) => takeCheckpoint(handles.picture, interest),
      freeze: ({ interest }, scope) => freezePicture(handles.picture, interest, scope),
      sure: (each) => handles.isSure(each),
      recheck: (each) => handles.recheck(each),
      recall: (told) => handles.recall(told),
      retry: (each) => {
        ignoreRejection(source.hurry?.({ signal: this.#stop.signal }) ?? Promise.resolve());
        handles.retry(each);
      },
    };
  }

  /** Handles open or being opened now. */
  get handles(): number {
    return this.#handles.handles;
  }

  /** @throws ClosedError, ReadyOptionsError */
  watch(interest: Interest, sink: WatchSink, overrides: WatchOverrides = {}): WatchHandle {
    if (this.#closing !== undefined) throw new ClosedError("share watch");
    const { stat = this.#options.stat, settleMs = this.#options.settleMs } = overrides;
    const ready = this.#readyStage(overrides);
    const stage = deliveryStage({ stat, settleMs, clock: this.#clock, lookup: this.#lookup, ready });
    const active = new ActiveInterest(interest, sink, overrides, this.#hooks, stage);
    if (overrides.checkpoint !== undefined) this.#takeOver(active, overrides.checkpoint);
    this.#handles.add(active);
    void this.#serve(active);
    return active;
  }

  /** Many ask at once when a worker ends: those who ask while one is on its way share the next. @throws SourceError, AbortedError */
  async roundTrip({ signal }: { readonly signal?: AbortSignal | undefined }): Promise<void> {
    this.#nextTrip ??= (this.#trip ?? Promise.resolve()).then(() => {
      this.#nextTrip = undefined;
      const trip = this.#source.roundTrip({ signal: this.#stop.signal });
      this.#trip = trip.catch(() => undefined);
      return trip;
    });
    await waitFor(this.#nextTrip, { signal });
  }

  /** @throws SourceError, AbortedError */
  look(
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, EntryInfo>> {
    return this.#lookup.look(path, names, AbortSignal.any([signal, this.#stop.signal]));
  }

  /** What was refused may be allowed now (new credentials): asks again at once, not after a long pause. */
  retry(): void {
    this.#retryContact?.();
    this.#handles.retry();
  }

  /** Ends all interests and closes all handles. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  #readyStage({ ready, keepsPicture = false, onWaiting }: WatchOverrides): ReadyStageOptions | undefined {
    const resolved = resolveReady(ready ?? this.#options.ready);
    if (resolved === undefined) return undefined;
    const options = { ...resolved, only: resolved.only && !keepsPicture };
    const { label, caseSensitive } = this.#options;
    const key = (path: CanonicalPath): string => this.#key(path);
    return {
      ...{ options, label, caseSensitive, key, prober: this.#prober, room: this.#room, clock: this.#clock },
      ...(onWaiting === undefined ? {} : { onWaiting }),
    };
  }

  /** A checkpoint that cannot be compared leaves only one honest answer. */
  #takeOver(active: ActiveInterest, checkpoint: readonly CheckpointDirectory[]): void {
    const { path, recursive } = active.interest;
    const key = (other: CanonicalPath): string => this.#key(other);
    if (adoptCheckpoint(this.#handles.picture, active.interest, checkpoint, key)) return;
    const scope = recursive ? "subtree" : "self";
    active.live.then(
      () => active.deliver({ type: "resync", path, scope, reason: "takeover" }),
      () => undefined,
    );
  }

  async #end(): Promise<void> {
    this.#stop.abort();
    await this.#handles.close();
    await this.#contact?.catch(() => undefined);
  }

  async #serve(active: ActiveInterest): Promise<void> {
    try {
      // Which cover is right is known only once the server has been seen.
      if (this.#options.cover === "auto") {
        this.#contact ??= this.#meet();
        if (this.#trouble !== undefined) this.#handles.report(this.#trouble, [active]);
        await this.#contact;
      }
    } catch {
      return;
    }
    this.#handles.serve(active);
  }

  /** Waits for the first contact, for ever. @throws AbortedError */
  async #meet(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      const report = (error: SourceError): void => {
        late();
        this.#trouble = error;
        this.#handles.report(error);
      };
      const late = this.#clock.after(FIRST_CONTACT_MS, () =>
        report(new SourceError("unreachable", "no contact with the server yet")),
      );
      try {
        await this.#source.reachable({ signal, onFailed: report });
        this.#trouble = undefined;
        return;
      } catch (error) {
        if (error instanceof SourceError) report(error);
        await this.#pause(REFUSED_MS, signal);
      } finally {
        late();
      }
    }
  }

  /** Until `retry`, at most `ms`. @throws AbortedError */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const retried = deferred<void>();
    this.#retryContact = retried.resolve;
    const over = new AbortController();
    const slept = sleep(ms, { signal: AbortSignal.any([signal, over.signal]), clock: this.#clock });
    try {
      await Promise.race([slept, retried.promise]);
    } finally {
      ignoreRejection(slept);
      over.abort();
    }
  }

  #key(path: CanonicalPath): string {
    return this.#handles.picture.key(path);
  }
}
