import { type CanonicalPath, joinPath } from "../../base/path.ts";
import type { Change } from "../events.ts";
import { EntryFlag, type EntryMark, identityKey, sameAppearance, sameFile } from "./entry-mark.ts";
import type { Snapshot } from "./snapshot.ts";

/** Work that can be interrupted: yields the number of entries it has gone through since the last time. */
export type Steps<T> = Generator<number, T, void>;

const SLICE = 1_024;

/** Does all the steps at once. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/**
 * What turns one picture of a directory into another, in an order that can be applied step by step:
 * removals, renames, additions, modifications.
 *
 * A rename is told only when identity (file id and creation time) proves it and neither name is on
 * both sides; a name that now means another file is told as removed and added. An entry of which only
 * the name was known counts as modified, or as added where it turns out to be a directory: better told twice than never.
 */
export function diff(before: Snapshot, after: Snapshot): Change[] {
  return finish(diffSteps(before, after));
}

/** As `diff`. What is said of names that change between two steps may be out of date. */
export function* diffSteps(before: Snapshot, after: Snapshot): Steps<Change[]> {
  const removed = new Departures();
  const added = new Departures();
  const replaced: string[] = [];
  const revealed: string[] = [];
  const modified: string[] = [];
  for (const names of before.unlike(after, SLICE)) {
    for (const name of names) {
      const [old, now] = [before.get(name), after.get(name)];
      if (old === undefined) continue;
      if (now === undefined) removed.add(name, old);
      else if (isReplaced(old, now)) replaced.push(name);
      else if (isRevealed(old, now)) revealed.push(name);
      else if (isModified(old, now)) modified.push(name);
    }
    yield SLICE / 8 + names.length;
  }
  for (const names of after.unlike(before, SLICE)) {
    for (const name of names) {
      const now = before.has(name) ? undefined : after.get(name);
      if (now !== undefined) added.add(name, now);
    }
    yield SLICE / 8 + names.length;
  }

  const renamed = new Map<string, string>();
  const origins = new Set<string>();
  for (const [identity, target] of added.unique()) {
    const origin = removed.unique().get(identity);
    if (origin === undefined) continue;
    renamed.set(target, origin);
    origins.add(origin);
  }
  const changes: Change[] = [];
  for (const name of removed.names) if (!origins.has(name)) changes.push({ action: "removed", name });
  for (const name of replaced) changes.push({ action: "removed", name });
  for (const [name, oldName] of renamed) changes.push({ action: "renamed", name, oldName });
  yield removed.names.length;
  for (const name of added.names) if (!renamed.has(name)) changes.push({ action: "added", name });
  for (const name of replaced) changes.push({ action: "added", name });
  for (const name of revealed) changes.push({ action: "added", name });
  yield added.names.length;
  let looked = 0;
  for (const [name, oldName] of renamed) {
    if (++looked % SLICE === 0) yield SLICE;
    if (changedOnTheWay(before.get(oldName), after.get(name))) changes.push({ action: "modified", name });
  }
  for (const name of modified) changes.push({ action: "modified", name });
  return changes;
}

/** Names that one picture has and the other has not, and which files they meant. */
class Departures {
  readonly names: string[] = [];
  readonly #files = new Map<string, string>();
  readonly #shared = new Set<string>();

  add(name: string, mark: EntryMark): void {
    this.names.push(name);
    const identity = identityKey(mark);
    if (identity === undefined) return;
    if (this.#files.has(identity)) this.#shared.add(identity);
    this.#files.set(identity, name);
  }

  /** Hard links share one identity: what is not unique proves nothing. */
  unique(): ReadonlyMap<string, string> {
    for (const identity of this.#shared) this.#files.delete(identity);
    return this.#files;
  }
}

/** Whether a name has come to mean another file. Of a name only heard of, no more than its type can tell. */
export function isReplaced(old: EntryMark, now: EntryMark): boolean {
  if ((now.flags & EntryFlag.known) === 0) return false;
  if ((old.flags & EntryFlag.known) === 0) return (old.flags & ~now.flags & EntryFlag.directory) !== 0;
  return !sameFile(old, now) || ((old.flags ^ now.flags) & EntryFlag.directory) !== 0;
}

/** Only heard of, and not as a directory: what lies below has never been told. */
function isRevealed(old: EntryMark, now: EntryMark): boolean {
  return (
    (old.flags & (EntryFlag.known | EntryFlag.directory)) === 0 && (now.flags & EntryFlag.directory) !== 0
  );
}

function isModified(old: EntryMark, now: EntryMark): boolean {
  if ((now.flags & EntryFlag.known) === 0) return false;
  return (old.flags & EntryFlag.known) === 0 || !sameAppearance(old, now);
}

/** A rename moves the change time on most servers, so this over-tells; content changed on the way must not be lost. */
function changedOnTheWay(old: EntryMark | undefined, now: EntryMark | undefined): boolean {
  return old !== undefined && now !== undefined && !sameAppearance(old, now);
}

/** The differences of one directory, with the pictures they come from. */
export interface DirectoryDiff {
  readonly path: CanonicalPath;
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly changes: readonly Change[];
}

/** Adds `movedTo` and `movedFrom` where identity proves a move between the directories of one watch. */
export function pairMoves(diffs: readonly DirectoryDiff[]): Change[][] {
  return finish(moveSteps(diffs));
}

/** As `pairMoves`. */
export function* moveSteps(diffs: readonly DirectoryDiff[]): Steps<Change[][]> {
  const out = diffs.map(({ changes }) => [...changes]);
  if (diffs.filter(({ changes }) => changes.length > 0).length < 2) return out;
  const leaving = yield* moves(diffs, "removed");
  const arriving = yield* moves(diffs, "added");
  for (const [identity, to] of arriving) {
    const from = leaving.get(identity);
    if (from === undefined || to === undefined || from === null || to === null) continue;
    if (from.diff === to.diff) continue;
    const [source, target] = [diffs[from.diff] as DirectoryDiff, diffs[to.diff] as DirectoryDiff];
    (out[from.diff] as Change[])[from.at] = {
      action: "removed",
      name: from.name,
      movedTo: joinPath(target.path, to.name),
    };
    (out[to.diff] as Change[])[to.at] = {
      action: "added",
      name: to.name,
      movedFrom: joinPath(source.path, from.name),
    };
  }
  return out;
}

interface Place {
  readonly diff: number;
  readonly at: number;
  readonly name: string;
}

function* moves(
  diffs: readonly DirectoryDiff[],
  action: "removed" | "added",
): Steps<Map<string, Place | null>> {
  const places = new Map<string, Place | null>();
  for (const [index, { before, after, changes }] of diffs.entries()) {
    for (const [at, change] of changes.entries()) {
      if (at % SLICE === SLICE - 1) yield SLICE;
      if (change.action !== action) continue;
      const mark = (action === "removed" ? before : after).get(change.name);
      const identity = mark === undefined ? undefined : identityKey(mark);
      if (identity === undefined) continue;
      places.set(identity, places.has(identity) ? null : { diff: index, at, name: change.name });
    }
  }
  return places;
}
