import { expect, it } from "vitest";
import { collectStatus } from "../../../src/fleet/status.ts";
import { FleetView } from "../../../src/fleet/view.ts";
import { MemoryBucket } from "./memory-bucket.ts";

it("shows holders with their lag, watches with owner and state, and what the dead left", () => {
  const bucket = new MemoryBucket();
  const worker = { kind: "worker", ttlMs: 15_000, connections: ["nas1"] };
  const target = (path: string) => ({ connection: "nas1", path, recursive: false });
  bucket.put("lease.worker.w1", { ...worker, host: "one", lag: { messages: 7, ms: 1_200 } });
  bucket.put("lease.worker.w2", { ...worker, host: "two", draining: true, deny: ["nas1"] });
  bucket.put("lease.gateway.g1", { kind: "gateway", ttlMs: 15_000, host: "web" });
  bucket.put("ref.g1.nas1.a.=d", target("/a"));
  bucket.put("ref.g1.nas1.b.=d", target("/b"));
  bucket.put("ref.gone.nas1.a.=d", target("/a"));
  const claim = { lease: "w1", state: "live", mode: "notify" };
  bucket.put("claim.nas1.a.=d", { ...target("/a"), ...claim, next: { lease: "w2", ready: true } });
  bucket.put("claim.nas1.c.=d", { ...target("/c"), ...claim, state: "gone", error: "not there" });
  bucket.put("claim.nas1.d.=d", { ...target("/d"), ...claim, lease: "gone" });
  const view = new FleetView(bucket.mirror);
  expect(collectStatus(view)).toMatchObject({
    holders: [
      { kind: "gateway", lease: "g1", host: "web", refs: 2, claims: 0 },
      { kind: "worker", lease: "w1", host: "one", refs: 0, claims: 2, lag: { messages: 7, ms: 1_200 } },
      { kind: "worker", lease: "w2", draining: true, deny: ["nas1"], lag: { messages: 0, ms: 0 } },
    ],
    watches: [
      { path: "/a", state: "live", owner: "w1", host: "one", next: "w2", refs: 1 },
      { path: "/b", state: "unclaimed", refs: 1 },
      { path: "/c", state: "gone", error: "not there", owner: "w1", refs: 0, unwanted: true },
    ],
    void: { refs: 1, claims: 1 },
  });
  expect(collectStatus(view).watches[1]).not.toHaveProperty("owner");
  view.close();
});
