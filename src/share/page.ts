import { canonicalPath } from "../base/path.ts";
import { filetimeToUnixMs } from "../codec/filetime.ts";
import type { DirectoryEntry, DirectorySource } from "../watch/source.ts";

export interface PageRequest {
  readonly path: string;
  /** Name to continue after. */
  readonly after?: string;
  /** Default 1,000; at most 5,000. */
  readonly limit?: number;
}

export interface PageEntry {
  readonly name: string;
  readonly type: "file" | "directory";
  /** Bytes. */
  readonly size: number;
  /** RFC 3339 UTC. */
  readonly modified: string;
  readonly fileId?: string;
}

export interface ListingPage {
  /** By name, in order of UTF-16 units. */
  readonly entries: readonly PageEntry[];
  /** Pass as `after` for the next page; absent at the end. */
  readonly next?: string;
}

const DEFAULT_LIMIT = 1_000;
const MOST = 5_000;

/**
 * Servers list in an order of their own, so a page is chosen from a whole listing; memory is bounded by
 * the page, not by the directory. @throws SourceError, BadPathError, AbortedError
 */
export async function listPage(
  source: DirectorySource,
  request: PageRequest,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<ListingPage> {
  const limit = Math.max(1, Math.min(MOST, Math.trunc(request.limit ?? DEFAULT_LIMIT)));
  const { after } = request;
  let kept: DirectoryEntry[] = [];
  // One more than the page: it tells whether there is a next one.
  const keep = limit + 1;
  for await (const entries of source.list(canonicalPath(request.path), options)) {
    for (const entry of entries) {
      if (after === undefined || entry.name > after) kept.push(entry);
    }
    if (kept.length > 4 * keep) kept = kept.sort(byName).slice(0, keep);
  }
  kept = kept.sort(byName).slice(0, keep);
  const page = kept.slice(0, limit);
  const last = page.at(-1);
  return {
    entries: page.map(pageEntry),
    ...(kept.length > limit && last !== undefined ? { next: last.name } : {}),
  };
}

function byName(a: DirectoryEntry, b: DirectoryEntry): number {
  if (a.name === b.name) return 0;
  return a.name < b.name ? -1 : 1;
}

function pageEntry(entry: DirectoryEntry): PageEntry {
  return {
    name: entry.name,
    type: entry.type,
    size: entry.size,
    modified: new Date(filetimeToUnixMs(entry.modified)).toISOString(),
    ...(entry.fileId === undefined ? {} : { fileId: String(entry.fileId) }),
  };
}
