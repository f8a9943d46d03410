import type { WatchMetrics } from "../../ops/metrics/index.ts";
import type { ShareWatch } from "../../watch/api.ts";
import type { WatchEvent } from "../../watch/events.ts";

/** Counts what the watches of a connection tell: the engine itself does not know the connection's name. */
export function countedWatch(inner: ShareWatch, connection: string, metrics: WatchMetrics): ShareWatch {
  const look: NonNullable<ShareWatch["look"]> = async (...question) =>
    (await inner.look?.(...question)) ?? new Map();
  return {
    watch: (interest, sink, options) =>
      inner.watch(
        interest,
        (event, told) => {
          sink(event, told);
          // What it says is on its way first.
          process.nextTick(count, event, connection, metrics);
        },
        options,
      ),
    roundTrip: async (options) => inner.roundTrip?.(options),
    ...(inner.look === undefined ? {} : { look: (path, names, signal) => look(path, names, signal) }),
    close: () => inner.close(),
  };
}

function count(event: WatchEvent, connection: string, metrics: WatchMetrics): void {
  if (event.type === "changes") {
    for (const { action } of event.changes) metrics.changes.inc({ connection, action, via: event.via });
  } else if (event.type === "resync") metrics.resyncs.inc({ connection, reason: event.reason });
}
