import type { DirectorySource } from "../source.ts";

/**
 * Whether a new handle of this server is followed by a second look, some time after it has gone live: Samba accepts a
 * CHANGE_NOTIFY before its notifyd has set the inotify watch, so a change made on the server itself in the first moments
 * is never told. The look is late and paced, and so costs the arming of thousands nothing (`chores.ts`).
 */
export function takesSecondLook({ traits }: Pick<DirectorySource, "traits">): boolean {
  return (traits.settleScanMs ?? 0) > 0;
}
