import { expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { BrokerLink } from "../../../src/broker/port.ts";
import { leaseKey, Subjects } from "../../../src/broker/subjects.ts";
import { FleetView } from "../../../src/fleet/view.ts";
import { SnapshotDesk } from "../../../src/worker/snapshots.ts";
import { MemoryBucket } from "../fleet/memory-bucket.ts";

const ASKER = { reply: "inbox", send: () => undefined };

it("watches so many directories for who asks for snapshots only, and refuses more until some are let go", async () => {
  const clock = new ManualClock();
  const bucket = new MemoryBucket();
  const view = new FleetView(bucket.mirror);
  bucket.put(leaseKey("worker", "w1"), {
    kind: "worker",
    ttlMs: 15_000,
    host: "a",
    seq: 0,
    connections: ["nas1"],
  });
  const held = new Set<string>();
  const desk = new SnapshotDesk({
    link: { subjects: new Subjects() } as unknown as BrokerLink,
    view,
    lease: () => "w1",
    mayPublish: () => true,
    local: () => undefined,
    hold: ({ path }) => {
      held.add(path);
      return () => held.delete(path);
    },
    clock,
    mostHeld: 20,
  });
  const ask = async (path: string): Promise<string> => {
    const target = { connection: "nas1", path, recursive: false };
    return desk.answer(target, new AbortController().signal, ASKER).then(
      () => "answered",
      ({ failure }: { failure: string }) => failure,
    );
  };
  const asked = Array.from({ length: 20 }, (_, i) => ask(`/${i}`));
  await clock.advance(100);
  expect(held.size).toBe(20);
  expect(await ask("/one-more")).toBe("limit");
  // Whoever asks again for what is held already is not one more.
  asked.push(ask("/7"));
  await clock.advance(5_000);
  expect(new Set(await Promise.all(asked))).toEqual(new Set(["unreachable"]));
  await clock.advance(30_000);
  expect(held.size).toBe(0);
  const later = ask("/one-more");
  await clock.advance(5_000);
  expect([await later, held.size]).toEqual(["unreachable", 1]);
  desk.close();
  expect([held.size, clock.pending]).toEqual([0, 0]);
});
