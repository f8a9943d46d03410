import type { WorkerStatus, Workers } from "../../fleet/port.ts";
import type { Rights } from "../grants.ts";
import type { SeenWorker, WorkersFrame } from "./protocol.ts";

/** Of its lease's time: a renewal is due at each third, so one has not come and the next is due. */
const SILENT = 2 / 3;

/**
 * The workers as a client may see them: those that serve a connection of which it may see something, and of
 * their connections only these. Where they run, how much they hold and how far behind they are is for those who may
 * see all of one of their connections; watches in other connections are not counted even for them.
 */
export function workersFrame(
  { current, workers }: Workers,
  connections: readonly string[],
  rights: Rights,
): WorkersFrame {
  // How names compare does not matter to a grant that covers everything.
  const whole = connections.filter((name) =>
    rights.allows(name, "/", { recursive: true, caseSensitive: true }),
  );
  return {
    type: "workers",
    current,
    workers: workers.flatMap((worker) => {
      const served = servedBy(worker, connections);
      return served.length === 0 ? [] : [seen(worker, served, servedBy(worker, whole))];
    }),
  };
}

function seen(worker: WorkerStatus, served: readonly string[], whole: readonly string[]): SeenWorker {
  const { deny, draining, host, lag, lease, silentMs = 0, ttlMs, watches } = worker;
  const unreachable = deny.filter((name) => served.includes(name));
  const details = {
    host,
    watches: whole.reduce((sum, name) => sum + (watches.get(name) ?? 0), 0),
    lagMs: Math.round(lag.ms),
  };
  return {
    name: lease,
    state: silentMs > SILENT * ttlMs ? "silent" : draining ? "draining" : "serving",
    connections: served,
    ...(unreachable.length === 0 ? {} : { unreachable }),
    ...(worker.silentMs === undefined ? {} : { heardMs: Math.round(silentMs) }),
    ...(whole.length === 0 ? {} : details),
  };
}

function servedBy({ connections }: WorkerStatus, names: readonly string[]): readonly string[] {
  return connections === undefined ? names : names.filter((name) => connections.includes(name));
}
