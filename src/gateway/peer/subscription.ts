import type { Clock } from "../../base/clock.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { PublicState } from "../../watch/events.ts";
import type { ErrorCode, RequestError } from "../errors.ts";
import { sentFacts } from "../facts.ts";
import type { DirectoryEvent, SharedWatch, StateBody, Subscriber } from "../hub/index.ts";
import type { Outbox } from "./outbox.ts";
import type { RequestId } from "./protocol.ts";
import { SnapshotFeed } from "./snapshot-feed.ts";

/** States in which nobody hears what happens in a directory. */
const LOST: ReadonlySet<PublicState> = new Set(["gone", "denied", "unreachable"]);

/**
 * Sambee's page drops a `directory_changed` within 2 s of a listing of its own (1.0.9, `useFileBrowserPane.ts`), and what changed after
 * that listing is never shown. So the last one is told again, this long after it: coalescing may have held it back for a moment.
 */
const ECHO_MS = 2_500;

const WELL: StateBody = { state: "live", mode: "notify" };
const UNANSWERED = "no worker has said yet what is in this directory";

type Change = Exclude<DirectoryEvent, { type: "state" }>;

/**
 * One directory as one socket asked for it.
 *
 * - `arming`:    the worker has not accepted yet. What is told meanwhile is older than any listing the
 *                client can take after `subscribed`, so it is dropped.
 * - `replaying`: `subscribed` went out, what was missed is being read back; live changes wait behind it.
 * - `live`:      changes go to the outbox.
 * - `refused`:   not to be watched now, and only to be told should that change: what a plain subscriber needs.
 * - `ended`:     nothing is told any more.
 */
export type SubscriptionState = "arming" | "replaying" | "live" | "refused" | "ended";

export class Subscription implements Subscriber {
  readonly connectionId: string;
  readonly path: string;
  readonly directory: CanonicalPath;
  readonly recursive: boolean;
  readonly watch: SharedWatch;
  /** Whether changes are named. */
  detail: boolean;
  windowMs: number | undefined;
  /** Asked for in Sambee's words only: see `isPlain`. */
  plain: boolean;
  /** It begins with a snapshot, and is never told to list. */
  readonly snapshot: boolean;
  /** Ids of the requests to answer once armed. */
  waiting: (RequestId | undefined)[] = [];
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  #cancelEcho: (() => void) | undefined;
  readonly #heldLimit: number;
  readonly #onBack: () => void;
  /** What a plain subscriber was refused with, once. */
  #refusal: ErrorCode | undefined;
  /** As last told. */
  #lost: PublicState | undefined;
  #state: SubscriptionState = "arming";
  #held: Change[] | undefined;
  #feed: SnapshotFeed | undefined;
  /** Nobody says what is there. */
  #blind = false;

