import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, isWithin, joinPath } from "../../base/path.ts";
import type { Change, ChangesEvent, Via, WatchEvent } from "../events.ts";
import type { NumberedSink, Stage } from "./active-interest.ts";

interface Held {
  readonly path: CanonicalPath;
  readonly via: Via;
  readonly change: Change;
  readonly due: number;
}

export interface SettlerOptions {
  readonly settleMs: number;
  readonly clock: Clock;
  /** The next number of an event: what is told after it was held is no longer the event it was. */
  readonly number: () => number;
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
  /** By full path; the order of insertion is the order of falling due. */
  readonly #held = new Map<CanonicalPath, Held>();
  /** By full path: names told under numbers of their own, until nothing older can come through here any more. */
  readonly #renumbered = new Map<CanonicalPath, number>();
  #cancel: (() => void) | undefined;

  constructor(out: NumberedSink, { settleMs, clock, number }: SettlerOptions) {
    this.#out = out;
    this.#settleMs = settleMs;
    this.#clock = clock;
    this.#number = number;
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
      this.#out(event, told);
      return;
    }
    for (const [full, number] of this.#renumbered) {
      if (number > told) break;
      this.#renumbered.delete(full);
    }
    let now: Change[] = [];
    const flush = (): void => {
      if (now.length > 0) this.#out({ ...event, changes: now }, told);
      now = [];
    };
    for (const change of event.changes) {
      const { oldName = change.name } = change;
      const names = [joinPath(event.path, change.name), joinPath(event.path, oldName)];
      const taken = this.#take(event, change);
      if (taken === undefined) continue;
      // A snapshot may have left out what was held, and have this event's number already: then whoever has it would take
      // the name by the new number, and leave out what becomes of it by the older ones that follow.
      if (!taken.held && !names.some((full) => this.#renumbered.has(full))) now.push(taken.change);
      else {
        flush();
        this.#out({ ...event, changes: [taken.change] }, this.#numberAnew(names));
      }
    }
    flush();
    this.#schedule();
  }

  #numberAnew(names: readonly CanonicalPath[]): number {
    const number = this.#number();
    for (const full of names) {
      // In the order of their numbers.
      this.#renumbered.delete(full);
      this.#renumbered.set(full, number);
    }
    return number;
  }

  withheld(): Set<CanonicalPath> {
    const added = new Set<CanonicalPath>();
    for (const [full, { change }] of this.#held) if (change.action === "added") added.add(full);
    return added;
  }

  release(): void {
    this.#tell(Number.POSITIVE_INFINITY, {});
  }

  /** What is held is not told any more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#held.clear();
    this.#renumbered.clear();
  }

  /** What is told at once, and whether some of it was held; `undefined`: it is held now. */
  #take(event: ChangesEvent, change: Change): { change: Change; held: boolean } | undefined {
    const full = joinPath(event.path, change.name);
    switch (change.action) {
      case "removed":
        this.#drop(full);
        return { change: bare(change), held: false };
      case "renamed":
        this.#drop(full);
        this.#follow(joinPath(event.path, change.oldName ?? ""), full, event, change.name);
        return { change: bare(change), held: false };
      default: {
        if (change.type === "file") {
          this.#hold(full, event, change);
          return undefined;
        }
        const before = this.#held.get(full)?.change;
        this.#held.delete(full);
        const whole = before === undefined ? bare(change) : merge(before, bare(change));
        return { change: whole, held: before !== undefined };
      }
    }
  }

  #hold(full: CanonicalPath, { path, via }: ChangesEvent, change: Change): void {
    const before = this.#held.get(full)?.change;
    const merged = before === undefined ? bare(change) : merge(before, bare(change));
    this.#held.delete(full);
    this.#held.set(full, { path, via, change: merged, due: this.#clock.monotonic() + this.#settleMs });
  }

  /** The name is told as something else now; for files inside a directory likewise. */
  #follow(from: CanonicalPath, to: CanonicalPath, { path }: ChangesEvent, name: string): void {
    for (const [full, held] of [...this.#held]) {
      if (!isWithin(from, full)) continue;
      this.#held.delete(full);
      const moved = to + full.slice(from.length);
      // The rename has told the name; what is left to tell is its content.
      const own = full === from;
      this.#held.set(moved, {
        ...held,
        path: own ? path : to + held.path.slice(from.length),
        change: own ? { action: "modified", name } : held.change,
        due: this.#clock.monotonic() + this.#settleMs,
      });
    }
  }

  #drop(full: CanonicalPath): void {
    for (const path of [...this.#held.keys()]) if (isWithin(full, path)) this.#held.delete(path);
  }

  #schedule(): void {
    if (this.#cancel !== undefined) return;
    const [next] = this.#held.values();
    if (next === undefined) return;
    this.#cancel = this.#clock.after(Math.max(0, next.due - this.#clock.monotonic()), () => {
      this.#cancel = undefined;
      this.#tell(this.#clock.monotonic(), { settled: true });
      this.#schedule();
    });
  }

  #tell(until: number, mark: Pick<Change, "settled">): void {
    const groups = new Map<string, { path: CanonicalPath; via: Via; changes: Change[] }>();
    for (const [full, { path, via, change, due }] of this.#held) {
      if (due > until) break;
      this.#held.delete(full);
      const group = groups.get(`${via} ${path}`) ?? { path, via, changes: [] };
      group.changes.push({ ...change, ...mark });
      groups.set(`${via} ${path}`, group);
    }
    for (const { path, via, changes } of groups.values()) {
      const number = this.#numberAnew(changes.map(({ name }) => joinPath(path, name)));
      this.#out({ type: "changes", path, via, changes }, number);
    }
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
