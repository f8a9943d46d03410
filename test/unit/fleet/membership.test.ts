import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { Membership } from "../../../src/fleet/membership.ts";
import { MemoryBucket } from "./memory-bucket.ts";

async function join() {
  const bucket = new MemoryBucket();
  const clock = new ManualClock();
  const broker = { watches: bucket, mirror: () => bucket.mirror } as unknown as Broker;
  const membership = new Membership({ broker, kind: "gateway", clock });
  await membership.start();
  return { bucket, clock, membership };
}

const peer = { kind: "worker", ttlMs: 15_000, host: "peer" };

describe("Membership", () => {
  it("revokes a silent peer after TTL and grace, by compare-and-swap", async () => {
    const { bucket, clock, membership } = await join();
    bucket.put("lease.worker.peer", peer);
    await clock.advance(15_400);
    expect(bucket.entries.has("lease.worker.peer")).toBe(true);
    // A second is left for the take-over itself: a crash is over within TTL + 2 s.
    await clock.advance(600);
    expect(bucket.entries.has("lease.worker.peer")).toBe(false);
    await membership.close();
    expect(clock.pending).toBe(0);
  });

  it("leaves a peer alone that renews", async () => {
    const { bucket, clock, membership } = await join();
    for (let i = 0; i < 10; i++) {
      bucket.put("lease.worker.peer", { ...peer, seq: i });
      await clock.advance(10_000);
    }
    expect(bucket.entries.has("lease.worker.peer")).toBe(true);
    await membership.close();
  });

  it("judges nobody while it is deaf, and gives everyone a full term afterwards", async () => {
    const { bucket, clock, membership } = await join();
    bucket.put("lease.worker.peer", peer);
    bucket.deaf = true;
    await clock.advance(120_000);
    expect(bucket.log.filter((line) => line.startsWith("delete"))).toEqual([]);
    bucket.deaf = false;
    await clock.advance(15_000);
    expect(bucket.entries.has("lease.worker.peer")).toBe(true);
    await clock.advance(15_000);
    expect(bucket.entries.has("lease.worker.peer")).toBe(false);
    await membership.close();
  });

  it("does not revoke what has moved on unseen", async () => {
    const { bucket, clock, membership } = await join();
    bucket.put("lease.worker.peer", peer);
    await clock.advance(10_000);
    const tell = bucket.mirror.tell.bind(bucket.mirror);
    // The peer's renewals are lost on us, while ours come back: the worst a broken watch could do.
    bucket.mirror.tell = (batch) => {
      const mine = batch.changes.filter((change) => !JSON.stringify(change).includes("worker.peer"));
      if (mine.length > 0) tell({ ...batch, changes: mine });
    };
    bucket.put("lease.worker.peer", { ...peer, seq: 1 });
    await clock.advance(30_000);
    expect(bucket.log.some((line) => line === "delete lease.worker.peer")).toBe(true);
    expect(bucket.entries.has("lease.worker.peer")).toBe(true);
    await membership.close();
  });
});
