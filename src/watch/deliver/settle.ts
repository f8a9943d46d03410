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
    const now: Change[] = [];
    const flush = (): void => {
      if (now.length > 0) this.#out({ ...event, changes: now.splice(0) }, told);
    };
    for (const change of event.changes) {
      const late = this.#take(event, change, now);
      if (late === undefined) continue;
      flush();
      this.#out({ ...event, changes: [late] }, this.#number());
    }
    flush();
    this.#schedule();
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
  }

  /** Returns what was held and is told at once: a snapshot since may have left it out, so that this event's number is too old for it. */
  #take(event: ChangesEvent, change: Change, now: Change[]): Change | undefined {
    const full = joinPath(event.path, change.name);
    switch (change.action) {
      case "removed":
        this.#drop(full);
        now.push(bare(change));
        return undefined;
      case "renamed": {
        const from = joinPath(event.path, change.oldName ?? "");
        this.#drop(full);
        now.push(bare(change));
        this.#follow(from, full, event, change.name);
        return undefined;
      }
      default: {
        if (change.type === "file") {
          this.#hold(full, event, change);
          return undefined;
        }
        const before = this.#held.get(full)?.change;
        this.#held.delete(full);
        if (before !== undefined) return merge(before, bare(change));
        now.push(bare(change));
        return undefined;
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
      this.#out({ type: "changes", path, via, changes }, this.#number());
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
