import { waitFor } from "../base/async.ts";
import { stages } from "../base/channels.ts";
import type { Clock } from "../base/clock.ts";
import { describeError } from "../base/errors.ts";
import type { EventPublisher, WatchPublisher } from "../broker/port.ts";
import type { WatchKey } from "../fleet/identity.ts";
import type { WatchTarget } from "../fleet/port.ts";
import type { ClaimState } from "../fleet/records.ts";
import type { WatchHandle, WatchSink } from "../watch/api.ts";
import type { ResyncEvent, ResyncReason, StateEvent, WatchEvent } from "../watch/events.ts";
import type { Interest } from "../watch/interest.ts";
import type { CheckpointDirectory, FrozenPicture, NoPicture } from "../watch/picture/index.ts";
import type { ReadyRecord } from "../watch/ready/index.ts";
import { Activity } from "./activity.ts";
import type { Checkpoint } from "./checkpoint-record.ts";
import { watchFacts } from "./facts.ts";
import { type Inherited, shareOf } from "./inheritance.ts";
import { codeOfFailure } from "./list.ts";
import { isServed, type LocalState, stateEvent, stateHeard, stateOfFailure } from "./local-state.ts";
import type { ConnectionRuntime } from "./runtime.ts";
import { Unpublished } from "./unpublished.ts";

export interface LocalWatchOptions {
  readonly key: WatchKey;
  readonly target: WatchTarget;
  readonly runtime: ConnectionRuntime;
  readonly publisher: EventPublisher;
  readonly clock: Clock;
  /** Directories inside a resync's scope that have a live ref. */
  readonly resyncTargets: (event: ResyncEvent) => readonly string[];
  /** Its state has changed. Must not throw. */
  readonly onChange: () => void;
  /** Something was told. Must not throw. */
  readonly onTold?: () => void;
  /** What consumers know already, as a former owner left it. */
  readonly inherited?: Inherited | undefined;
}

/** An owner that cannot ask the server does not know what it has missed. */
const HEARD_MS = 5_000;

/** What has been told in one epoch, at one instant. */
export interface ToldSnapshot extends FrozenPicture {
  readonly epoch: string;
  /** Resolves `true` once all of it is in the stream, `false` when it never will be. */
  readonly stored: () => Promise<boolean>;
}

/**
 * One watch run by this worker: `buffering -> publishing -> (buffering) -> closed`. While buffering, events are kept;
 * opening an epoch either tells them all (the former owner flushed before), or starts with a resync that covers them.
 */
export class LocalWatch {
  readonly key: WatchKey;
  readonly target: WatchTarget;
  readonly runtime: ConnectionRuntime;
  readonly activity: Activity;
  readonly #options: LocalWatchOptions;
  readonly #handle: WatchHandle;
  #state: LocalState = { state: "starting", mode: "notify" };
  readonly #unpublished: Unpublished;
  #outlet: WatchPublisher | undefined;
  /** The epoch has begun while the watch was not live: its resync is due when it is. */
  #owed: ResyncReason | undefined;
  #closed = false;

