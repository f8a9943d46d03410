import { type CanonicalPath, joinPath } from "../base/path.ts";
import type { Change } from "./events.ts";
import {
  EntryFlag,
  type EntryMark,
  identityKey,
  type Snapshot,
  sameAppearance,
  sameFile,
} from "./snapshot.ts";

/**
 * What turns one picture of a directory into another, in an order that can be applied step by step:
 * removals, renames, additions, modifications.
 *
 * A rename is told only when identity (file id and creation time) proves it and neither name is on
 * both sides; a name that now means another file is told as removed and added. An entry of which only
 * the name was known counts as modified: better told twice than never.
 */
export function diff(before: Snapshot, after: Snapshot): Change[] {
  const removed: { name: string; mark: EntryMark }[] = [];
  const added: { name: string; mark: EntryMark }[] = [];
  const replaced: string[] = [];
  const modified: string[] = [];
  for (const [name, old] of before.entries()) {
    const now = after.get(name);
    if (now === undefined) removed.push({ name, mark: old });
    else if (isReplaced(old, now)) replaced.push(name);
    else if (isModified(old, now)) modified.push(name);
  }
  for (const [name, mark] of after.entries()) if (!before.has(name)) added.push({ name, mark });

  const origins = uniqueByIdentity(removed);
  const targets = uniqueByIdentity(added);
  const renamed = new Map<string, string>();
  for (const [identity, target] of targets) {
    const origin = origins.get(identity);
    if (origin !== undefined) renamed.set(target, origin);
  }
  const origin = new Set(renamed.values());
  return [
    ...removed
      .filter(({ name }) => !origin.has(name))
      .map(({ name }): Change => ({ action: "removed", name })),
    ...replaced.map((name): Change => ({ action: "removed", name })),
    ...[...renamed].map(([name, oldName]): Change => ({ action: "renamed", name, oldName })),
    ...added.filter(({ name }) => !renamed.has(name)).map(({ name }): Change => ({ action: "added", name })),
    ...replaced.map((name): Change => ({ action: "added", name })),
    ...renamedAndModified(before, after, renamed),
    ...modified.map((name): Change => ({ action: "modified", name })),
  ];
}

/** Whether a name has come to mean another file. Of a name only heard of, no more than its type can tell. */
export function isReplaced(old: EntryMark, now: EntryMark): boolean {
  if ((now.flags & EntryFlag.known) === 0) return false;
  if ((old.flags & EntryFlag.known) === 0) return (old.flags & ~now.flags & EntryFlag.directory) !== 0;
  return !sameFile(old, now) || ((old.flags ^ now.flags) & EntryFlag.directory) !== 0;
}

function isModified(old: EntryMark, now: EntryMark): boolean {
  if ((now.flags & EntryFlag.known) === 0) return false;
  return (old.flags & EntryFlag.known) === 0 || !sameAppearance(old, now);
}

/** A rename moves the change time on most servers, so this over-tells; content changed on the way must not be lost. */
function renamedAndModified(
  before: Snapshot,
  after: Snapshot,
  renamed: ReadonlyMap<string, string>,
): Change[] {
  const changes: Change[] = [];
  for (const [name, oldName] of renamed) {
    const old = before.get(oldName);
    const now = after.get(name);
    if (old !== undefined && now !== undefined && !sameAppearance(old, now)) {
      changes.push({ action: "modified", name });
    }
  }
  return changes;
}

/** Hard links share one identity: what is not unique proves nothing. */
function uniqueByIdentity(entries: readonly { name: string; mark: EntryMark }[]): Map<string, string> {
  const found = new Map<string, string>();
  const twice = new Set<string>();
  for (const { name, mark } of entries) {
    const identity = identityKey(mark);
    if (identity === undefined) continue;
    if (found.has(identity)) twice.add(identity);
    found.set(identity, name);
  }
  for (const identity of twice) found.delete(identity);
  return found;
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
  const out = diffs.map(({ changes }) => [...changes]);
  const leaving = moves(diffs, "removed");
  const arriving = moves(diffs, "added");
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

function moves(diffs: readonly DirectoryDiff[], action: "removed" | "added"): Map<string, Place | null> {
  const places = new Map<string, Place | null>();
  for (const [index, { before, after, changes }] of diffs.entries()) {
    for (const [at, change] of changes.entries()) {
      if (change.action !== action) continue;
      const mark = (action === "removed" ? before : after).get(change.name);
      const identity = mark === undefined ? undefined : identityKey(mark);
      if (identity === undefined) continue;
      places.set(identity, places.has(identity) ? null : { diff: index, at, name: change.name });
    }
  }
  return places;
}
