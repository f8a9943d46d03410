import { type CanonicalPath, isWithin, pathKey } from "../base/path.ts";
import type { Change, WatchEvent } from "../watch/events.ts";

/** An event that is kept until an epoch begins. */
export interface Heard {
  readonly event: WatchEvent;
  /** See `WatchSink`. */
  readonly told?: number | undefined;
}

/**
 * What may be told of a tree although a former owner has perhaps told it already. Names may be added and removed
 * twice, but a directory that is removed or renamed twice takes along what has come in between. Where that
 * happened a listing of all below says the same, and what was told there before it need not be said again.
 */
export function repeatable(heard: readonly Heard[], caseSensitive: boolean): Heard[] {
  const key = (path: CanonicalPath): string => pathKey(path, caseSensitive);
  const moved = new Map<string, CanonicalPath>();
  for (const { event } of heard) {
    if (event.type === "changes" && event.changes.some(isMove)) moved.set(key(event.path), event.path);
  }
  const above = (path: string, others: Iterable<string>): boolean => {
    for (const other of others) if (other !== path && isWithin(other, path)) return true;
    return false;
  };
  const tops = [...moved].filter(([path]) => !above(path, moved.keys()));
  const covered = (event: WatchEvent): boolean =>
    event.type !== "state" && tops.some(([top]) => isWithin(top, key(event.path)));
  return [
    ...tops.map(([, path]) => ({ event: resyncOf(path), told: 0 })),
    ...heard.filter(({ event }) => !covered(event)),
  ];
}

function resyncOf(path: CanonicalPath): WatchEvent {
  return { type: "resync", path, scope: "subtree", reason: "takeover" };
}

function isMove({ action }: Change): boolean {
  return action === "removed" || action === "renamed";
}
