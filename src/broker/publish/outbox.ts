import type { CanonicalPath } from "../../base/path.ts";
import { jsonText } from "../../base/printable.ts";
import type { Change, ChangesEvent, ResyncEvent, StateEvent } from "../../watch/events.ts";
import { Kinship } from "./kinship.ts";
import { ToldTally } from "./tally.ts";

/** What waits to be published. No clocks, no sockets. */

export interface OutboxLimits {
  /** Drafts, over all watches. */
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Of the changes in one message. */
  readonly maxMessageBytes: number;
  readonly maxChanges: number;
}

interface DraftBase {
  /** Estimated size, bytes. */
  bytes: number;
  /** Wall clock when the first part was handed in. */
  readonly time: number;
  /** Monotonic clock of the same moment. */
  readonly since: number;
  /** Stands for what was dropped, so it is outside the limits; at most one of a kind in a lane. */
  readonly exempt: boolean;
  /** Its place in the order between directories above and below each other. */
  order: number;
  /** See `ToldTally`; absent for a state, and for what stands for what was dropped. */
  readonly told: number | undefined;
}

export interface ChangesDraft extends DraftBase {
  readonly event: Omit<ChangesEvent, "changes">;
  readonly changes: Change[];
}
export interface ResyncDraft extends DraftBase {
  readonly event: ResyncEvent;
  /** On sealing, tell the other directories of the scope as well. */
  readonly expand: boolean;
}
export interface StateDraft extends DraftBase {
  readonly event: StateEvent;
}
export type Draft = ChangesDraft | ResyncDraft | StateDraft;

/** Bytes of a message beside its changes, names and paths: the frame of the body. */
const FRAME_BYTES = 300;

/** The queue of one subject of one watch. */
export class Lane {
  readonly subject: string;
  /** Folded path of the directory. */
  readonly key: string;
  readonly drafts: Draft[] = [];
  /** A message of this lane is on its way: one at a time keeps the order. */
  busy = false;
  /** Waiting in the list of lanes with something to send. */
  listed = false;
  /** Its first draft waits for another directory's. */
  waiting = false;

  constructor(subject: string, key: string) {
    this.subject = subject;
    this.key = key;
  }
}

export interface Moment {
  readonly time: number;
  readonly since: number;
}

/** All lanes of one watch. */
export class WatchQueue {
  readonly lanes: Map<string, Lane> = new Map();
  readonly path: CanonicalPath;
  readonly recursive: boolean;
  /** Inside the limits, that is without exempt drafts. */
  messages = 0;
  bytes = 0;
  /** Drafts that are queued or on their way. */
  outstanding = 0;
  /** Queued messages were dropped and the resync that covers them is not sealed yet: it covers what comes now, too. */
  overflowed = false;
  readonly tally: ToldTally = new ToldTally();
  readonly #fold: (name: string) => string;
  /** Only a tree has directories above and below each other. */
  readonly #kinship: Kinship<Lane> | undefined;
  #freed: Lane[] = [];

  constructor(path: CanonicalPath, recursive: boolean, fold: (name: string) => string) {
    this.path = path;
    this.recursive = recursive;
    this.#fold = fold;
    this.#kinship = recursive ? new Kinship() : undefined;
  }

