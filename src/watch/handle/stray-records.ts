import type { Clock } from "../../base/clock.ts";
import type { DirectorySource, NotifyOutcome } from "../source.ts";

/** FILE_ACTION_MODIFIED (MS-FSCC 2.7.1): says nothing of which names there are. */
const MODIFIED = 3;
/** A burst is looked at once. */
const QUIET_MS = 2_000;

/**
 * Whether records may have come to the wrong handle. Samba forgets to take back the registration of a handle
 * whose directory was renamed through SMB when it is closed; the next handle that happens to lie at the same
 * address is then told what happens in the renamed directory as if it happened in its own (seen with 4.17:
 * `smbstatus -N` still lists it). From the first such handle on, no later one can be believed blindly.
 */
export class StrayRecords {
  readonly #source: DirectorySource;
  readonly #clock: Clock;
  #since: number | undefined;

  constructor(source: DirectorySource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** A handle is let go of because its directory is no more where it was. */
  released(): void {
    if (this.#source.traits.strayRecords === true) this.#since ??= this.#clock.monotonic();
  }

  /** Whether a handle opened at `openedAt` (monotonic ms) may hear of what is not its own. */
  mayReach(openedAt: number): boolean {
    return this.#since !== undefined && openedAt >= this.#since;
  }
}

export interface StrayRecordOwner {
  /** Lists and compares; returns whether it could begin now. */
  lookNow(): boolean;
}

/** Has a directory listed once more after names were told in it that may be another directory's. */
export class StrayRecordCheck {
  readonly #strays: StrayRecords;
  readonly #clock: Clock;
  readonly #openedAt: number;
  readonly #owner: StrayRecordOwner;
  #cancel: (() => void) | undefined;

  constructor(strays: StrayRecords, clock: Clock, owner: StrayRecordOwner) {
    this.#strays = strays;
    this.#clock = clock;
    this.#openedAt = clock.monotonic();
    this.#owner = owner;
  }

  heard(outcome: NotifyOutcome): void {
    if (outcome.type !== "records" || !this.#strays.mayReach(this.#openedAt)) return;
    if (outcome.records.some(({ action }) => action !== MODIFIED)) this.#schedule();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #schedule(): void {
    this.#cancel ??= this.#clock.after(QUIET_MS, () => {
      this.#cancel = undefined;
      if (!this.#owner.lookNow()) this.#schedule();
    });
  }
}
