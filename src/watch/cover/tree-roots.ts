import { Backoff, sleep } from "../../base/async.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { ActiveInterest } from "../deliver/index.ts";
import type { Comparison } from "../doubt.ts";
import type { HandleView } from "../handle/index.ts";
import type { Surroundings } from "../options.ts";
import { forEachAtOnce } from "../pacing.ts";
import { SourceError } from "../source.ts";

/**
 * A directory is not listed at the moment when somebody works on it: others cannot remove what is open, and who has
 * just made a directory often makes, moves and removes more the next millisecond.
 */
export const LET_WORK_MS = 300;

export interface TreeRootsHost {
  /** Where the recursive handle lies that is to serve the interest. */
  treeFor(active: ActiveInterest): CanonicalPath | undefined;
  /** The recursive handle that serves the interest, if there is one yet. */
  treeOf(active: ActiveInterest): HandleView | undefined;
  /** @throws SourceError, AbortedError */
  rescan(active: ActiveInterest, signal: AbortSignal): Promise<unknown>;
  refresh(active: ActiveInterest): void;
}

/**
 * The directories that interests name inside a recursive handle. The handle lives on when one of them is
 * not there; somebody has to look for it.
 */
export class TreeRoots {
  readonly #host: TreeRootsHost;
  readonly #surroundings: Surroundings;
  readonly #signal: AbortSignal;
  readonly #looking = new Map<ActiveInterest, () => void>();
  /** How often its directory was told to be empty: a listing from before proves nothing. */
  readonly #rounds = new WeakMap<ActiveInterest, number>();

  constructor(host: TreeRootsHost, surroundings: Surroundings, signal: AbortSignal) {
    this.#host = host;
    this.#surroundings = surroundings;
    this.#signal = signal;
  }

  /** Lists the interest's directories as soon as the handle is armed, and as often as it takes. */
  look(active: ActiveInterest): void {
    if (!this.#looking.has(active)) void this.#look(active);
  }

  /** There is reason to believe that the directory is back. */
  wake(active: ActiveInterest): void {
    this.#looking.get(active)?.();
  }

  /** Lists the interest's directories again: it was told to be empty. */
  again(active: ActiveInterest): void {
    active.rescanned = false;
    this.#rounds.set(active, this.#round(active) + 1);
    this.look(active);
    this.wake(active);
  }

  /** Lists the directories of all. Without its own directory the handle is of no use. @throws SourceError, AbortedError */
  async each(
    roots: readonly ActiveInterest[],
    {
      atOnce,
      rescan,
      isOwn,
    }: {
      readonly atOnce: number;
      readonly rescan: (active: ActiveInterest) => Promise<Comparison | undefined>;
      /** It is the directory that the handle is open on. */
      readonly isOwn: (active: ActiveInterest) => boolean;
    },
  ): Promise<Comparison | undefined> {
    let own: Comparison | undefined;
    await forEachAtOnce(roots, atOnce, async (active) => {
      const round = this.#round(active);
      try {
        const found = await rescan(active);
        if (isOwn(active)) own = found;
        if (round === this.#round(active)) this.found(active);
      } catch (error) {
        if (!isAbsence(error) || isOwn(active)) throw error;
        this.missing(active, error);
      }
    });
    return own;
  }

  found(active: ActiveInterest): void {
    active.missing = undefined;
    active.rescanned = true;
    this.wake(active);
    this.#host.refresh(active);
  }

  /** Its directory is not there, or not for us. */
  missing(active: ActiveInterest, error: SourceError): void {
    active.missing = error;
    this.#host.refresh(active);
    this.look(active);
  }

  #round(active: ActiveInterest): number {
    return this.#rounds.get(active) ?? 0;
  }

  async #look(active: ActiveInterest): Promise<void> {
    const { clock, random } = this.#surroundings;
    const pause = new Backoff({ initialMs: 250, maxMs: 30_000, random });
    const signal = this.#signal;
    this.#looking.set(active, () => undefined);
    try {
      if (active.wasLive) await sleep(LET_WORK_MS, { clock, signal }).catch(() => undefined);
      while (!active.closed && !signal.aborted && !(await this.#tried(active))) {
        const woken = new AbortController();
        this.#looking.set(active, () => woken.abort());
        const both = AbortSignal.any([signal, woken.signal]);
        await sleep(pause.next(), { clock, signal: both }).catch(() => undefined);
        if (woken.signal.aborted) await sleep(LET_WORK_MS, { clock, signal }).catch(() => undefined);
      }
    } finally {
      this.#looking.delete(active);
    }
  }

  /** `true` when there is nothing left to look for. */
  async #tried(active: ActiveInterest): Promise<boolean> {
    if (active.rescanned && active.missing === undefined) return true;
    // Another kind of handle answers for it by now.
    if (this.#host.treeFor(active) === undefined) return true;
    // The handle's own first rescan includes this interest's directories; before it is armed, a listing
    // would prove nothing.
    if (this.#host.treeOf(active)?.status.state !== "live") return false;
    const round = this.#round(active);
    try {
      await this.#host.rescan(active, this.#signal);
      if (round !== this.#round(active)) return false;
      this.found(active);
      return true;
    } catch (error) {
      if (isAbsence(error)) {
        active.missing = error;
        this.#host.refresh(active);
      }
      return false;
    }
  }
}

/** The directory is not there, or not for us: nothing is wrong with the server. */
export function isAbsence(error: unknown): error is SourceError {
  if (!(error instanceof SourceError)) return false;
  return ["gone", "denied", "not-a-directory", "bad-path"].includes(error.failure);
}
