import { waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import type { Change, WatchEvent } from "../events.ts";
import { fileTimeToIso } from "../file-time.ts";
import type { NameLookup } from "../rescan/index.ts";
import type { EntryInfo } from "../source.ts";
import type { NumberedSink, Stage } from "./active-interest.ts";

/** A server that takes longer to say what a file is does not hold the news back any more. */
const LOOK_MS = 5_000;
/** Events that may wait for an answer; more pass as they are, in order. */
const WAITING = 1_000;

const NOTHING: ReadonlySet<CanonicalPath> = new Set();

/** An event that waits for its answer, or whatever waits behind one that does. */
interface Slot {
  readonly event?: WatchEvent;
  readonly tell: () => void;
  readonly ready: boolean;
}

/** Adds type, size, last write and file id where they can be read. Never changes the order of events. */
export class Enricher implements Stage {
  readonly #out: NumberedSink;
  readonly #lookup: NameLookup;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #queue: Slot[] = [];

  constructor(out: NumberedSink, lookup: NameLookup, clock: Clock) {
    this.#out = out;
    this.#lookup = lookup;
    this.#clock = clock;
  }

  get holds(): boolean {
    return this.#queue.length > 0;
  }

  push(event: WatchEvent, told: number): void {
    const names = namesToLookAt(event);
    const tell = (): void => this.#out(slot.event, told);
    const slot = { event, tell, ready: names.length === 0 || this.#queue.length >= WAITING };
    if (slot.ready) {
      this.#inOrder(slot);
      return;
    }
    this.#queue.push(slot);
    void this.#look(event, names).then((enriched) => {
      slot.event = enriched;
      slot.ready = true;
      this.#drain();
    });
  }

  /** Calls `tell` when all that was pushed before has come out. */
  inTurn(tell: () => void): void {
    this.#inOrder({ tell, ready: true });
  }

  #inOrder(slot: Slot): void {
    if (this.#queue.length === 0) slot.tell();
    else this.#queue.push(slot);
  }

  /** What waits here is told as it is taken in, only later. */
  withheld(): ReadonlySet<CanonicalPath> {
    return NOTHING;
  }

  /** Full paths of which something is told by what waits here, and whether it is of another object by that name. */
  announced(): Map<CanonicalPath, boolean> {
    const paths = new Map<CanonicalPath, boolean>();
    for (const { event } of this.#queue) {
      if (event?.type !== "changes") continue;
      for (const { action, name } of event.changes) {
        const path = joinPath(event.path, name);
        if (action !== "removed") paths.set(path, action !== "modified" || paths.get(path) === true);
      }
    }
    return paths;
  }

  release(): void {
    for (const { tell } of this.#queue.splice(0)) tell();
  }

  close(): void {
    this.#stop.abort();
    this.#queue.length = 0;
  }

  #drain(): void {
    for (let [first] = this.#queue; first?.ready === true; [first] = this.#queue) {
      this.#queue.shift();
      first.tell();
    }
  }

  /** Best effort: an event that cannot be enriched is told as it is. */
  async #look(event: WatchEvent, names: readonly string[]): Promise<WatchEvent> {
    if (event.type !== "changes") return event;
    const { signal } = this.#stop;
    const looking = new AbortController();
    try {
      const found = await waitFor(
        this.#lookup.look(event.path, names, AbortSignal.any([signal, looking.signal])),
        { signal, clock: this.#clock, deadlineMs: LOOK_MS, what: "stat" },
      );
      return { ...event, changes: event.changes.map((change) => enrich(change, found)) };
    } catch {
      return event;
    } finally {
      looking.abort();
    }
  }
}

function namesToLookAt(event: WatchEvent): string[] {
  if (event.type !== "changes") return [];
  const names = event.changes.filter(({ action }) => action !== "removed").map(({ name }) => name);
  return [...new Set(names)];
}

function enrich(change: Change, found: ReadonlyMap<string, EntryInfo>): Change {
  const info = change.action === "removed" ? undefined : found.get(change.name);
  if (info === undefined) return change;
  return {
    ...change,
    type: info.type,
    size: info.size,
    modified: fileTimeToIso(info.modified),
    ...(info.fileId === undefined ? {} : { fileId: BigInt.asUintN(64, info.fileId).toString() }),
  };
}
