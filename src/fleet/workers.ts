import type { WorkerStatus } from "./port.ts";
import type { FleetView } from "./view.ts";

/** The workers as the bucket has them, by lease. `silentMs` knows how long ago a lease was last seen renewed. */
export function collectWorkers(
  view: FleetView,
  silentMs: (lease: string) => number | undefined,
): readonly WorkerStatus[] {
  const watches = new Map<string, Map<string, number>>();
  for (const { record } of view.claims.values()) {
    let held = watches.get(record.lease);
    if (held === undefined) {
      held = new Map();
      watches.set(record.lease, held);
    }
    held.set(record.connection, (held.get(record.connection) ?? 0) + 1);
  }
  const workers = [...view.workers()].map(({ lease, record }): WorkerStatus => {
    const { host, ttlMs, draining = false, connections, deny = [], lag } = record;
    const silent = silentMs(lease);
    return {
      lease,
      host,
      ttlMs,
      draining,
      deny,
      watches: watches.get(lease) ?? new Map(),
      lag: lag ?? { messages: 0, ms: 0 },
      ...(connections === undefined ? {} : { connections }),
      ...(silent === undefined ? {} : { silentMs: silent }),
    };
  });
  return workers.sort((a, b) => (a.lease < b.lease ? -1 : 1));
}
