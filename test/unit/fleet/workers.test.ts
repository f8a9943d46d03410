import { describe, expect, it } from "vitest";
import { claimKey, leaseKey, watchName } from "../../../src/broker/subjects.ts";
import { encodeRecord } from "../../../src/fleet/records.ts";
import { FleetView } from "../../../src/fleet/view.ts";
import { collectWorkers } from "../../../src/fleet/workers.ts";
import { MemoryBucket } from "./memory-bucket.ts";

describe("the workers", () => {
  it("are those with a lease, each with what it holds by connection", async () => {
    const bucket = new MemoryBucket();
    const view = new FleetView(bucket.mirror);
    const base = { ttlMs: 15_000, host: "here", seq: 1 };
    await bucket.create(
      leaseKey("worker", "w2"),
      encodeRecord({ ...base, kind: "worker", connections: ["a"], deny: ["a"], draining: true }),
    );
    await bucket.create(
      leaseKey("worker", "w1"),
      encodeRecord({ ...base, kind: "worker", lag: { messages: 3, ms: 40 } }),
    );
    await bucket.create(leaseKey("gateway", "g1"), encodeRecord({ ...base, kind: "gateway" }));
    for (const [connection, path, lease] of [
      ["a", "/x", "w1"],
      ["a", "/y", "w1"],
      ["b", "/x", "w1"],
      ["b", "/y", "dead"],
    ] as const) {
      const target = { connection, path, recursive: false };
      await bucket.create(
        claimKey(watchName(connection, path, false), false),
        encodeRecord({ ...target, lease, state: "live", mode: "notify" }),
      );
    }
    expect(collectWorkers(view, (lease) => (lease === "w1" ? 7 : undefined))).toEqual([
      {
        lease: "w1",
        host: "here",
        ttlMs: 15_000,
        draining: false,
        deny: [],
        watches: new Map([
          ["a", 2],
          ["b", 1],
        ]),
        lag: { messages: 3, ms: 40 },
        silentMs: 7,
      },
      {
        lease: "w2",
        host: "here",
        ttlMs: 15_000,
        draining: true,
        connections: ["a"],
        deny: ["a"],
        watches: new Map(),
        lag: { messages: 0, ms: 0 },
      },
    ]);
  });
});
