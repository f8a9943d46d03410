import { type Deferred, deferred, ignoreRejection } from "../../base/async.ts";
import type { CanonicalPath } from "../../base/path.ts";
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
  /** Whether it does not know yet of something new if that settles. */
  readonly unsorted?: boolean;
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

/** What an interest asks of whoever runs the handles: one for all interests of a share. */
export interface InterestHooks {
  onClose(interest: ActiveInterest): void;
  checkpoint(interest: ActiveInterest): readonly CheckpointDirectory[] | undefined;
  freeze(interest: ActiveInterest, scope: Interest): FrozenDirectories | NoPicture;
  sure(interest: ActiveInterest): boolean;
  recheck(interest: ActiveInterest): void;
  recall(told: readonly CheckpointDirectory[]): void;
  retry(interest: ActiveInterest): void;
}

/** Makes what an interest's events pass through. */
export type StageMaker = (outlets: StageOutlets) => Stage;

/** What the cover asks of an interest's overrides, long after it has begun. */
type Wanted = Pick<WatchOverrides, "filter" | "rescanMinutes" | "openAudience">;

const NOTHING_ELSE: Wanted = {};
const NOTHING_HELD: ReadonlySet<CanonicalPath> = new Set();
const STARTING: InterestStatus = { state: "starting", mode: "notify" };

/** Failures that `live` rejects with: nothing will heal them but time or people. */
const LASTING: ReadonlySet<string> = new Set([
  "gone",
  "denied",
  "not-a-directory",
  "credentials",
  "policy",
  "bad-path",
]);

/**
 * One call of `watch()`: its state, its `live`, and the way its events take. There are tens of thousands: what most of
 * them have no need of is not made for each, and functions made for each weigh more than anything else here.
 */
export class ActiveInterest implements WatchHandle {
  readonly interest: Interest;
  readonly overrides: Wanted;
  /** Goes on where an earlier owner stopped. */
  readonly inherits: boolean;
  readonly live: Promise<void>;
  /** Until it is settled. */
  #live: Deferred<void> | undefined;
  readonly #sink: WatchSink;
  /** `undefined`: events go straight to the sink. */
  readonly #stage: Stage | undefined;
  readonly #hooks: InterestHooks;
  #status: InterestStatus = STARTING;
  /** What was reported last, and when. */
  #reported: InterestStatus = STARTING;
  #reportedAt = 0;
  #closed = false;
  /** Events so far, as the picture has taken them in. */
  #told = 0;
  /** The one that says that it is live, while it is on its way. */
  #liveAs: number | undefined;
  /** Monotonic ms since when its owner may have listed: when first live, and at each resync. */
  pictureAt: number | undefined;
  /** In `tree` cover: why the directory cannot be listed now. */
  missing: SourceError | undefined;
  /** In `tree` cover: its directories have been listed. */
  rescanned = false;

  constructor(
    interest: Interest,
    sink: WatchSink,
    overrides: WatchOverrides,
    hooks: InterestHooks,
    stage?: StageMaker,
  ) {
    this.interest = interest;
    this.overrides = wantedOf(overrides);
    this.inherits = overrides.checkpoint !== undefined;
    this.#live = deferred<void>();
    this.live = this.#live.promise;
    // Nobody has to wait for it.
    ignoreRejection(this.live);
    this.#sink = sink;
    this.#hooks = hooks;
    this.#stage = stage?.(this.#outlets());
  }

  #outlets(): StageOutlets {
    return {
      out: (event, told) => {
        if (this.#closed) return;
        this.#sink(event, told);
        if (told === this.#liveAs) this.#settle();
      },
      number: () => ++this.#told,
      statusChanged: () => this.report(this.#reported, this.#reportedAt),
    };
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
    return !this.#closed && this.#hooks.sure(this);
  }

  get ready(): ReadyLedger | undefined {
    return this.#stage?.ready;
  }

  release(): void {
    if (!this.#closed) this.#stage?.release();
  }

  recheck(): void {
    if (!this.#closed) this.#hooks.recheck(this);
  }

  recall(told: readonly CheckpointDirectory[]): void {
    if (!this.#closed) this.#hooks.recall(told);
  }

  retry(): void {
    if (!this.#closed) this.#hooks.retry(this);
  }

  checkpoint(): readonly CheckpointDirectory[] | undefined {
    return this.#closed || this.#stage?.holds === true ? undefined : this.#hooks.checkpoint(this);
  }

  snapshot(scope: Interest = this.interest): FrozenPicture | NoPicture {
    // Before it is live, nobody has been told what was there at first.
    if (this.#closed || !this.wasLive) return "not-yet";
    const directories = this.#hooks.freeze(this, scope);
    return typeof directories === "string"
      ? directories
      : {
          told: this.#told,
          directories,
          withheld: this.#stage?.withheld() ?? NOTHING_HELD,
          unsorted: this.#stage?.unsorted ?? false,
        };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stage?.close();
    this.#settle(new SourceError("gone", "the watch was closed before it was live"));
    this.#hooks.onClose(this);
  }

  deliver(event: WatchEvent): void {
    if (this.#closed) return;
    const told = ++this.#told;
    if (this.#stage === undefined) this.#sink(event, told);
    else this.#stage.push(event, told);
  }

  /** Tells a state that differs from the last one told, and settles `live`. */
  report(reported: InterestStatus, now: number): void {
    if (this.#closed) return;
    this.#reported = reported;
    this.#reportedAt = now;
    const before = this.#status;
    const status = this.#withDeferred(reported);
    const { state, mode, error, late } = status;
    if (state === "starting") return;
    this.#status = status;
    const text = error instanceof SourceError ? error.message : error;
    const beforeText = before.error instanceof SourceError ? before.error.message : before.error;
    const same = before.state === state && before.mode === mode && text === beforeText;
    const isLive = state === "live" || (state === "degraded" && !(error instanceof SourceError));
    if (isLive) this.pictureAt ??= now;
    if (!same || !sameLate(before.late, late)) {
      // Whoever lists when it is live must hear nothing of before.
      if (isLive) this.#liveAs ??= this.#told + 1;
      this.deliver({
        type: "state",
        path: this.interest.path,
        state,
        mode,
        ...(text === undefined ? {} : { error: text }),
        ...(late === undefined ? {} : { late }),
      });
    }
    if (isLive && (this.#stage === undefined || this.#liveAs === undefined)) this.#settle();
    else if (error instanceof SourceError && LASTING.has(error.failure)) this.#settle(error);
  }

  /** The first word on `live` is the last. */
  #settle(error?: SourceError): void {
    const live = this.#live;
    this.#live = undefined;
    if (error === undefined) live?.resolve();
    else live?.reject(error);
  }

  #withDeferred(status: InterestStatus): InterestStatus {
    if (status.state !== "live" || (this.ready?.deferred ?? 0) === 0) return status;
    const error =
      "more files than are waited for at the same time (maxReady): the others are told ready later";
    return { ...status, state: "degraded", error };
  }
}

function wantedOf({ filter, rescanMinutes, openAudience }: WatchOverrides): Wanted {
  if (filter === undefined && rescanMinutes === undefined && openAudience !== true) return NOTHING_ELSE;
  return {
    ...(filter === undefined ? {} : { filter }),
    ...(rescanMinutes === undefined ? {} : { rescanMinutes }),
    ...(openAudience === true ? { openAudience } : {}),
  };
}
