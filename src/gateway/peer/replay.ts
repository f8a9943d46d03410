import { waitFor } from "../../base/async.ts";
import { errorCode } from "../../base/errors.ts";
import { parentOf, pathKey, segmentsOf } from "../../base/path.ts";
import { parseCursor } from "../../broker/cursor.ts";
import type { Cursor, FeedMessage, FleetClient, WatchTarget } from "../../fleet/port.ts";
import type { GatewayLimits } from "../options.ts";
import type { Position } from "./position.ts";
import type { SnapshotFeed } from "./snapshot-feed.ts";
import type { Subscription } from "./subscription.ts";

interface ReplayOptions {
  readonly fleet: FleetClient;
  readonly limits: GatewayLimits;
  /** Fires when the socket is gone. */
  readonly signal: AbortSignal;
}

/**
 * Tells what was stored since, then what came meanwhile. Never rejects. What is stored while the stream is read comes live,
 * and only so: the reading ends for one directory sooner than for another.
 */
export async function replayInto(
  subscription: Subscription,
  since: Cursor,
  { fleet, limits, signal }: ReplayOptions,
): Promise<void> {
  const seen = new Set<string>();
  const present = sequenceOf(subscription.watch.cursor);
  try {
    for await (const { cursor, message } of fleet.replay(subscription.watch.target, since, { signal })) {
      if (subscription.state !== "replaying") return;
      if (sequenceOf(cursor) > present) break;
      if (seen.size >= limits.replayMessages) return subscription.catchUp(seen, "slow-consumer");
      seen.add(cursor);
      const { path: directory } = message.body;
      if (message.type === "changes") {
        subscription.replay({ type: "changes", directory, cursor, body: message.body });
      } else if (message.type === "resync") {
        const { scope, reason } = message.body;
        subscription.replay({ type: "resync", directory, scope, reason, cursor, body: message.body });
      }
    }
    subscription.catchUp(seen);
  } catch (error) {
    if (signal.aborted) return;
    // Whatever went wrong, the past is not known: say so.
    subscription.catchUp(seen, errorCode(error) === "OVERFLOW" ? "slow-consumer" : "retention");
  }
}

/** The same for a picture: where what happened to it cannot be told, there is a new one. Never rejects. */
export async function resumePicture(
  subscription: Subscription,
  feed: SnapshotFeed,
  { cursor, servedDepth }: Position,
  options: ReplayOptions & { readonly caseSensitive: boolean },
): Promise<void> {
  try {
    await waitFor(feed.mirror.ready, { signal: options.signal });
    // Its owner may have told of the way to it where he told of nothing else of it.
    const depth = Math.min(servedDepth, feed.mirror.servedDepth);
    for (const way of waysTo(subscription.watch.target, depth)) {
      for await (const message of options.fleet.replay(way, cursor, options)) {
        if (subscription.state !== "replaying") return;
        if (concerns(message, subscription.watch.target, way, options.caseSensitive))
          return feed.lost("moved");
      }
    }
  } catch (error) {
    if (!options.signal.aborted) feed.lost(errorCode(error) === "OVERFLOW" ? "slow-consumer" : "retention");
    return;
  }
  if (subscription.state === "replaying") await replayInto(subscription, cursor, options);
}

function sequenceOf(cursor: Cursor | undefined): number {
  return (cursor === undefined ? undefined : parseCursor(cursor)?.sequence) ?? Number.POSITIVE_INFINITY;
}

/** The directories above it, from that depth on. */
function waysTo({ connection, path }: WatchTarget, depth: number): WatchTarget[] {
  const ways: WatchTarget[] = [];
  for (let at = path; at !== "/" && segmentsOf(at).length > depth; ) {
    at = parentOf(at);
    ways.push({ connection, path: at, recursive: false });
  }
  return ways;
}

/** Whether something became of the next step of the way. */
function concerns(
  { message }: FeedMessage,
  { path }: WatchTarget,
  way: WatchTarget,
  caseSensitive: boolean,
): boolean {
  if (message.type !== "changes") return false;
  const next = pathKey(segmentsOf(path)[segmentsOf(way.path).length] ?? "", caseSensitive);
  return message.body.changes.some(
    ({ action, name, oldName = "" }) =>
      action !== "modified" &&
      action !== "ready" &&
      [name, oldName].some((each) => pathKey(each, caseSensitive) === next),
  );
}
