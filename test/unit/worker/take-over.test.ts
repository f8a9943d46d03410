import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Broker, WatchPublisher } from "../../../src/broker/port.ts";
import { Subjects } from "../../../src/broker/subjects.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { Worker } from "../../../src/worker/worker.ts";
import { MemoryBucket } from "../fleet/memory-bucket.ts";

const TTL_MS = 15_000;
const CLAIM = "claim.nas1.d.=d";

function brokerOf(bucket: MemoryBucket, told: string[]): Broker {
  const publisher = {
    depth: { messages: 0, bytes: 0, inFlight: 0, lagMs: 0 },
    open: ({ epoch }: { epoch: string }): WatchPublisher => ({
      epoch,
      position: undefined,
      mark: () => undefined,
      stored: async () => true,
      changes: () => undefined,
      resync: ({ reason }) => told.push(`resync ${reason}`),
      state: ({ state }) => told.push(`state ${state}`),
      flush: async () => undefined,
      close: async () => true,
    }),
    resume: () => undefined,
    close: async () => undefined,
  };
  const link = {
    connected: true,
    subjects: new Subjects(),
    subscribe: () => ({ ready: Promise.resolve(), close: () => undefined }),
    onStatus: () => () => undefined,
  };
  return {
    watches: bucket,
    // No picture of the victim's is stored: the gap is announced.
    checkpoints: { get: async () => undefined, put: async () => undefined, delete: async () => undefined },
    mirror: () => bucket.mirror,
    publisher: () => publisher,
    link,
  } as unknown as Broker;
}

const runtime: ConnectionRuntime = {
  name: "nas1",
  caseSensitive: false,
  sourceUrl: "smb://server/share",
  watches: {
    watch: (interest) => ({
      interest,
      state: "live",
      mode: "notify",
      live: Promise.resolve(),
      close: async () => undefined,
    }),
    close: async () => undefined,
  },
  list: async () => ({ entries: [] }),
  close: async () => undefined,
};

// Killed the moment after it renewed is the worst moment; killed right before the next renewal the best.
it.each([0, 2_500, 5_000])(
  "takes over within TTL + 2 s of a crash, %i ms after the last renewal, and not before the lease ran out",
  async (sinceRenewal) => {
    const bucket = new MemoryBucket();
    const clock = new ManualClock();
    const told: string[] = [];
    const worker = new Worker({
      broker: brokerOf(bucket, told),
      connections: new Map([["nas1", runtime]]),
      clock,
      ttlMs: TTL_MS,
    });
    await worker.start();
    const target = { connection: "nas1", path: "/d", recursive: false };
    const holder = { kind: "gateway", ttlMs: TTL_MS, host: "holder" };
    const victim = { kind: "worker", ttlMs: TTL_MS, host: "victim", connections: ["nas1"] };
    bucket.put("lease.gateway.holder", holder);
    bucket.put("lease.worker.victim", victim);
    bucket.put(CLAIM, { ...target, lease: "victim", state: "live", mode: "notify" });
    bucket.put("ref.holder.nas1.d.=d", target);
    const step = async (ms: number): Promise<void> => {
      await clock.advance(ms);
      bucket.put("lease.gateway.holder", { ...holder, seq: clock.monotonic() });
    };
    for (let ms = 0; ms < 40_000; ms += 250) {
      await step(250);
      if (ms % 5_000 === 0) bucket.put("lease.worker.victim", { ...victim, seq: ms });
    }
    bucket.put("lease.worker.victim", { ...victim, seq: 40_000 });
    await clock.advance(sinceRenewal);
    expect(bucket.json(CLAIM)).toMatchObject({ lease: "victim", state: "live" });
    const killed = clock.monotonic();
    const owned = (): boolean => {
      const claim = bucket.json(CLAIM);
      return claim?.["lease"] === worker.leaseId && claim?.["state"] === "live";
    };
    while (!owned() && clock.monotonic() - killed < 2 * TTL_MS) await step(100);
    const took = clock.monotonic() - killed;
    expect(took).toBeLessThanOrEqual(TTL_MS + 2_000);
    expect(took).toBeGreaterThanOrEqual(TTL_MS - sinceRenewal);
    expect(told.slice(0, 2)).toEqual(["resync takeover", "state live"]);
    await worker.close();
  },
);
