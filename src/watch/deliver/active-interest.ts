import { type Deferred, deferred, ignoreRejection } from "../../base/async.ts";
import { type CanonicalPath, segmentsOf } from "../../base/path.ts";
import type { ReadyLedger, WatchHandle, WatchOverrides, WatchSink } from "../api.ts";
import { type Late, type PublicState, sameLate, type WatchEvent, type WatchMode } from "../events.ts";
import type { Audience } from "../gap-rules.ts";
import type { Interest } from "../interest.ts";
import type { CheckpointDirectory, FrozenDirectories, FrozenPicture, NoPicture } from "../picture/index.ts";
import { SourceError } from "../source.ts";

export type NumberedSink = (event: WatchEvent, told: number) => void;

/** What an interest's delivery passes through before it reaches the sink. */
export interface Stage {
  /** Whether something was pushed that has not come out yet. */
  readonly holds: boolean;
  /** @param told - see `WatchSink` */
  push(event: WatchEvent, told: number): void;
  /** Full paths that have been told to it as new and not to the sink: files that settle. */
  withheld(): ReadonlySet<CanonicalPath>;
  /** With `ready`. */
  readonly ready?: ReadyLedger;
  /** Lets out what it holds, as it is. */
  release(): void;
  close(): void;
}

export interface StageOutlets {
  readonly out: NumberedSink;
  /** The next number of an event, for what comes by itself, or in one piece although it came in many. */
  readonly number: () => number;
  /** What the stage adds to the status of the interest has changed. */
  readonly statusChanged: () => void;
}

export interface InterestStatus {
  readonly state: PublicState | "starting";
  readonly mode: WatchMode;
  readonly error?: SourceError | string;
  readonly late?: Late | undefined;
}

/** Failures that `live` rejects with: nothing will heal them but time or people. */
const LASTING: ReadonlySet<string> = new Set([
  "gone",
  "denied",
  "not-a-directory",
  "credentials",
  "policy",
  "bad-path",
]);

/** One call of `watch()`: its state, its `live`, and the way its events take. */
export class ActiveInterest implements WatchHandle {
  readonly interest: Interest;
  readonly overrides: Omit<WatchOverrides, "checkpoint">;
  /** Goes on where an earlier owner stopped. */
  readonly inherits: boolean;
  readonly live: Promise<void>;
  readonly #live: Deferred<void>;
  readonly #stage: Stage;
  readonly #onClose: (interest: ActiveInterest) => void;
  readonly #checkpoint: () => readonly CheckpointDirectory[] | undefined;
  readonly #freeze: (scope: Interest) => FrozenDirectories | NoPicture;
  readonly #sure: (interest: ActiveInterest) => boolean;
  readonly #recheck: (interest: ActiveInterest) => void;
  readonly #retry: (interest: ActiveInterest) => void;
  #status: InterestStatus = { state: "starting", mode: "notify" };
  #reportAgain: (() => void) | undefined;
  #closed = false;
  /** Events so far, as the picture has taken them in. */
  #told = 0;
  /** Monotonic ms since when its owner may have listed: when first live, and at each resync. */
  pictureAt: number | undefined;
  /** In `tree` cover: why the directory cannot be listed now. */
  missing: SourceError | undefined;
  /** In `tree` cover: its directories have been listed. */
  rescanned = false;

