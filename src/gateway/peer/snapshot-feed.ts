import { advance, judge, type MirrorBase, type MirrorReason } from "../../watch/mirror/index.ts";
import type { RequestError } from "../errors.ts";
import { snapshotFacts } from "../facts.ts";
import type { MirrorReader, SharedMirror } from "../hub/index.ts";
import type { Outbox } from "./outbox.ts";
import type { Addressee, ToldEvent } from "./pending.ts";
import { markOf, type Position, withMark } from "./position.ts";

export interface SnapshotFeedOptions {
  readonly to: Addressee;
  readonly mirror: SharedMirror;
  readonly outbox: Outbox;
  /** Changes that may wait while a snapshot is being sent. */
  readonly heldLimit: number;
  /** From now on he waits for a snapshot: what was missed before matters no more. */
  readonly onRenew: () => void;
  readonly onWay: (open: boolean) => void;
  /** Nobody says what is there, or somebody does after all. */
  readonly onAnswered: (answered: boolean) => void;
  readonly onFailed: (error: RequestError) => void;
}

/**
 * What a subscriber is told who wants snapshots: one, and all that was told after it; and another where that is not
 * possible. What was told before a snapshot is in it, so while he waits for one nothing is kept for him, however long
 * that takes.
 */
export class SnapshotFeed implements MirrorReader {
  readonly #options: SnapshotFeedOptions;
  /** Where his picture stands. Absent while he waits for one. */
  #base: MirrorBase | undefined;
  #mark = "";
  /** Why he waits, or is being sent one. */
  #due: MirrorReason | undefined;
  /** Told while a snapshot is being sent. */
  #held: ToldEvent[] | undefined;
  /** He was told that nobody says what is there. */
  #warned = false;
  #ended = false;

  constructor(options: SnapshotFeedOptions) {
    this.#options = options;
    options.mirror.add(this);
  }

  get mirror(): SharedMirror {
    return this.#options.mirror;
  }

  /** `subscribed` went out: a snapshot follows. */
  begin(reason: MirrorReason): void {
    this.#renew(reason);
  }

  /** He has a picture, and wants to know what he missed. */
  resume({ base, servedDepth }: Position): void {
    this.#place(base, servedDepth);
  }

  /** All that he missed was told. */
  resumed(): void {
    if (this.#base === undefined) return;
    snapshotFacts.publish({ connection: this.#connection, reason: "reconnect", outcome: "resumed" });
  }

  /** Something was told. */
  take(event: ToldEvent): void {
    const base = this.#base;
    if (base === undefined || this.#ended) return;
    const { body } = event;
    if (body === undefined) {
      // Only a resync comes from nobody.
      this.#renew(event.type === "resync" ? event.reason : "takeover");
      return;
    }
    const message =
      event.type === "changes"
        ? ({ ...event.body, type: "changes" } as const)
        : { ...body, type: event.type };
    const verdict = judge(base, message);
    if (verdict === "old") return;
    if (verdict !== "apply") {
      this.#renew(verdict);
      return;
    }
    const moved = advance(base, message);
    if (moved !== base) this.#place(moved, this.mirror.servedDepth);
    if (event.type === "changes") this.#tell(withMark(event, this.#mark));
  }

  /** What he was told is not enough: more waits than may. */
  overflow(): void {
    this.#renew("slow-consumer");
  }

  /** What he missed is not known. */
  lost(reason: MirrorReason): void {
    this.#renew(reason);
  }

  onSnapshot(reason: MirrorReason): void {
    // Who had resumed needs none because somebody else took the first.
    if (reason === "first" && this.#base !== undefined) return;
    if (this.#base !== undefined || this.#due !== undefined) this.#renew(this.#due ?? reason);
  }

  /** What was there is gone for good, so an empty snapshot goes with it. */
  onWay(open: boolean): void {
    if (open) this.#options.onWay(true);
    else this.#renew("moved");
  }

  /** Who has a picture is told what follows it, and needs no other. */
  onUnanswered(): void {
    if (this.#base !== undefined || this.#due === undefined || this.#warned) return;
    this.#warned = true;
    this.#options.onAnswered(false);
  }

  onFailed(error: RequestError): void {
    this.#options.onFailed(error);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#dropped();
    this.mirror.remove(this);
  }

  get #connection(): string {
    return this.#options.to.connectionId;
  }

  #place(base: MirrorBase, servedDepth: number): void {
    this.#base = base;
    this.#mark = markOf(base, servedDepth);
  }

  #tell(event: ToldEvent): void {
    const { outbox, heldLimit, to } = this.#options;
    if (this.#held === undefined) outbox.offer(to, event);
    else if (this.#held.length < heldLimit) this.#held.push(event);
    else this.overflow();
  }

  #renew(reason: MirrorReason): void {
    if (this.#ended) return;
    const { outbox, to } = this.#options;
    this.#dropped();
    this.#base = undefined;
    this.#held = undefined;
    this.#due = reason;
    this.#options.onRenew();
    outbox.forget(to);
    outbox.load({ to, begin: () => this.#send(reason), done: () => this.#sent(reason) });
  }

  /** Now, or as soon as there is one. */
  #send(reason: MirrorReason): Iterator<string> | undefined {
    const { mirror, to } = this.#options;
    const snapshot = mirror.read();
    if (snapshot === undefined) {
      if (mirror.unanswered) this.onUnanswered();
      return undefined;
    }
    this.#place(snapshot.base, mirror.servedDepth);
    this.#held = [];
    const cursor = snapshot.cursor === undefined ? undefined : snapshot.cursor + this.#mark;
    return snapshot.frames({ connectionId: to.connectionId, path: to.path, reason, cursor });
  }

  #sent(reason: MirrorReason): void {
    snapshotFacts.publish({ connection: this.#connection, reason, outcome: "sent" });
    const held = this.#held ?? [];
    this.#held = undefined;
    this.#due = undefined;
    for (const event of held) this.#options.outbox.offer(this.#options.to, event);
    if (this.#warned) this.#options.onAnswered(true);
    this.#warned = false;
    if (this.mirror.absent) this.#options.onWay(false);
  }

  /** A snapshot that was being sent. */
  #dropped(): void {
    if (this.#held === undefined || this.#due === undefined) return;
    snapshotFacts.publish({ connection: this.#connection, reason: this.#due, outcome: "dropped" });
  }
}
