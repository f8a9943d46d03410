import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { claimKey, watchName } from "../../../src/broker/subjects.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import { MemoryBucket } from "./memory-bucket.ts";

const TTL_MS = 15_000;

async function joined() {
  const bucket = new MemoryBucket();
  const clock = new ManualClock();
  const broker = { watches: bucket, mirror: () => bucket.mirror } as unknown as Broker;
  bucket.put("lease.worker.w", { kind: "worker", ttlMs: 600_000, host: "h", connections: ["nas1"] });
  bucket.put(claimKey(watchName("nas1", "/a", false), false), {
    lease: "w",
    connection: "nas1",
    path: "/a",
    recursive: false,
    state: "live",
    mode: "notify",
  });
  const member = await FleetMember.start({ broker, kind: "gateway", ttlMs: TTL_MS, clock });
  const ref = member.acquire({ connection: "nas1", path: "/a", recursive: false });
  await clock.advance(1_000);
  expect([ref.state.state, member.ready]).toEqual(["live", true]);
  const heard: string[] = [];
  ref.onState(({ state, code }) => heard.push(code === undefined ? state : `${state} ${code}`));
  return { bucket, clock, member, ref, heard };
}

it("a watch is in nobody's hands once the lease has gone unrenewed for its time, and in the same again afterwards", async () => {
  const { bucket, clock, member, heard } = await joined();
  bucket.failing = "lost";
  await clock.advance(TTL_MS * 0.5);
  expect([heard, member.ready]).toEqual([[], true]);
  await clock.advance(TTL_MS * 0.7);
  expect([heard, member.ready]).toEqual([["unclaimed unreachable"], false]);
  expect(member.workers().current).toBe(false);
  // Whoever asks now is answered at once.
  const late = member.acquire({ connection: "nas1", path: "/b", recursive: false });
  expect(late.state).toMatchObject({ state: "unclaimed", code: "unreachable" });
  await clock.advance(600_000);
  expect(heard).toHaveLength(1);
  bucket.failing = undefined;
  await clock.advance(3_000);
  expect([heard, member.ready]).toEqual([["unclaimed unreachable", "live"], true]);
  await member.close();
  expect(clock.pending).toBe(0);
});

it("... or the mirror in doubt for as long; a short doubt is none", async () => {
  const { bucket, clock, member, heard } = await joined();
  bucket.mirror.current = false;
  await clock.advance(TTL_MS - 2_000);
  bucket.mirror.current = true;
  await clock.advance(2_000);
  expect(heard).toEqual([]);
  bucket.mirror.current = false;
  await clock.advance(TTL_MS + 2_000);
  expect([heard, member.ready]).toEqual([["unclaimed unreachable"], false]);
  bucket.mirror.current = true;
  await clock.advance(2_000);
  expect([heard, member.ready]).toEqual([["unclaimed unreachable", "live"], true]);
  await member.close();
});
