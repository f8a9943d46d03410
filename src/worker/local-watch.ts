import { waitFor } from "../base/async.ts";
import type { Clock } from "../base/clock.ts";
import { describeError } from "../base/errors.ts";
import type { EventPublisher, WatchPublisher } from "../broker/port.ts";
import type { WatchKey } from "../fleet/identity.ts";
import type { FleetErrorCode, WatchTarget } from "../fleet/port.ts";
import type { ClaimState } from "../fleet/records.ts";
import type { WatchHandle } from "../watch/api.ts";
import type { ResyncEvent, ResyncReason, StateEvent, WatchEvent, WatchMode } from "../watch/events.ts";
import type { CheckpointDirectory } from "../watch/picture/index.ts";
import { Activity } from "./activity.ts";
import type { Checkpoint } from "./checkpoint-record.ts";
import { watchFacts } from "./facts.ts";
import { shareOf } from "./inheritance.ts";
import { codeOfFailure } from "./list.ts";
import { repeatable } from "./repeat.ts";
import type { ConnectionRuntime } from "./runtime.ts";

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
  readonly inherited?: readonly CheckpointDirectory[] | undefined;
}

/**
 * What was told to us this long before the owner is asked to let go, he has heard, too: he lets go only after the server
 * has answered him once more. A server tells two of its clients within moments of each other.
 */
const OVERLAP_MS = 1_000;

/** An owner that cannot ask the server does not know what it has missed. */
const HEARD_MS = 5_000;

/** Events kept while another owner still publishes. Beyond, a resync takes their place. */
const MAX_BUFFERED = 10_000;

const STATES: Readonly<Record<FleetErrorCode, Exclude<ClaimState, "warm">>> = {
  not_found: "gone",
  not_a_directory: "gone",
  bad_path: "gone",
  denied: "denied",
  unreachable: "unreachable",
  limit: "unreachable",
  internal: "unreachable",
  unknown_connection: "unreachable",
};

