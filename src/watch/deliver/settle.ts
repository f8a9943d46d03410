import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, isWithin, joinPath } from "../../base/path.ts";
import type { Change, ChangesEvent, ResyncEvent, Via, WatchEvent } from "../events.ts";
import type { NumberedSink, Stage } from "./active-interest.ts";

interface Held {
  readonly path: CanonicalPath;
  readonly via: Via;
  change: Change;
  readonly due: number;
}

/** Told in one event. */
interface Group {
  readonly path: CanonicalPath;
  readonly via: Via;
  readonly number: number;
  readonly held: Map<CanonicalPath, Held>;
}

export interface SettlerOptions {
  readonly settleMs: number;
  readonly clock: Clock;
  /** The next number of an event: what is told after it was held is no longer the event it was. */
  readonly number: () => number;
  /** Calls `tell` when all that has a number already was pushed. Default: at once. */
  readonly inTurn?: (tell: () => void) => void;
}

/**
 * Holds a file's `added` and `modified` back until it has been quiet for `settleMs`, then tells it once,
 * `settled`. Expects changes with their `type`: directories, and what vanished before anybody could
 * look, are never held, so that a directory is told before its contents.
 */
export class Settler implements Stage {
  readonly #out: NumberedSink;
  readonly #settleMs: number;
  readonly #clock: Clock;
  readonly #number: () => number;
  readonly #inTurn: (tell: () => void) => void;
  /** By full path; the order of insertion is the order of falling due. */
  readonly #held = new Map<CanonicalPath, Held>();
  /** What is due has its numbers, and waits for its turn. */
  #promised: ReadonlySet<Held> | undefined;
  #cancel: (() => void) | undefined;

  constructor(out: NumberedSink, { settleMs, clock, number, inTurn = (tell) => tell() }: SettlerOptions) {
    this.#out = out;
    this.#settleMs = settleMs;
    this.#clock = clock;
    this.#number = number;
    this.#inTurn = inTurn;
  }

  /** Files held back now. */
  get size(): number {
    return this.#held.size;
  }

  get holds(): boolean {
    return this.#held.size > 0;
  }

  push(event: WatchEvent, told: number): void {
    if (event.type !== "changes") {
      if (event.type === "resync" && event.picture === undefined) this.#listed(event);
      this.#out(event, told);
      return;
    }
    const now: Change[] = [];
    for (const change of event.changes) {
      const told = this.#take(event, change);
      if (told !== undefined) now.push(told);
    }
    if (now.length > 0) this.#out({ ...event, changes: now }, told);
    this.#schedule();
  }

  withheld(): Set<CanonicalPath> {
    const added = new Set<CanonicalPath>();
    for (const [full, held] of this.#held)
      if (held.change.action === "added" && this.#promised?.has(held) !== true) added.add(full);
    return added;
  }

  release(): void {
    for (const group of this.#groups(Number.POSITIVE_INFINITY)) this.#tell(group, {});
  }

  /** What is held is not told any more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#held.clear();
  }

  /** What is told at once; `undefined`: it is held now. */
  #take(event: ChangesEvent, change: Change): Change | undefined {
    const full = joinPath(event.path, change.name);
    switch (change.action) {
      case "removed":
        this.#drop(full);
        return bare(change);
      case "renamed":
        this.#drop(full);
        this.#follow(event.path, change);
        return bare(change);
      default: {
        if (change.type === "file") {
          this.#hold(full, event, change);
          return undefined;
        }
        const before = this.#held.get(full)?.change;
        this.#held.delete(full);
        return before === undefined ? bare(change) : merge(before, bare(change));
      }
    }
  }

  #hold(full: CanonicalPath, { path, via }: ChangesEvent, change: Change): void {
    const before = this.#held.get(full)?.change;
    const merged = before === undefined ? bare(change) : merge(before, bare(change));
    this.#held.delete(full);
    this.#held.set(full, { path, via, change: merged, due: this.#clock.monotonic() + this.#settleMs });
  }

  /** The name is told as something else now; what is below it likewise, where it moves along. */
  #follow(path: CanonicalPath, { name, oldName = "", emptied }: Change): void {
    const [from, to] = [joinPath(path, oldName), joinPath(path, name)];
    for (const [full, held] of [...this.#held]) {
      if (!isWithin(from, full)) continue;
      this.#held.delete(full);
      // The rename has told the name; what is left to tell is its content.
      const own = full === from;
      if (emptied === true && !own) continue;
      this.#held.set(to + full.slice(from.length), {
        ...held,
        path: own ? path : to + held.path.slice(from.length),
        change: own ? { action: "modified", name } : held.change,
        due: this.#clock.monotonic() + this.#settleMs,
      });
    }
  }

  /** Names are for a new listing to say now, and may have gone unheard; what is left to tell is their content. */
  #listed({ path, scope }: ResyncEvent): void {
    for (const held of this.#held.values()) {
      const inScope = scope === "subtree" ? isWithin(path, held.path) : path === held.path;
      if (inScope) held.change = { action: "modified", name: held.change.name };
    }
  }

  #drop(full: CanonicalPath): void {
    for (const path of [...this.#held.keys()]) if (isWithin(full, path)) this.#held.delete(path);
  }

  #schedule(): void {
    if (this.#cancel !== undefined || this.#promised !== undefined) return;
    const [next] = this.#held.values();
    if (next === undefined) return;
    this.#cancel = this.#clock.after(Math.max(0, next.due - this.#clock.monotonic()), () => {
      this.#cancel = undefined;
      this.#tellInTurn();
    });
  }

  /**
   * What is due, numbered now and told behind all that has a number already: whoever has a picture of now knows what is
   * numbered, and would take the names without what became of them, or of a directory above, before.
   */
  #tellInTurn(): void {
    const groups = this.#groups(this.#clock.monotonic());
    this.#promised = new Set(groups.flatMap(({ held }) => [...held.values()]));
    this.#inTurn(() => {
      this.#promised = undefined;
      for (const group of groups) this.#tell(group, { settled: true });
      this.#schedule();
    });
  }

  /** One event each. */
  #groups(until: number): Group[] {
    const groups = new Map<string, Group>();
    for (const [full, held] of this.#held) {
      if (held.due > until) break;
      const { path, via } = held;
      const key = `${via} ${path}`;
      const group = groups.get(key) ?? { path, via, held: new Map(), number: this.#number() };
      group.held.set(full, held);
      groups.set(key, group);
    }
    return [...groups.values()];
  }

  #tell({ path, via, held, number }: Group, mark: Pick<Change, "settled">): void {
    const changes: Change[] = [];
    for (const [full, one] of held) {
      // Something else was said of it in the meantime.
      if (this.#held.get(full) !== one) continue;
      this.#held.delete(full);
      changes.push({ ...one.change, ...mark });
    }
    if (changes.length > 0) this.#out({ type: "changes", path, via, changes }, number);
  }
}

/** Without what was read when the file was not quiet yet. */
function bare(change: Change): Change {
  const { type: _type, size: _size, modified: _modified, fileId: _fileId, ...rest } = change;
  return rest;
}

function merge(before: Change, change: Change): Change {
  if (change.action === "added") return change;
  const { stream: _stream, ...whole } = before;
  return change.stream === true && before.stream === true ? before : whole;
}
