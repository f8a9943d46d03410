import type { Clock } from "../../base/clock.ts";
import { parentOf } from "../../base/path.ts";
import type { Change } from "../events.ts";
import type { NotifyRecord } from "../source.ts";
import { Action } from "./file-action.ts";
import { RemovalHabit, RenamedAway } from "./late-removals.ts";
import { TwinRecords } from "./twin-records.ts";

/** Odd names that are remembered; few directories have any. */
const MOST_ODD = 1_000;

/** How long half a rename waits for the other half. Samba and Windows send both in one reply; some NAS do not. */
export const RENAME_HALF_MS = 250;

/** A change and the directory it happened in, relative to the watched one (`""` is itself). */
export interface LocatedChange {
  readonly directory: string;
  readonly change: Change;
  /** Those of its names that listings may show otherwise, or that stand below a directory of which that is so. */
  readonly odd?: readonly string[];
  /** It was told as one half of a rename whose other name lies in another directory. */
  readonly half?: true;
}

/** Changes in a row of one directory. */
export interface Run {
  readonly directory: string;
  readonly changes: readonly Change[];
  /** As `LocatedChange.odd`, of all. */
  readonly odd: ReadonlySet<string>;
}

/** Changes of one directory in a row, together; odd ones apart. */
export function* byDirectory(located: readonly LocatedChange[]): Generator<Run> {
  for (let at = 0; at < located.length; ) {
    const { directory, odd } = located[at] as LocatedChange;
    let to = at + 1;
    const isOdd = odd !== undefined;
    while (located[to]?.directory === directory && (located[to]?.odd !== undefined) === isOdd) to++;
    const run = located.slice(at, to);
    yield {
      directory,
      changes: run.map(({ change }) => change),
      odd: new Set(isOdd ? run.flatMap((each) => each.odd ?? []) : []),
    };
    at = to;
  }
}

export interface Coalesced {
  readonly changes: readonly LocatedChange[];
  /** Something could not be understood: only a rescan can tell what happened. */
  readonly doubtful: boolean;
}

/** A rename of which so far only the old name was told. */
interface Half {
  readonly directory: string;
  readonly name: string;
  /** Nobody knows the old name: what gets the new one is new. */
  readonly temporary: boolean;
  readonly cancel: () => void;
}

/**
 * Turns records into changes: pairs renames within and across replies, merges repeats inside one reply.
 * A half rename that nobody completes is told as `removed` through `late`.
 */
export class Coalescer {
  readonly #clock: Clock;
  readonly #late: (change: LocatedChange) => void;
  readonly #recursive: boolean;
  #half: Half | undefined;

  /* Made when there is something to remember: most directories are quiet. */
  #twins: TwinRecords | undefined;
  /** Names, from the watched directory, that listings may show otherwise. */
  #odd: Set<string> | undefined;
  #renamed: RenamedAway | undefined;

  readonly #habit: RemovalHabit;

  constructor(
    clock: Clock,
    recursive: boolean,
    late: (change: LocatedChange) => void,
    habit: RemovalHabit = new RemovalHabit(),
  ) {
    this.#clock = clock;
    this.#habit = habit;
    this.#recursive = recursive;
    this.#late = late;
  }

  push(records: readonly NotifyRecord[]): Coalesced {
    const out = new Batch();
    let doubtful = false;
    this.#twins ??= new TwinRecords(this.#clock);
    for (const record of this.#twins.filter(records)) {
      if (record.odd === true) this.#remember(record.name);
      const place = this.#locate(record.name);
      if (place === undefined) doubtful = true;
      else if (record.temporary === true) this.#takeTemporary(record.action, place, out);
      else if (!this.#take(record.action, place, out)) doubtful = true;
    }
    return { changes: this.#marked(out.changes), doubtful };
  }

  /** Gives up waiting for the second half of a rename. */
  flush(): readonly LocatedChange[] {
    const out = new Batch();
    this.#endHalf(out);
    return this.#marked(out.changes);
  }

  #remember(name: string): void {
    this.#odd ??= new Set();
    if (this.#odd.size >= MOST_ODD) this.#odd.clear();
    this.#odd.add(name);
  }

  /** An odd name may have come with an earlier reply: the first half of a rename. */
  #marked(changes: readonly LocatedChange[]): readonly LocatedChange[] {
    const known = this.#odd;
    if (known === undefined) return changes;
    return changes.map((located) => {
      const { directory, change } = located;
      const at = directory === "" ? "" : `${directory}/`;
      const odd = [change.name, change.oldName ?? ""].filter((name) => known.has(at + name));
      return odd.length > 0 ? { ...located, odd } : located;
    });
  }

  #take(action: number, place: { directory: string; name: string }, out: Batch): boolean {
    const { directory, name } = place;
    const half = this.#half;
    const completes = action === Action.renamedNewName;
    // Anything else said about the half-renamed name comes after its departure.
    if (half !== undefined && !completes && half.directory === directory && half.name === name) {
      this.#endHalf(out);
    }
    switch (action) {
      case Action.added:
        this.#add(directory, name, out);
        return true;
      case Action.removed:
        this.#remove(directory, name, out);
        return true;
      case Action.modified:
        out.add(directory, { action: "modified", name });
        return true;
      case Action.renamedOldName:
        this.#endHalf(out);
        this.#beginHalf(directory, name);
        return true;
      case Action.renamedNewName:
        this.#complete(directory, name, out);
        return true;
      case Action.addedStream:
      case Action.removedStream:
      case Action.modifiedStream:
        out.add(directory, { action: "modified", name: withoutStream(name), stream: true });
        return true;
      default:
        return false;
    }
  }

