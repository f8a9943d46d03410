import type { Doubt, DoubtReason } from "../doubt.ts";
import type { Change } from "../events.ts";
import { isLook } from "../gap-rules.ts";
import { EntryFlag, type Snapshot, UNKNOWN } from "../picture/index.ts";

/** Doubts of a server that is believed otherwise: what it has told needs no second telling. */
export const HEEDING: ReadonlySet<DoubtReason | undefined> = new Set([
  "settling",
  "recalled",
  "moved",
  "probing",
]);

/**
 * A name that was told may mean something else by now, and nobody would have heard of it. Without a doubt somebody
 * looks too: into a directory that is new, or whose records may be another's.
 */
export function mayHaveLost(doubt: Doubt | undefined): boolean {
  return doubt !== undefined && !isLook(doubt) && !HEEDING.has(doubt.reason);
}

/**
 * Directories that have been told, but not as that: consumers need not hear of the name again, and what lies below is
 * followed all the same. Not where somebody has looked since, and found a file: whoever was given the picture has it as one.
 */
export function revealedIn(changes: readonly Change[], before: Snapshot): ReadonlySet<string> {
  const removed = new Set(changes.filter(({ action }) => action === "removed").map(({ name }) => name));
  const revealed = changes.filter(
    ({ action, name }) =>
      action === "added" && before.has(name) && !removed.has(name) && before.get(name)?.facts === undefined,
  );
  return new Set(revealed.map(({ name }) => name));
}

/**
 * Of a name that came by notification only its being there is known, so a listing makes it look modified. Since
 * it was heard of, the server was listening: a second look need not tell it again. But what the listing saw may
 * also be the work of a change that has been lost meanwhile: that is for the next comparison to tell.
 */
export function withoutHeard(
  changes: readonly Change[],
  before: Snapshot,
  after: Snapshot,
): readonly Change[] {
  return changes.filter(({ action, name }) => {
    const mark = before.get(name);
    if (action !== "modified" || mark === undefined || (mark.flags & EntryFlag.known) !== 0) return true;
    const { directory, link } = EntryFlag;
    const { flags = 0, facts } = after.get(name) ?? {};
    after.set(name, { ...UNKNOWN, flags: flags & (directory | link), facts });
    return false;
  });
}
