import { randomBytes } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { ListingPosition } from "../fleet/port.ts";
import type { Breather } from "../watch/pacing.ts";
import type { Snapshot } from "../watch/picture/index.ts";
import type { EntryInfo } from "../watch/source.ts";

/** One directory at one instant, for as many pages as it takes. */
export interface FrozenList {
  /** Whose it is: the watch, and the directory in it. */
  readonly key: string;
  readonly position: ListingPosition;
  /** In the order of pages: by UTF-16 units. */
  readonly names: readonly string[];
  readonly snapshot: Snapshot;
  /** What entries turned out to be that were only heard of. */
  readonly looks: ReadonlyMap<string, EntryInfo>;
}

interface Kept extends FrozenList {
  forget(): void;
}

/** Whoever asks for no page for so long begins anew, or goes on at another instant. */
const KEEP_MS = 30_000;
const MOST_LISTS = 64;
/** Of all that are kept; the newest one is, whatever its size. */
const MOST_ENTRIES = 500_000;

/** Listings of which pages are still to be asked for. The oldest make room. */
export class FrozenLists {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();
  #entries = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#kept.size;
  }

  keep(list: FrozenList): string {
    const id = randomBytes(9).toString("base64url");
    this.#put(id, list);
    for (const old of this.#kept.values()) {
      if (this.#kept.size <= MOST_LISTS && this.#entries <= MOST_ENTRIES) break;
      if (this.#kept.size > 1) old.forget();
    }
    return id;
  }

  /** For another page of it. */
  get(id: string, key: string): FrozenList | undefined {
    const kept = this.#kept.get(id);
    if (kept === undefined || kept.key !== key) return undefined;
    kept.forget();
    this.#put(id, kept);
    return kept;
  }

  close(): void {
    for (const kept of this.#kept.values()) kept.forget();
  }

  #put(id: string, { key, position, names, snapshot, looks }: FrozenList): void {
    const forget = (): void => {
      cancel();
      this.#kept.delete(id);
      this.#entries -= names.length;
    };
    const cancel = this.#clock.after(KEEP_MS, forget, { unref: true });
    this.#kept.set(id, { key, position, names, snapshot, looks, forget });
    this.#entries += names.length;
  }
}

/** Sorted at once, so many names take some milliseconds. */
const RUN = 2_048;

/** In the order of UTF-16 units, without holding up everything else. @throws AbortedError */
export async function sortInTurns(
  names: readonly string[],
  breather: Breather,
  signal: AbortSignal,
): Promise<readonly string[]> {
  let runs: string[][] = [];
  for (let start = 0; start < names.length; start += RUN) {
    runs.push(names.slice(start, start + RUN).sort());
    await breather.after(RUN, signal);
  }
  while (runs.length > 1) {
    const merged: string[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      const [left = [], right] = [runs[i], runs[i + 1]];
      merged.push(right === undefined ? left : await merge(left, right, breather, signal));
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

async function merge(
  left: readonly string[],
  right: readonly string[],
  breather: Breather,
  signal: AbortSignal,
): Promise<string[]> {
  const all: string[] = [];
  let [l, r] = [0, 0];
  while (l < left.length && r < right.length) {
    const [one, other] = [left[l] as string, right[r] as string];
    if (one <= other) {
      all.push(one);
      l++;
    } else {
      all.push(other);
      r++;
    }
    if (all.length % RUN === 0) await breather.after(RUN / 4, signal);
  }
  for (; l < left.length; l++) all.push(left[l] as string);
  for (; r < right.length; r++) all.push(right[r] as string);
  return all;
}
