import type { DirectorySource } from "../source.ts";
import type { HandleServices } from "./handle-port.ts";

/** Whether a new handle of this server is followed by a second look. */
export function takesSecondLook({ traits }: Pick<DirectorySource, "traits">): boolean {
  return (traits.settleScanMs ?? 0) > 0;
}

/**
 * Runs `look` once, some time after a watch has gone live, where the server needs that: Samba accepts a
 * CHANGE_NOTIFY before its notifyd has set the inotify watch, so a change made on the server itself in the
 * first moments is never told. The look is late and paced, and so costs the arming of thousands nothing.
 * Until then `watch.lookDue`. Returns how to call it off.
 */
export function secondLook(
  { source, clock, random, looks }: Pick<HandleServices, "source" | "clock" | "random" | "looks">,
  watch: { lookDue: boolean },
  look: () => void,
): () => void {
  const { settleScanMs = 0 } = source.traits;
  watch.lookDue = settleScanMs > 0;
  if (!watch.lookDue) return () => undefined;
  const over = new AbortController();
  const begin = (): void => {
    watch.lookDue = false;
    look();
  };
  const cancel = clock.after(settleScanMs * (1 + random()), () => {
    looks.turn(over.signal).then(begin, () => undefined);
  });
  return () => {
    cancel();
    over.abort();
  };
}