export interface LocalState {
  readonly state: Exclude<ClaimState, "warm">;
  readonly mode: WatchMode;
  readonly code?: FleetErrorCode;
  readonly error?: string;
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
  #buffer: { readonly at: number; readonly event: WatchEvent }[] = [];
  /** What is buffered does not join up with what was published before. */
  #gap: boolean;
  /** Not yet told anything of its own: what it finds joins up with what a former owner told. */
  #inherits: boolean;
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
    this.#inherits = inherited !== undefined;
    this.#gap = !this.#inherits;
    this.#handle = options.runtime.watches.watch({ path, recursive }, (event) => this.#hear(event), {
      ...options.runtime.overrides?.({ path, recursive }),
      openAudience: true,
      ...(inherited === undefined ? {} : { checkpoint: inherited }),
    });
    this.#handle.live.then(
      () => {
        const { state, mode } = this.#handle;
        const now = state === "degraded" ? state : "live";
        // Told already, and why with it.
        if (now !== this.#state.state || mode !== this.#state.mode) this.#settle({ state: now, mode });
      },
      (error: unknown) => this.#fail(error),
    );
  }

  get state(): LocalState {
    return this.#state;
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

  /** Somebody asks anew for what could not be watched: looks now. */
  retry(): void {
    const { state } = this.#state;
    if (state === "gone" || state === "denied" || state === "unreachable") this.#handle.retry?.();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What consumers know; `undefined` while something is on its way to them, or owed. */
  checkpoint(): Checkpoint | undefined {
    return this.#checkpoint(this.#handle.checkpoint?.());
  }

  get epoch(): string | undefined {
    return this.#outlet?.epoch;
  }

  /**
   * Begins an epoch. Without `resync` what was buffered is told; with it the resync covers it.
   * Resolves when the beginning is stored, or after 5 s: readers of the claim should find it behind them.
   */
  async open(epoch: string, resync: ResyncReason | undefined, signal: AbortSignal): Promise<void> {
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
    // After a hand-over the former owner has told some of it already.
    const repeats = recursive && resync === undefined && !this.#inherits;
    const heard = this.#buffer.map(({ event }) => event);
    const buffered = repeats ? repeatable(heard, this.runtime.caseSensitive) : heard;
    this.#buffer = [];
    this.#owed = this.#gap ? (resync ?? "takeover") : this.#inherits ? undefined : resync;
    this.#gap = false;
    this.#inherits = false;
    if (this.#owed === undefined) for (const event of buffered) this.#tell(event);
    else this.#payResync();
    this.#tell(this.#stateEvent());
    await this.stored(signal);
  }

  /** Resolves when all told so far is stored, or after 5 s. Never rejects. */
  async stored(signal: AbortSignal): Promise<void> {
    await this.#outlet?.flush({ signal, deadlineMs: 5_000 }).catch(() => undefined);
  }

  /**
   * The owner has been told that we are armed: from here on the buffer joins up with what it publishes. What we heard
   * before, or were in doubt about and are not any more, it has told, or will before it lets go.
   */
  bridge(): void {
    const { state } = this.#state;
    if (this.#outlet !== undefined || (state !== "live" && state !== "degraded")) return;
    this.#gap = false;
    if (!this.sure) return;
    const since = this.#options.clock.monotonic() - OVERLAP_MS;
    this.#buffer = this.#buffer.filter(({ at, event }) => event.type !== "resync" && at >= since);
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
    if (outlet === undefined && !this.#inherits) return;
    this.#inherits = false;
    this.#gap = true;
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
    await this.#end();
    if (outlet === undefined) return { clean: false };
    const stored = await outlet.close({ flushMs });
    const last = this.#checkpoint(picture);
    this.#outlet = undefined;
    return { clean: stored && whole, last };
  }

  #checkpoint(directories: readonly CheckpointDirectory[] | undefined): Checkpoint | undefined {
    const { epoch, position } = this.#outlet ?? {};
    if (directories === undefined || epoch === undefined || position === undefined) return undefined;
    if (this.#owed !== undefined) return undefined;
    return { epoch, ...position, share: shareOf(this.runtime), directories };
  }

  async close(): Promise<void> {
    this.hush();
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#buffer = [];
    this.#publishFact("closed");
    await this.#handle.close();
  }

  #hear(event: WatchEvent): void {
    if (this.#closed) return;
    if (event.type === "state" && this.#isOwn(event)) {
      this.#settle({
        state: event.state,
        mode: event.mode,
        ...(event.error === undefined ? {} : { error: event.error }),
        ...codeOf(event.state, this.#state),
      });
      return;
    }
    if (this.#outlet !== undefined) {
      this.#tell(event);
    } else if (this.#buffer.length < MAX_BUFFERED) {
      this.#buffer.push({ at: this.#options.clock.monotonic(), event });
    } else {
      this.#buffer = [];
      this.#gap = true;
    }
  }

  /** All others are about directories below, whose paths are longer; spelling may differ in case. */
  #isOwn(event: StateEvent): boolean {
    return event.path.length === this.target.path.length;
  }

  #fail(error: unknown): void {
    const code = codeOfFailure(error);
    const { state } = this.#handle;
    this.#settle({
      state: state === "starting" || state === "live" ? STATES[code] : state,
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
      this.#tell(this.#stateEvent());
    }
    this.#options.onChange();
  }

  #payResync(): void {
    const { state } = this.#state;
    if (this.#owed === undefined || (state !== "live" && state !== "degraded")) return;
    const { path, recursive } = this.target;
    this.#tell({ type: "resync", path, scope: recursive ? "subtree" : "self", reason: this.#owed });
    this.#owed = undefined;
  }

  #tell(event: WatchEvent): void {
    if (this.#outlet !== undefined) {
      this.#options.onTold?.();
      this.activity.told(event);
    }
    if (event.type === "changes") this.#outlet?.changes(event);
    else if (event.type === "resync") this.#outlet?.resync(event);
    else this.#outlet?.state(event);
  }

  #stateEvent(): StateEvent {
    const { state, mode, error } = this.#state;
    return {
      type: "state",
      path: this.target.path,
      state: state === "starting" ? "unreachable" : state,
      mode,
      ...(error === undefined ? {} : { error }),
    };
  }

  #publishFact(state: ClaimState | "closed"): void {
    const { mode, error } = this.#state;
    const { connection, path } = this.target;
    watchFacts.publish({ type: "state", connection, path, state, mode, ...(error ? { error } : {}) });
  }
}

function codeOf(state: LocalState["state"], before: LocalState): { readonly code?: FleetErrorCode } {
  if (state === "live" || state === "degraded" || state === "starting") return {};
  // A more exact reason than the state's own (not a directory, say) outlives a repetition of the same state.
  if (before.state === state && before.code !== undefined) return { code: before.code };
  const codes = { gone: "not_found", denied: "denied", unreachable: "unreachable" } as const;
  return { code: codes[state] };
}
