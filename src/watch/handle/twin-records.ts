import type { Clock } from "../../base/clock.ts";
import type { NotifyRecord } from "../source.ts";
import { Action } from "./file-action.ts";

/** Two reports of one event come at the same moment; so quickly nobody has read what the first was about. */
const TWIN_MS = 20;
/** So long one proof stands: that a second program watches is not told when it ends. */
const DOUBLED_MS = 60_000;

/**
 * Records that say again what the one before has said. As soon as a second client watches a directory, whoever that is,
 * Samba 4.17 tells both of them each ADDED, RENAMED_NEW and REMOVED twice, in one answer or in two. What is removed twice
 * in a row, or gets its new name twice, was so once. What is added twice may have been: a file moved over another one is
 * told as ADDED alone. So repeats of that in two answers count as one only where the others prove that all is told twice.
 */
export class TwinRecords {
  readonly #clock: Clock;
  #last: { readonly record: NotifyRecord; readonly at: number } | undefined;
  #doubledUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Without twins. */
  filter(records: readonly NotifyRecord[]): readonly NotifyRecord[] {
    const now = this.#clock.monotonic();
    let first = true;
    return records.filter((record) => {
      const last = this.#last;
      const across = first;
      first = false;
      const same = last?.record.action === record.action && last.record.name === record.name;
      if (same && this.#isTwin(record, now - last.at, across, now)) {
        // A third one is another event.
        this.#last = undefined;
        return false;
      }
      this.#last = { record, at: now };
      return true;
    });
  }

  #isTwin({ action }: NotifyRecord, age: number, across: boolean, now: number): boolean {
    switch (action) {
      case Action.removed:
      case Action.renamedNewName:
        this.#doubledUntil = now + DOUBLED_MS;
        return true;
      case Action.added:
        return !across || (now < this.#doubledUntil && age <= TWIN_MS);
      default:
        // MODIFIED: as many as there are; within an answer they are merged.
        return false;
    }
  }
}
