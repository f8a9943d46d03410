import { ignoreRejection, onAbort, waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { AbortedError } from "../base/errors.ts";
import { isWithin, pathKey } from "../base/path.ts";
import { watchName } from "../broker/subjects.ts";
import { snapshotFailure } from "../fleet/errors.ts";
import type { FleetMember } from "../fleet/member.ts";
import type { FeedMessage, RefState, WatchTarget } from "../fleet/port.ts";
import { LiveMirror, type Mirror } from "../watch/mirror/index.ts";
import type { FeedRoutes } from "./feed-routes.ts";
import { cleanTarget, firstLive } from "./watch-stream.ts";

export interface MirrorOptions {
  /** The whole tree below the path. Default false. */
  readonly recursive?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A mirror of a directory through the fleet. It follows the connection first, then takes a snapshot: whatever is told
 * after it arrives, and what was told before is known by its number.
 */
export function mirrorThroughFleet(
  { member, routes }: { readonly member: FleetMember; readonly routes: FeedRoutes },
  given: WatchTarget,
  { signal, clock = systemClock }: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock },
): Mirror {
  const target = cleanTarget(given);
  const { connection, path, recursive } = target;
  const closers: (() => void)[] = [];
  const caseSensitive = (): boolean => member.caseSensitive(connection);
  const mirror = new LiveMirror({
    path,
    recursive,
    caseSensitive,
    clock,
    take: (stop) => member.snapshot(target, { signal: stop }),
    failure: snapshotFailure,
    onClose: () => {
      for (const close of closers.splice(0).reverse()) close();
    },
  });
  const stop = new AbortController();
  closers.push(() => stop.abort());
  const abort = (reason: unknown): void => mirror.fail(new AbortedError(reason));
  if (signal?.aborted === true) {
    abort(signal.reason);
    return mirror;
  }
  // First, since it may throw: nothing is held then.
  const ref = member.acquire(target);
  closers.push(() => ref.release());
  closers.push(onAbort(signal, abort));
  const feed = routes.follow(
    target,
    {
      onMessage: (message) => hear(mirror, message, member, target),
      onGap: (reason) => mirror.renew(reason),
    },
    { onTheWay: true },
  );
  closers.push(() => feed.close());
  const begin = async (): Promise<void> => {
    await waitFor(feed.ready, { signal: stop.signal });
    await firstLive(ref, { signal: stop.signal, readyMs: undefined });
    const told = (state: RefState): void => mirror.fares(state);
    closers.push(ref.onState(told));
    told(ref.state);
    mirror.renew("first");
  };
  ignoreRejection(
    begin().catch((error: unknown) => {
      if (!stop.signal.aborted) mirror.fail(error);
    }),
  );
  return mirror;
}

/** What concerns the directory, what is below it, and the way to it. */
function hear(
  mirror: LiveMirror,
  { subject, message }: FeedMessage,
  member: FleetMember,
  { connection, path: own }: WatchTarget,
): void {
  if (message.type === "state") return;
  const { path } = message.body;
  if (message.type === "changes") {
    mirror.hear({ ...message.body, type: "changes" });
    return;
  }
  const sensitive = member.caseSensitive(connection);
  const above = !isWithin(pathKey(own, sensitive), pathKey(path, sensitive));
  // A resync is told on its own subject, and on those of directories inside it that somebody asked for.
  const subjectOf = (each: string): string => member.subjects.event(watchName(connection, each, sensitive));
  if (subject !== subjectOf(above ? own : path)) return;
  mirror.hear({ ...message.body, type: "resync", path: above ? own : path });
}
