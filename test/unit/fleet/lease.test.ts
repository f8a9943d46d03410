import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { type LeaseChange, LeaseHolder } from "../../../src/fleet/lease.ts";
import { MemoryBucket } from "./memory-bucket.ts";

async function start() {
  const bucket = new MemoryBucket();
  const clock = new ManualClock();
  const changes: LeaseChange[] = [];
  const lease = new LeaseHolder({
    bucket,
    kind: "worker",
    clock,
    host: "h",
    details: () => ({ connections: ["nas1"] }),
    onChange: (change) => changes.push(change),
  });
  await lease.start();
  const key = `lease.worker.${lease.leaseId}`;
  return { bucket, clock, changes, lease, key };
}

describe("LeaseHolder", () => {
  it("writes what it is, and renews every third of its TTL", async () => {
    const { bucket, clock, lease, key } = await start();
    expect(bucket.json(key)).toEqual({
      kind: "worker",
      ttlMs: 15_000,
      host: "h",
      seq: 0,
      connections: ["nas1"],
    });
    await clock.advance(15_100);
    const renewals = bucket.log.filter((line) => line === `update ${key}`).length;
    expect(renewals).toBeGreaterThanOrEqual(3);
    expect(renewals).toBeLessThanOrEqual(4);
    expect(lease.mayPublish()).toBe(true);
    await lease.close();
  });

  it("closes the fence two thirds of the TTL after the last success was sent, and opens it again", async () => {
    const { bucket, clock, lease } = await start();
    bucket.failing = "lost";
    await clock.advance(9_900);
    expect(lease.mayPublish()).toBe(true);
    await clock.advance(200);
    expect(lease.mayPublish()).toBe(false);
    expect(lease.leaseId).toBeDefined();
    bucket.failing = undefined;
    await clock.advance(1_100);
    expect(lease.mayPublish()).toBe(true);
    await lease.close();
  });

  it("is not lost by a renewal that was stored but never acknowledged", async () => {
    const { bucket, clock, changes, lease, key } = await start();
    bucket.failing = "stored";
    await clock.advance(7_000);
    bucket.failing = undefined;
    await clock.advance(10_000);
    expect(lease.mayPublish()).toBe(true);
    expect(changes.map(({ type }) => type)).toEqual(["acquired"]);
    expect(bucket.entries.has(key)).toBe(true);
    await lease.close();
  });

  it("comes back under a new id after somebody revoked it", async () => {
    const { bucket, clock, changes, lease, key } = await start();
    const before = lease.leaseId;
    bucket.remove(key);
    await clock.advance(5_100);
    expect(changes.map(({ type }) => type)).toEqual(["acquired", "lost", "acquired"]);
    expect(lease.leaseId).not.toBe(before);
    expect(bucket.entries.has(`lease.worker.${lease.leaseId}`)).toBe(true);
    await lease.close();
  });

  it("counts a jump of the wall clock as time passed: the machine may have slept", async () => {
    const { clock, lease } = await start();
    let wall = 0;
    const now = clock.now.bind(clock);
    clock.now = () => now() + wall;
    expect(lease.mayPublish()).toBe(true);
    wall = 11_000;
    expect(lease.mayPublish()).toBe(false);
    wall = -60_000;
    expect(lease.mayPublish()).toBe(true);
    await lease.close();
  });

  it("deletes its key when closed, once, and leaves no timer", async () => {
    const { bucket, clock, lease, key } = await start();
    await Promise.all([lease.close(), lease.close()]);
    expect(bucket.log.filter((line) => line === `delete ${key}`)).toHaveLength(1);
    expect(bucket.entries.size).toBe(0);
    expect(clock.pending).toBe(0);
    expect(lease.mayPublish()).toBe(false);
  });

  it("closes while the broker is away", async () => {
    const { bucket, lease } = await start();
    bucket.failing = "lost";
    await lease.close();
    expect(bucket.entries.size).toBe(1);
  });
});
