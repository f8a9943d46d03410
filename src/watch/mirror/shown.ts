import { waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { type CanonicalPath, joinPath } from "../../base/path.ts";
import { type EntryFacts, EntryFlag, type FrozenPicture, factsOf } from "../picture/index.ts";
import type { EntryInfo } from "../source.ts";
import type { MirrorEntry, MirroredDirectory } from "./tree.ts";

/** Names asked for per snapshot, and how long that may take; what is beyond is told as not known. */
const MOST_LOOKS = 1_000;
const LOOK_MS = 2_000;

/** What entries turned out to be that were only heard of, by directory and name. */
export type Looks = ReadonlyMap<CanonicalPath, ReadonlyMap<string, EntryInfo>>;

/**
 * Asks the file server for what only names are known of, or that they have changed. In a picture that rests there is
 * none. Never rejects: what cannot be found out in time stays unknown.
 */
export async function lookAtUnknown(
  { directories, withheld }: FrozenPicture,
  look: (
    path: CanonicalPath,
    names: readonly string[],
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, EntryInfo>>,
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock },
): Promise<Looks> {
  const found = new Map<CanonicalPath, ReadonlyMap<string, EntryInfo>>();
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const ask = async (): Promise<void> => {
    let left = MOST_LOOKS;
    for (const { path, snapshot } of directories) {
      const names: string[] = [];
      for (const name of snapshot?.unseen() ?? []) {
        if (left <= 0) break;
        if (withheld.has(joinPath(path, name))) continue;
        names.push(name);
        left--;
      }
      if (names.length > 0) found.set(path, await look(path, names, until).catch(() => new Map()));
      if (until.aborted || left <= 0) return;
    }
  };
  try {
    await waitFor(ask(), { signal, clock, deadlineMs: LOOK_MS, what: "a look at what is new" });
  } catch {
    // Told as it is.
  } finally {
    over.abort();
  }
  return found;
}

/** All directories of a picture, without what has not been told. */
export function* shownDirectories(picture: FrozenPicture, looks: Looks): IterableIterator<MirroredDirectory> {
  for (const { path, snapshot } of picture.directories) {
    if (snapshot === undefined) {
      yield { path, entries: [], tooLarge: true };
      continue;
    }
    const entries: MirrorEntry[] = [];
    for (const { name, flags, facts } of snapshot.shown()) {
      if (picture.withheld.size > 0 && picture.withheld.has(joinPath(path, name))) continue;
      entries.push(shownEntry(name, flags, facts, looks.get(path)?.get(name)));
    }
    yield { path, entries };
  }
}

/** @param seen - what it was when somebody looked after the picture was frozen */
export function shownEntry(
  name: string,
  flags: number,
  known: EntryFacts | undefined,
  seen: EntryInfo | undefined,
): MirrorEntry {
  const facts = known ?? (seen === undefined ? undefined : factsOf(seen));
  const typed = facts !== undefined || (flags & EntryFlag.known) !== 0;
  const directory = (flags & EntryFlag.directory) !== 0 || seen?.type === "directory";
  return {
    name,
    ...(directory ? { type: "directory" } : typed ? { type: "file" } : {}),
    ...(facts === undefined ? {} : { size: facts.size, modified: timeOf(facts.modifiedMs) }),
  };
}

/** Times no Date can show become the nearest it can. */
function timeOf(ms: number): string {
  return new Date(Math.min(Math.max(ms, -62_135_596_800_000), 253_402_300_799_999)).toISOString();
}