  /** Monotonic time when the oldest draft was handed in; infinite when there is none. */
  get oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { drafts } of this.lanes.values()) oldest = Math.min(oldest, drafts[0]?.since ?? oldest);
    return oldest;
  }

  lane(subject: string, key: string): Lane {
    let lane = this.lanes.get(subject);
    if (lane === undefined) {
      lane = new Lane(subject, key);
      this.lanes.set(subject, lane);
    }
    return lane;
  }

  /** Forgets a lane with nothing in it: a tree has more directories than ever change at once. */
  release(lane: Lane): void {
    const unused = lane.drafts.length === 0 && !lane.busy;
    if (unused && this.lanes.get(lane.subject) === lane) this.lanes.delete(lane.subject);
  }

  /** Changes of one directory: into the last draft while they fit, never past a resync or state. */
  addChanges(lane: Lane, event: ChangesEvent, limits: OutboxLimits, now: Moment, told?: number): void {
    let tail = lane.drafts.at(-1);
    for (const change of event.changes) {
      const bytes = Buffer.byteLength(jsonText(change)) + 1;
      const names = this.#namesOf(change);
      const fits =
        tail !== undefined &&
        "changes" in tail &&
        tail.event.path === event.path &&
        tail.event.via === event.via &&
        tail.changes.length < limits.maxChanges &&
        tail.bytes + bytes <= limits.maxMessageBytes &&
        !this.tally.parts(tail.told, told) &&
        this.#kinship?.mayJoin(tail.order, names) !== false;
      if (!fits) {
        tail = {
          ...now,
          bytes: frameBytes(event.path),
          exempt: false,
          order: 0,
          told,
          event: { type: "changes", path: event.path, via: event.via },
          changes: [],
        };
        this.#append(lane, tail);
      }
      if (tail !== undefined && "changes" in tail) {
        tail.changes.push(change);
        this.#kinship?.join(tail.order, names);
        tail.bytes += bytes;
        this.bytes += bytes;
      }
    }
  }

  addResync(lane: Lane, event: ResyncEvent, now: Moment, told?: number): void {
    const tail = lane.drafts.at(-1);
    // Nothing was told in between, so one listing serves both.
    if (
      tail !== undefined &&
      tail.event.type === "resync" &&
      tail.event.path === event.path &&
      tail.event.scope === event.scope &&
      (tail.event.picture === event.picture || tail.event.picture === undefined) &&
      !this.tally.parts(tail.told, told)
    ) {
      return;
    }
    this.#append(lane, {
      ...now,
      bytes: frameBytes(event.path),
      exempt: false,
      order: 0,
      told,
      event,
      expand: false,
    });
  }

  addState(lane: Lane, event: StateEvent, now: Moment): void {
    const tail = lane.drafts.at(-1);
    // A state that nobody has seen yet is history.
    if (tail !== undefined && tail.event.type === "state" && tail.event.path === event.path)
      this.takeLast(lane);
    this.#append(lane, {
      ...now,
      bytes: frameBytes(event.path) + Buffer.byteLength(event.error ?? ""),
      exempt: false,
      order: 0,
      told: undefined,
      event,
    });
  }

  /** A resync that stands for what was dropped, unless the lane has one already. */
  addExemptResync(lane: Lane, event: ResyncEvent, expand: boolean, now: Moment): boolean {
    if (lane.drafts.some((draft) => draft.exempt && draft.event.type === "resync")) return false;
    this.#append(lane, { ...now, bytes: 0, exempt: true, order: 0, told: undefined, event, expand });
    return true;
  }

  /** Whether the first draft of a lane has to wait for another directory's; `takeFreed` names the lane when it may go. */
  mustWait(lane: Lane): boolean {
    const [draft] = lane.drafts;
    const blocker = draft === undefined ? undefined : this.#kinship?.blocker(draft.order);
    if (blocker === undefined) return false;
    this.#kinship?.wait(blocker, lane);
    lane.waiting = true;
    return true;
  }

  /** Lanes that waited for others, and need not any more. */
  takeFreed(): Lane[] {
    const freed = this.#freed;
    this.#freed = [];
    return freed;
  }

  /** Stored, or given up. */
  settle(order: number): void {
    for (const lane of this.#kinship?.settle(order) ?? []) {
      lane.waiting = false;
      this.#freed.push(lane);
    }
  }

  /** Takes the first draft of a lane; it stays outstanding until `settle`. */
  take(lane: Lane): Draft | undefined {
    const draft = lane.drafts.shift();
    if (draft !== undefined) this.#uncount(draft);
    return draft;
  }

  takeLast(lane: Lane): void {
    const draft = lane.drafts.pop();
    if (draft === undefined) return;
    this.settle(draft.order);
    this.#uncount(draft);
    this.#leave(draft);
  }

  /** Puts the two halves of a draft that was too large back to the front. */
  split(lane: Lane, draft: ChangesDraft): void {
    const middle = Math.ceil(draft.changes.length / 2);
    const halves = [draft.changes.slice(0, middle), draft.changes.slice(middle)].map((changes) => ({
      ...draft,
      changes,
      bytes: Math.ceil(draft.bytes / 2),
    }));
    lane.drafts.unshift(...halves);
    this.#kinship?.split(draft.order);
    this.messages += halves.length;
    for (const { bytes } of halves) this.bytes += bytes;
    this.outstanding += halves.length - 1;
    this.tally.enter(draft.told);
  }

  /** Drops what is queued, except the newest state of each lane. Returns what went. */
  drop(): { readonly dropped: number; readonly bytes: number } {
    let dropped = 0;
    let bytes = 0;
    for (const lane of this.lanes.values()) {
      const state = lane.drafts.findLast((draft) => draft.event.type === "state");
      for (const draft of lane.drafts) {
        this.settle(draft.order);
        this.#uncount(draft);
        this.#leave(draft);
        if (draft === state) continue;
        dropped++;
        bytes += draft.bytes;
      }
      lane.drafts.length = 0;
      if (state === undefined) this.release(lane);
      else this.#append(lane, { ...state, exempt: true });
    }
    return { dropped, bytes };
  }

  /** Drops everything: nobody is to hear of it any more. Returns how many. */
  clear(): number {
    let dropped = 0;
    for (const lane of this.lanes.values()) {
      for (const draft of lane.drafts.splice(0)) {
        this.settle(draft.order);
        this.#uncount(draft);
        this.#leave(draft);
        dropped++;
      }
    }
    return dropped;
  }

  #namesOf({ name, oldName }: Change): string[] {
    return oldName === undefined ? [this.#fold(name)] : [this.#fold(name), this.#fold(oldName)];
  }

  #append(lane: Lane, draft: Draft): void {
    draft.order = this.#kinship?.enter(lane.key, "changes" in draft ? [] : undefined) ?? 0;
    lane.drafts.push(draft);
    this.outstanding++;
    if (draft.event.type !== "state") this.tally.enter(draft.told);
    if (draft.exempt) return;
    this.messages++;
    this.bytes += draft.bytes;
  }

  #leave(draft: Draft): void {
    this.outstanding--;
    if (draft.event.type !== "state") this.tally.leave(draft.told);
  }

  #uncount(draft: Draft): void {
    if (draft.exempt) return;
    this.messages--;
    this.bytes -= draft.bytes;
  }
}

function frameBytes(path: CanonicalPath): number {
  return FRAME_BYTES + Buffer.byteLength(jsonText(path));
}
