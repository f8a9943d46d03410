import type { Clock } from "../../src/base/clock.ts";
import type { EventPublisher } from "../../src/broker/port.ts";
import type { ShareWatcher } from "../../src/watch/share-watcher.ts";
import { LocalWatch } from "../../src/worker/local-watch.ts";
import type { ConnectionRuntime } from "../../src/worker/runtime.ts";

/** A worker's recursive watch of `/d`, alone: without claims, and with nobody to hand over to. */
export function oneWatch(watches: ShareWatcher, publisher: EventPublisher, clock: Clock): LocalWatch {
  return new LocalWatch({
    key: "k",
    target: { connection: "nas1", path: "/d", recursive: true },
    runtime: {
      ...{ name: "nas1", caseSensitive: false, sourceUrl: "smb://s/s", watches },
      ...{ list: async () => ({ entries: [] }), close: async () => undefined },
    } as ConnectionRuntime,
    publisher,
    clock,
    resyncTargets: () => [],
    onChange: () => undefined,
  });
}
