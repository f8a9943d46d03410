import type { CanonicalPath } from "../../base/path.ts";
import type { Change, Via } from "../events.ts";
import { concerns, type Gap } from "../gap-rules.ts";
import type { PictureNode } from "../picture/index.ts";
import type { ActiveInterest } from "./active-interest.ts";
import type { Left } from "./concealed.ts";

/** Events stay of a size that a message can carry, whatever a comparison finds. */
const CHANGES_PER_EVENT = 1_000;

/** Tells changes of one directory to all of an audience. */
export function deliver(
  audience: readonly ActiveInterest[],
  path: CanonicalPath,
  via: Via,
  changes: readonly Change[],
): void {
  for (let at = 0; at < changes.length; at += CHANGES_PER_EVENT) {
    const part = changes.length <= CHANGES_PER_EVENT ? changes : changes.slice(at, at + CHANGES_PER_EVENT);
    for (const active of audience) active.deliver({ type: "changes", path, via, changes: part });
  }
}

/** Tells all that is known of a directory. Returns the names; none where nobody listens. */
export function tellAll<T>(
  audience: readonly ActiveInterest[],
  { path, snapshot }: PictureNode<T>,
  action: "added" | "removed",
): readonly string[] {
  if (audience.length === 0) return [];
  const names = [...(snapshot?.entries() ?? [])].map(([name]) => name);
  deliver(
    audience,
    path,
    "rescan",
    names.map((name): Change => ({ action, name })),
  );
  return names;
}

/** When consumers were last told to list this directory: by itself, or one above and with it what was new below. */
export function lastAsked<T>(node: PictureNode<T>): number {
  let asked = Number.NEGATIVE_INFINITY;
  for (let at: PictureNode<T> | undefined = node; at !== undefined; at = at.parent) {
    asked = Math.max(asked, at.resyncedAt ?? asked);
  }
  return asked;
}

/** Tells those who may have found it by themselves that a name has gone that nobody was told of. @param asked - as for `concerns` */
export function tellListers(
  audience: readonly ActiveInterest[],
  path: CanonicalPath,
  { name, since }: Left,
  asked: number,
): void {
  const gap: Gap = { since, reason: "silent" };
  const listers = audience.filter((active) => concerns(active.audience, gap, asked));
  deliver(listers, path, "notify", [{ action: "removed", name }]);
}