  constructor(options: {
    readonly connectionId: string;
    readonly path: string;
    readonly recursive: boolean;
    readonly detail: boolean;
    readonly windowMs: number | undefined;
    readonly plain: boolean;
    readonly snapshot: boolean;
    readonly watch: SharedWatch;
    readonly directory: CanonicalPath;
    readonly outbox: Outbox;
    readonly clock: Clock;
    /** Live changes that may wait behind a replay. */
    readonly heldLimit: number;
    /** A refused directory can be watched now. */
    readonly onBack: () => void;
  }) {
    this.connectionId = options.connectionId;
    this.path = options.path;
    this.directory = options.directory;
    this.recursive = options.recursive;
    this.detail = options.detail;
    this.windowMs = options.windowMs;
    this.plain = options.plain;
    this.snapshot = options.snapshot;
    this.watch = options.watch;
    this.#outbox = options.outbox;
    this.#clock = options.clock;
    this.#heldLimit = options.heldLimit;
    this.#onBack = options.onBack;
    this.watch.add(this);
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  deliver(event: DirectoryEvent): void {
    if (this.#state === "arming" || this.#state === "ended") return;
    if (this.#state === "refused") {
      if (event.type === "state" && event.own && event.body.state === "live") this.#onBack();
      return;
    }
    if (event.type === "state") {
      this.#tellState(event.directory, event.own ? this.#seen(event.body) : event.body);
      if (event.own) this.#tellLoss(event.body.state);
      return;
    }
    if (this.plain) this.#echo();
    if (this.#held === undefined) this.#pass(event);
    else if (this.#held.length < this.#heldLimit) this.#held.push(event);
    else if (this.#feed !== undefined) this.#feed.overflow();
    else this.#held = [this.#resync("slow-consumer")];
  }

  #pass(event: Change): void {
    if (this.#feed === undefined) this.#outbox.offer(this, event);
    else this.#feed.take(event);
  }

  /** A watch that is well is not, for who has no picture that goes with it. */
  #seen(body: StateBody): StateBody {
    return this.#blind && body.state === "live" ? { ...body, state: "degraded", error: UNANSWERED } : body;
  }

  #tellState(directory: CanonicalPath, { state, mode, error, late }: StateBody): void {
    this.#outbox.send({
      type: "state",
      connection_id: this.connectionId,
      path: this.path,
      ...(this.recursive ? { directory } : {}),
      state,
      mode,
      ...(error === undefined ? {} : { error }),
      ...(late === undefined ? {} : { late }),
    });
    sentFacts.publish({ connection: this.connectionId, type: "state" });
  }

  /** What goes on from snapshots of the directory; `subscribed` has gone out. */
  follow(onFailed: (error: RequestError) => void): SnapshotFeed {
    const mirror = this.watch.mirror();
    this.#feed = new SnapshotFeed({
      to: this,
      mirror,
      outbox: this.#outbox,
      heldLimit: this.#heldLimit,
      onRenew: () => {
        if (this.#state !== "replaying") return;
        this.#state = "live";
        this.#held = undefined;
      },
      onWay: (open) => {
        const { trouble = WELL } = this.watch;
        this.#tellState(this.directory, open ? this.#seen(trouble) : { ...trouble, state: "gone" });
      },
      onAnswered: (answered) => {
        const { trouble = WELL } = this.watch;
        this.#blind = !answered;
        // What is worse he has been told.
        if (answered || trouble.state === "live") this.#tellState(this.directory, this.#seen(trouble));
      },
      onFailed,
    });
    mirror.begin();
    return this.#feed;
  }

  /** See `Addressee`. */
  get mirror(): { overflow(): void } | undefined {
    return this.#feed;
  }

  /** From now on changes are told: `subscribed` is about to go out. */
  open(options: { readonly replaying: boolean }): void {
    this.#state = options.replaying ? "replaying" : "live";
    this.#refusal = undefined;
    this.#lost = undefined;
    if (options.replaying) this.#held = [];
  }

  /** A plain subscriber is to list: in its protocol nothing else says that something is different. */
  tellToList(): void {
    if (!this.plain) return;
    this.#tellToList();
    this.#echo();
  }

  #tellToList(): void {
    this.#outbox.send({ type: "directory_changed", connection_id: this.connectionId, path: this.path });
  }

  #echo(): void {
    this.#cancelEcho?.();
    if (this.#state === "ended") return;
    this.#cancelEcho = this.#clock.after(ECHO_MS, () => this.#tellToList(), { unref: true });
  }

  /** It cannot be watched now. Returns whether that is news for the subscriber. */
  refuse(code: ErrorCode): boolean {
    this.#state = "refused";
    if (this.#refusal === code) return false;
    this.#refusal = code;
    return true;
  }

  /** Another attempt. */
  rearm(): void {
    this.#state = "arming";
  }

  /** Something read back from the stream. */
  replay(event: Change): void {
    if (this.#state === "replaying") this.#pass(event);
  }

  /**
   * The end of the replay: what came meanwhile follows, without what was read back as well. With `gap`
   * the past could not be read, and is announced as such.
   */
  catchUp(seen: ReadonlySet<string>, gap?: "retention" | "slow-consumer"): void {
    if (this.#state !== "replaying") return;
    if (gap !== undefined && this.#feed !== undefined) {
      this.#feed.lost(gap);
      return;
    }
    if (gap !== undefined) this.#outbox.offer(this, this.#resync(gap));
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#state = "live";
    for (const event of held) {
      if (event.cursor === undefined || !seen.has(event.cursor)) this.#pass(event);
    }
    this.#feed?.resumed();
  }

  end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#cancelEcho?.();
    this.#held = undefined;
    this.#feed?.end();
    this.watch.remove(this);
    this.#outbox.forget(this);
  }

  /** A page that knows no `state` frames lists, and finds by itself what is wrong, or right again. */
  #tellLoss(state: PublicState): void {
    const lost = LOST.has(state) ? state : undefined;
    if (lost === this.#lost) return;
    this.#lost = lost;
    this.tellToList();
  }

  #resync(reason: "retention" | "slow-consumer"): Change {
    return {
      type: "resync",
      directory: this.directory,
      scope: this.recursive ? "subtree" : "self",
      reason,
      cursor: this.watch.cursor,
    };
  }
}
