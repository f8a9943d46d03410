import type { WatchMetrics } from "../../ops/metrics/index.ts";
import type { ShareWatch } from "../../watch/api.ts";
import type { WatchEvent } from "../../watch/events.ts";

/** Counts what the watches of a connection tell: the engine itself does not know the connection's name. */
export function countedWatch(inner: ShareWatch, connection: string, metrics: WatchMetrics): ShareWatch {
  return {
    watch: (interest, sink, options) =>
      inner.watch(
        interest,
        (event) => {
          count(event, connection, metrics);
          sink(event);
        },
        options,
      ),
    roundTrip: async (options) => inner.roundTrip?.(options),
    close: () => inner.close(),
  };
}

function count(event: WatchEvent, connection: string, metrics: WatchMetrics): void {
  if (event.type === "changes") {
    for (const { action } of event.changes) metrics.changes.inc({ connection, action, via: event.via });
  } else if (event.type === "resync") metrics.resyncs.inc({ connection, reason: event.reason });
}