  constructor(
    interest: Interest,
    sink: WatchSink,
    { checkpoint, ...overrides }: WatchOverrides,
    hooks: {
      readonly stage: (outlets: StageOutlets) => Stage;
      readonly onClose: (interest: ActiveInterest) => void;
      readonly checkpoint: () => readonly CheckpointDirectory[] | undefined;
      readonly freeze: (scope: Interest) => FrozenDirectories | NoPicture;
      readonly sure: (interest: ActiveInterest) => boolean;
      readonly recheck: (interest: ActiveInterest) => void;
      readonly retry: (interest: ActiveInterest) => void;
    },
  ) {
    this.interest = interest;
    this.overrides = overrides;
    this.inherits = checkpoint !== undefined;
    this.#live = deferred<void>();
    this.live = this.#live.promise;
    // Nobody has to wait for it.
    ignoreRejection(this.live);
    this.#onClose = hooks.onClose;
    this.#checkpoint = hooks.checkpoint;
    this.#freeze = hooks.freeze;
    this.#sure = hooks.sure;
    this.#recheck = hooks.recheck;
    this.#retry = hooks.retry;
    const out = (event: WatchEvent, told: number): void => {
      if (!this.#closed) sink(event, told);
    };
    const statusChanged = (): void => this.#reportAgain?.();
    this.#stage = hooks.stage({ out, number: () => ++this.#told, statusChanged });
  }

  get state(): PublicState | "starting" {
    return this.#status.state;
  }

  get mode(): WatchMode {
    return this.#status.mode;
  }

  get late(): Late | undefined {
    return this.#status.late;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether `live` has resolved. */
  get wasLive(): boolean {
    return this.pictureAt !== undefined;
  }

  /** Who listens, as the gap rules see it. */
  get audience(): Audience {
    const { inherits, pictureAt, mode, overrides } = this;
    return { inherits, pictureAt, polls: mode === "poll", open: overrides.openAudience === true };
  }

  get sure(): boolean {
    return !this.#closed && this.#sure(this);
  }

  get ready(): ReadyLedger | undefined {
    return this.#stage.ready;
  }

  release(): void {
    if (!this.#closed) this.#stage.release();
  }

  recheck(): void {
    if (!this.#closed) this.#recheck(this);
  }

  retry(): void {
    if (!this.#closed) this.#retry(this);
  }

  checkpoint(): readonly CheckpointDirectory[] | undefined {
    return this.#closed || this.#stage.holds ? undefined : this.#checkpoint();
  }

  snapshot(scope: Interest = this.interest): FrozenPicture | NoPicture {
    // Before it is live, nobody has been told what was there at first.
    if (this.#closed || !this.wasLive) return "not-yet";
    const directories = this.#freeze(scope);
    return typeof directories === "string"
      ? directories
      : { told: this.#told, directories, withheld: this.#stage.withheld() };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stage.close();
    this.#live.reject(new SourceError("gone", "the watch was closed before it was live"));
    this.#onClose(this);
  }

  deliver(event: WatchEvent): void {
    if (!this.#closed) this.#stage.push(event, ++this.#told);
  }

  /** Tells a state that differs from the last one told, and settles `live`. */
  report(reported: InterestStatus, now: number): void {
    if (this.#closed) return;
    this.#reportAgain = () => this.report(reported, now);
    const before = this.#status;
    const status = this.#withDeferred(reported);
    const { state, mode, error, late } = status;
    if (state === "starting") return;
    this.#status = status;
    const text = error instanceof SourceError ? error.message : error;
    const beforeText = before.error instanceof SourceError ? before.error.message : before.error;
    const same = before.state === state && before.mode === mode && text === beforeText;
    if (!same || !sameLate(before.late, late)) {
      this.deliver({
        type: "state",
        path: this.interest.path,
        state,
        mode,
        ...(text === undefined ? {} : { error: text }),
        ...(late === undefined ? {} : { late }),
      });
    }
    if (state === "live" || (state === "degraded" && !(error instanceof SourceError))) {
      this.pictureAt ??= now;
      this.#live.resolve();
    } else if (error instanceof SourceError && LASTING.has(error.failure)) {
      this.#live.reject(error);
    }
  }

  #withDeferred(status: InterestStatus): InterestStatus {
    if (status.state !== "live" || (this.ready?.deferred ?? 0) === 0) return status;
    const error =
      "more files than are waited for at the same time (maxReady): the others are told ready later";
    return { ...status, state: "degraded", error };
  }
}

/** Finds the interests that want to hear of a directory, without asking each. */
export class InterestIndex {
  readonly #exact = new Map<string, Set<ActiveInterest>>();
  /** With the key of its path when it came: another directory may have got it since. */
  readonly #all = new Map<ActiveInterest, string>();
  readonly #key: (path: CanonicalPath) => string;

  constructor(key: (path: CanonicalPath) => string) {
    this.#key = key;
  }

  [Symbol.iterator](): IterableIterator<ActiveInterest> {
    return this.#all.keys();
  }

  get size(): number {
    return this.#all.size;
  }

  add(active: ActiveInterest): void {
    const key = this.#key(active.interest.path);
    this.#all.set(active, key);
    const set = this.#exact.get(key) ?? new Set();
    this.#exact.set(key, set.add(active));
  }

  delete(active: ActiveInterest): void {
    const key = this.#all.get(active);
    if (key === undefined) return;
    this.#all.delete(active);
    const set = this.#exact.get(key);
    set?.delete(active);
    if (set?.size === 0) this.#exact.delete(key);
  }

  at(path: CanonicalPath): readonly ActiveInterest[] {
    return [...(this.#exact.get(this.#key(path)) ?? [])];
  }

  /** All whose scope holds the directory `path`, topmost first. */
  covering(path: CanonicalPath): ActiveInterest[] {
    const found: ActiveInterest[] = [];
    const segments = segmentsOf(this.#key(path));
    for (let depth = 0; depth <= segments.length; depth++) {
      const set = this.#exact.get(`/${segments.slice(0, depth).join("/")}`);
      if (set === undefined) continue;
      for (const active of set)
        if (depth === segments.length || active.interest.recursive) found.push(active);
    }
    return found;
  }
}