  constructor(options: LocalWatchOptions) {
    this.#options = options;
    this.activity = new Activity(options.clock);
    this.key = options.key;
    this.target = options.target;
    this.runtime = options.runtime;
    const { path, recursive } = options.target;
    const { inherited } = options;
    this.#unpublished = new Unpublished(options.clock, inherited !== undefined);
    // Where others watch already it has something to say before it is in hand.
    const early: Parameters<WatchSink>[] = [];
    let inHand = false;
    this.#handle = options.runtime.watches.watch(
      { path, recursive },
      (...said) => {
        if (inHand) this.#hear(...said);
        else early.push(said);
      },
      {
        ...options.runtime.overrides?.({ path, recursive }),
        openAudience: true,
        ...(inherited === undefined ? {} : { checkpoint: inherited.directories }),
        onWaiting: () => this.#outlet !== undefined && options.onTold?.(),
      },
    );
    inHand = true;
    for (const said of early) this.#hear(...said);
    if (inherited?.ready !== undefined) this.#handle.ready?.adopt(inherited.ready);
    this.#handle.live.then(
      () => {
        const { state, mode, late } = this.#handle;
        const now = state === "degraded" ? state : "live";
        // Told already, and why with it.
        if (now !== this.#state.state || mode !== this.#state.mode) {
          this.#settle({ state: now, mode, ...(late === undefined ? {} : { late }) });
        }
      },
      (error: unknown) => this.#fail(error),
    );
  }

  get state(): LocalState {
    return this.#state;
  }

  get waitsForReady(): boolean {
    return this.#handle.ready !== undefined;
  }

  /** Changes are not told, only files that are ready: nobody can go on from a snapshot. */
  get tellsReadyOnly(): boolean {
    return this.#handle.ready?.only === true;
  }

  get inherits(): boolean {
    return this.#unpublished.inherits;
  }

  get publishing(): boolean {
    return this.#outlet !== undefined;
  }

  /** A listing would have nothing to settle: see `WatchHandle.sure`. */
  get sure(): boolean {
    return this.#state.state === "live" && this.#handle.sure !== false;
  }

  /** Looks for what the server does not tell: whoever goes on lists in silence, and takes it for known. */
  recheck(): void {
    this.#handle.recheck?.();
  }

  /** What the former owner has told, as consumers know it: see `WatchHandle.recall`. */
  recall({ directories }: Pick<Inherited, "directories">): void {
    this.#handle.recall?.(directories);
  }

  /** Somebody asks anew for what could not be watched: looks now. */
  retry(): void {
    const { state } = this.#state;
    if (state === "gone" || state === "denied" || state === "unreachable") this.#handle.retry?.();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What has been told of the directory, or of a part of it, and where in the order of what is told that is. */
  snapshot(scope: Interest): ToldSnapshot | NoPicture {
    const outlet = this.#outlet;
    if (outlet === undefined || this.#owed !== undefined || !isServed(this.#state)) return "not-yet";
    const picture = this.#handle.snapshot?.(scope) ?? "not-yet";
    if (typeof picture === "string") return picture;
    outlet.mark(picture.told);
    return { ...picture, epoch: outlet.epoch, stored: () => outlet.stored(picture.told) };
  }

  /** What consumers know; `undefined` while something is on its way to them, or owed. */
  checkpoint(): Checkpoint | undefined {
    return this.#checkpoint(this.#handle.checkpoint?.(), this.#handle.ready?.record);
  }

  get epoch(): string | undefined {
    return this.#outlet?.epoch;
  }

  /**
   * Begins an epoch. Without `resync` what was buffered is told; with it the resync covers it.
   * Resolves when the beginning is stored, or after 5 s: readers of the claim should find it behind them.
   * @param bequest - which files the former owner waited for, and had told.
   */
  async open(
    epoch: string,
    resync: ResyncReason | undefined,
    signal: AbortSignal,
    bequest?: ReadyRecord,
  ): Promise<void> {
    if (this.#closed || this.#outlet !== undefined) return;
    const { connection, path, recursive } = this.target;
    const outlet = this.#options.publisher.open({
      connection,
      path,
      recursive,
      caseSensitive: this.runtime.caseSensitive,
      source: this.runtime.sourceUrl,
      epoch,
      resyncTargets: (event) => this.#options.resyncTargets(event),
    });
    this.#outlet = outlet;
    const { owed, events } = this.#unpublished.take(resync, {
      recursive,
      caseSensitive: this.runtime.caseSensitive,
    });
    this.#owed = owed;
    if (owed === undefined) for (const { event, told } of events) this.#tell(event, told);
    else this.#payResync();
    if (bequest !== undefined) this.#handle.ready?.adopt(bequest);
    for (const { event, told } of this.#unpublished.takeReady(bequest?.told ?? [])) this.#tell(event, told);
    this.#tell(stateEvent(this.target.path, this.#state));
    await this.stored(signal);
  }

  /** Resolves when all told so far is stored, or after 5 s. Never rejects. */
  async stored(signal: AbortSignal): Promise<void> {
    await this.#outlet?.flush({ signal, deadlineMs: 5_000 }).catch(() => undefined);
  }

  /** The owner has been told that we are armed, and that it may let go. */
  bridge(): void {
    if (this.#outlet === undefined && isServed(this.#state)) this.#unpublished.bridge(this.sure);
  }

  /** Whether the server has answered, and with that all was heard that it had sent until now. Never rejects. */
  async heardAll(signal: AbortSignal): Promise<boolean> {
    const { clock, runtime } = this.#options;
    const answer = runtime.watches.roundTrip?.({ signal });
    if (answer === undefined) return true;
    return waitFor(answer, { signal, clock, deadlineMs: HEARD_MS, what: "an answer of the server" }).then(
      () => true,
      () => false,
    );
  }

  /** Somebody else speaks: stops publishing at once; what is queued is dropped. The watch goes on, buffering. */
  hush(): void {
    const outlet = this.#outlet;
    this.#outlet = undefined;
    if (outlet === undefined && !this.#unpublished.inherits) return;
    this.#unpublished.interrupted();
    void outlet?.close().catch(() => undefined);
  }

  /**
   * Ends the watch, then gets out what it told. `clean`: nothing is left to tell, all is stored, and the watch was in no
   * doubt that a listing would still have had to settle: its successor has listed in silence. `last`: what consumers know.
   */
  async letGo(flushMs: number): Promise<{ readonly clean: boolean; readonly last?: Checkpoint | undefined }> {
    const outlet = this.#outlet;
    const whole = this.sure;
    // A file that is written without end is told by its successor only as modified.
    this.#handle.release?.();
    const picture = this.#handle.checkpoint?.();
    const ready = this.#handle.ready?.record;
    await this.#end();
    if (outlet === undefined) return { clean: false };
    const stored = await outlet.close({ flushMs });
    const last = this.#checkpoint(picture, ready);
    this.#outlet = undefined;
    return { clean: stored && whole, last };
  }

  #checkpoint(
    directories: readonly CheckpointDirectory[] | undefined,
    ready: ReadyRecord | undefined,
  ): Checkpoint | undefined {
    const { epoch, position } = this.#outlet ?? {};
    if (directories === undefined || epoch === undefined || position === undefined) return undefined;
    if (this.#owed !== undefined) return undefined;
    return { epoch, ...position, share: shareOf(this.runtime), directories, ready };
  }

  async close(): Promise<void> {
    this.hush();
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unpublished.clear();
    this.#publishFact("closed");
    await this.#handle.close();
  }

  #hear(event: WatchEvent, told?: number): void {
    if (this.#closed) return;
    if (event.type === "state" && this.#isOwn(event)) {
      this.#settle(stateHeard(event, this.#state));
      return;
    }
    if (this.#outlet !== undefined) this.#tell(event, told);
    else this.#unpublished.hear(event, told);
  }

  /** All others are about directories below, whose paths are longer; spelling may differ in case. */
  #isOwn(event: StateEvent): boolean {
    return event.path.length === this.target.path.length;
  }

  #fail(error: unknown): void {
    const code = codeOfFailure(error);
    const { state } = this.#handle;
    this.#settle({
      state: state === "starting" || state === "live" ? stateOfFailure(code) : state,
      mode: this.#handle.mode,
      code,
      error: describeError(error),
    });
  }

  #settle(state: LocalState): void {
    if (this.#closed) return;
    const before = this.#state;
    if (JSON.stringify(before) === JSON.stringify(state)) return;
    this.#state = state;
    this.#publishFact(state.state);
    if (this.#outlet !== undefined) {
      this.#payResync();
      this.#tell(stateEvent(this.target.path, this.#state));
    }
    this.#options.onChange();
  }

  #payResync(): void {
    if (this.#owed === undefined || !isServed(this.#state)) return;
    const { path, recursive } = this.target;
    // No snapshot of this epoch was there before.
    this.#tell({ type: "resync", path, scope: recursive ? "subtree" : "self", reason: this.#owed }, 0);
    this.#owed = undefined;
  }

  #tell(event: WatchEvent, told?: number): void {
    if (this.#outlet !== undefined) {
      this.#options.onTold?.();
      this.activity.told(event);
    }
    stages.publish("told");
    if (event.type === "changes") this.#outlet?.changes(event, told);
    else if (event.type === "resync") this.#outlet?.resync(event, told);
    else this.#outlet?.state(event);
  }

  #publishFact(state: ClaimState | "closed"): void {
    const { mode, error, late } = this.#state;
    const { connection, path } = this.target;
    const appends = this.waitsForReady ? late?.contents : undefined;
    watchFacts.publish({
      ...{ type: "state", connection, path, state, mode },
      ...(error ? { error } : {}),
      ...(appends === undefined ? {} : { appendsLateS: appends }),
    });
  }
}
