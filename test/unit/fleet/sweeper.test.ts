import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { Sweeper } from "../../../src/fleet/sweeper.ts";
import { FleetView } from "../../../src/fleet/view.ts";
import { MemoryBucket } from "./memory-bucket.ts";

const ref = { connection: "nas1", path: "/a", recursive: false };
const worker = { kind: "worker", ttlMs: 15_000, host: "h" };

it("sweeps what the dead leave behind, after a grace, each dead lease by one worker", async () => {
  const bucket = new MemoryBucket();
  const clock = new ManualClock();
  const view = new FleetView(bucket.mirror);
  const sweepers = ["w1", "w2"].map(
    (lease) => new Sweeper({ view, bucket, clock, lease: () => lease, afterMs: 5_000, everyMs: 1_000 }),
  );
  bucket.put("lease.worker.w1", worker);
  bucket.put("lease.worker.w2", worker);
  bucket.put("lease.gateway.alive", { ...worker, kind: "gateway" });
  for (let i = 0; i < 120; i++) bucket.put(`ref.dead${i % 4}.nas1.d${i}.=d`, ref);
  bucket.put("ref.alive.nas1.a.=d", ref);
  bucket.put("claim.nas1.a.=d", { ...ref, lease: "dead0", state: "live", mode: "notify" });
  bucket.put("claim.nas1.b.=d", { ...ref, path: "/b", lease: "w1", state: "live", mode: "notify" });
  await clock.advance(5_500);
  expect(bucket.log).toEqual([]);
  await clock.advance(10_000);
  expect([...bucket.entries.keys()].sort()).toEqual([
    "claim.nas1.b.=d",
    "lease.gateway.alive",
    "lease.worker.w1",
    "lease.worker.w2",
    "ref.alive.nas1.a.=d",
  ]);
  expect(bucket.log).toHaveLength(121);
  await Promise.all(sweepers.map((sweeper) => sweeper.close()));
  expect(clock.pending).toBe(0);
});

it("sweeps nothing while the picture is in doubt", async () => {
  const bucket = new MemoryBucket();
  const clock = new ManualClock();
  bucket.put("lease.worker.w1", worker);
  bucket.put("ref.dead.nas1.a.=d", ref);
  const view = new FleetView(bucket.mirror);
  bucket.mirror.current = false;
  const sweeper = new Sweeper({ view, bucket, clock, lease: () => "w1", afterMs: 1_000, everyMs: 500 });
  await clock.advance(10_000);
  expect(bucket.log).toEqual([]);
  bucket.mirror.current = true;
  await clock.advance(3_000);
  expect(bucket.log).toEqual(["delete ref.dead.nas1.a.=d"]);
  await sweeper.close();
});
