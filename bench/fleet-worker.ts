// A worker over a share that is quiet and answers at once: what remains to be measured is the fleet's own work.
import { connectBroker } from "../src/broker/broker.ts";
import type { NatsLink } from "../src/broker/link/link.ts";
import type { ShareWatch } from "../src/watch/api.ts";
import { Worker } from "../src/worker/worker.ts";
import { settledMemory } from "./stats.ts";

export interface WorkerReport {
  readonly owned: number;
  /** Heap and buffers after garbage collection, bytes. */
  readonly memory: number;
  /** Messages sent and received since the start. */
  readonly messages: number;
  /** Of the busiest moments so far: how long the event loop stood still, ms. */
  readonly stalledMs: number;
}

const quiet: ShareWatch = {
  watch: (interest) => ({
    interest,
    state: "live",
    mode: "notify",
    live: Promise.resolve(),
    close: async () => undefined,
  }),
  close: async () => undefined,
};

const broker = await connectBroker({ servers: [process.argv[2] as string], name: "bench" });
const worker = new Worker({
  broker,
  connections: new Map([
    [
      "lab",
      {
        name: "lab",
        caseSensitive: false,
        sourceUrl: "smb://server/share",
        watches: quiet,
        list: async () => ({ entries: [] }),
        close: async () => undefined,
      },
    ],
  ]),
});
await worker.start();

let stalledMs = 0;
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  stalledMs = Math.max(stalledMs, now - last - 10);
  last = now;
}, 10).unref();

process.on("message", () => {
  const { inMsgs, outMsgs } = (broker.link as NatsLink).nc.stats();
  const report: WorkerReport = {
    owned: [...(worker.controller?.owned() ?? [])].length,
    memory: settledMemory(),
    messages: inMsgs + outMsgs,
    stalledMs,
  };
  process.send?.(report);
});
process.on("SIGTERM", () => {
  void worker
    .close()
    .then(() => broker.close())
    .finally(() => process.exit(0));
});
process.send?.("started");