  #add(directory: string, name: string, out: Batch): void {
    this.#renamed?.came(`${directory}/${name}`);
    out.add(directory, { action: "added", name });
  }

  #remove(directory: string, name: string, out: Batch): void {
    const removal = this.#renamed?.removed(`${directory}/${name}`) ?? "gone";
    if (removal === "told") return;
    // Where removals are repeated it is most likely there: what is modified is looked for on its listing, and told as
    // removed if it is not on it. A server that was never heard to do so is believed: a look at each name that was saved
    // and removed again would cost the others a listing.
    const there = removal === "doubtful" && this.#habit.repeats;
    out.add(directory, { action: there ? "modified" : "removed", name });
  }

  /** Nothing is told under such a name; all that counts is that it ends another half, and may be one. */
  #takeTemporary(action: number, place: { directory: string; name: string }, out: Batch): void {
    if (action !== Action.renamedOldName && action !== Action.renamedNewName) return;
    this.#endHalf(out);
    if (action === Action.renamedOldName) this.#beginHalf(place.directory, place.name, true);
  }

  #complete(directory: string, name: string, out: Batch): void {
    const half = this.#half;
    this.#half = undefined;
    half?.cancel();
    if (half === undefined || half.temporary) {
      this.#add(directory, name, out);
    } else if (half.directory !== directory) {
      out.add(half.directory, { action: "removed", name: half.name }, true);
      this.#renamed?.came(`${directory}/${name}`);
      out.add(directory, { action: "added", name }, true);
    } else {
      this.#renamed ??= new RenamedAway(this.#clock, this.#habit);
      this.#renamed.left(`${directory}/${half.name}`);
      this.#renamed.came(`${directory}/${name}`);
      out.add(directory, { action: "renamed", name, oldName: half.name });
    }
  }

  #beginHalf(directory: string, name: string, temporary = false): void {
    const begunAt = this.#clock.monotonic();
    const cancel = this.#clock.after(RENAME_HALF_MS, () => {
      // Timers run before sockets are read: after a stall of ours the other half may lie there unread.
      if (this.#clock.monotonic() - begunAt >= 2 * RENAME_HALF_MS)
        return this.#beginHalf(directory, name, temporary);
      this.#half = undefined;
      if (temporary) return;
      const [late] = this.#marked([{ directory, change: { action: "removed", name } }]);
      if (late !== undefined) this.#late(late);
    });
    this.#half = { directory, name, temporary, cancel };
  }

  #endHalf(out: Batch): void {
    const half = this.#half;
    if (half === undefined) return;
    this.#half = undefined;
    half.cancel();
    if (!half.temporary) out.add(half.directory, { action: "removed", name: half.name });
  }

  /** `undefined` for a name that cannot be one of an entry below the watched directory. */
  #locate(path: string): { directory: string; name: string } | undefined {
    const cut = path.lastIndexOf("/");
    if (cut >= 0 && !this.#recursive) return undefined;
    const segments = path.split("/");
    if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) return undefined;
    if (path.includes("\0")) return undefined;
    return { directory: cut < 0 ? "" : parentOf(`/${path}`).slice(1), name: path.slice(cut + 1) };
  }
}

/** `file.txt:stream:$DATA` is about `file.txt`. */
function withoutStream(name: string): string {
  const cut = name.indexOf(":");
  return cut > 0 ? name.slice(0, cut) : name;
}

/** Changes in order. A repeat of what was last said about a name inside one reply adds nothing. */
class Batch {
  readonly changes: LocatedChange[] = [];
  readonly #last = new Map<string, string>();

  add(directory: string, change: Change, half = false): void {
    const key = `${directory}/${change.name}`;
    const said = `${change.action}${change.stream === true ? " stream" : ""}`;
    if (change.action !== "renamed" && this.#last.get(key) === said) return;
    this.#last.set(key, said);
    if (change.oldName !== undefined) this.#last.set(`${directory}/${change.oldName}`, "renamed away");
    this.changes.push(half ? { directory, change, half } : { directory, change });
  }
}
