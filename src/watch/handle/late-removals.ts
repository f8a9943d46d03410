import type { Clock } from "../../base/clock.ts";

/** Samba waits 100 ms for the other half of a rename; the rest is for busy machines, its and ours. */
const WINDOW_MS = 5_000;
/** One that comes later than this proves nothing about the server: a record in between may have been lost. */
const PROOF_MS = 1_000;

/**
 * Whether a server tells the old name of a rename once more, as removed. Samba 4.25 does so up to 100 ms after each
 * rename that it told by both names (seen with 4.25.1: `moved_from_event` is not freed in source3/smbd/notify_inotify.c),
 * also where something else has that name by then: an editor that keeps a backup lost the document for consumers.
 */
export class RemovalHabit {
  /** A name was told as removed that had been renamed away, and had not come back. */
  repeats = false;
  readonly #doubtful: () => boolean;

  /** @param doubtful - what it tells as renamed may never have been there: see `SourceTraits.doubtfulRenames` */
  constructor(doubtful: () => boolean = () => false) {
    this.#doubtful = doubtful;
  }

  /** A name that was told as renamed away may be there all the same: its removal is news. */
  get isNews(): boolean {
    return this.#doubtful();
  }
}

/** What a removal means: the name is gone; that was told; or somebody has to look. */
export type Removal = "gone" | "told" | "doubtful";

/** Names of one handle that were renamed a moment ago. */
export class RenamedAway {
  readonly #clock: Clock;
  readonly #habit: RemovalHabit;
  readonly #names = new Map<string, { readonly until: number; back: boolean }>();

  constructor(clock: Clock, habit: RemovalHabit) {
    this.#clock = clock;
    this.#habit = habit;
  }

  left(path: string): void {
    const now = this.#clock.monotonic();
    for (const [name, { until }] of this.#names) {
      if (until > now) break;
      this.#names.delete(name);
    }
    this.#names.delete(path);
    this.#names.set(path, { until: now + WINDOW_MS, back: false });
  }

  came(path: string): void {
    const known = this.#names.get(path);
    if (known !== undefined) known.back = true;
  }

  /** Each rename explains one removal. */
  removed(path: string): Removal {
    const known = this.#names.get(path);
    this.#names.delete(path);
    const now = this.#clock.monotonic();
    if (known === undefined || known.until <= now || this.#habit.isNews) return "gone";
    if (known.back) return "doubtful";
    if (now <= known.until - WINDOW_MS + PROOF_MS) this.#habit.repeats = true;
    return "told";
  }
}
