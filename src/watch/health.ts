import type { CanonicalPath } from "../base/path.ts";
import { type HealthFact, healths } from "./facts.ts";
import type { Pacer } from "./pacing.ts";
import { type DirectorySource, type EntryInfo, SourceError } from "./source.ts";

/**
 * Does the path still name the directory we hold? Servers keep silent about a local removal of a watched
 * directory and about renames of it or of an ancestor. The file id alone decides where there is one: while
 * our handle is open no other directory can have it, whereas Samba's creation time is the earliest of all
 * times where none was stored, and moves when somebody reads the directory (seen with 4.17).
 */
export async function checkHealth(
  source: DirectorySource,
  path: CanonicalPath,
  held: EntryInfo,
  pacer: Pacer,
  signal: AbortSignal,
): Promise<HealthFact["verdict"]> {
  const verdict = await judge(source, path, held, pacer, signal);
  if (!signal.aborted) healths.publish({ path, verdict });
  return verdict;
}

async function judge(
  source: DirectorySource,
  path: CanonicalPath,
  held: EntryInfo,
  pacer: Pacer,
  signal: AbortSignal,
): Promise<HealthFact["verdict"]> {
  try {
    await pacer.turn(signal);
    const { fileId, created } = await source.stat(path, { signal });
    const known = fileId !== undefined && held.fileId !== undefined;
    return (known ? fileId === held.fileId : created === held.created) ? "same" : "replaced";
  } catch (error) {
    // A failure to look proves nothing: a lost connection ends the watch by itself.
    return error instanceof SourceError && error.failure === "gone" ? "gone" : "unknown";
  }
}
