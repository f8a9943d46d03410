import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Consumer, Fleet, TTL_MS, until } from "./harness.ts";

let fleet: Fleet;
beforeEach(async () => {
  fleet = await Fleet.start();
});
afterEach(async () => {
  await fleet.close();
});

const dir = (path: string) => ({ connection: "nas1", path, recursive: false });

describe("faults", () => {
  it("an outage of the broker longer than the TTL expires nothing and loses nothing", async () => {
    const { worker } = await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const ref = member.acquire(dir("/d"));
    await ref.ready;
    await consumer.look("/d");
    const lease = worker.leaseId;
    const begun = fleet.share.begun.length;
    await fleet.nats.shutdown();
    fleet.share.add("/d", "while-away");
    await new Promise((resolve) => setTimeout(resolve, TTL_MS * 1.5));
    expect(worker.ready).toBe(false);
    await fleet.nats.start();
    await until("the change told late", () => consumer.picture("/d")?.join() === "while-away");
    await until("ready again", () => worker.ready);
    expect(worker.leaseId).toBe(lease);
    expect(fleet.share.begun).toHaveLength(begun);
    // Nothing had proven the claim for a lease's time: until the owner is heard of again it counts as unclaimed.
    await until("live again", () => ref.state.state === "live");
  });

  it("a worker whose lease is revoked stops, and comes back under a new one with a resync", async () => {
    const { worker, broker } = await fleet.worker();
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const ref = member.acquire(dir("/d"));
    await ref.ready;
    await consumer.look("/d");
    await until("the first resync", () => consumer.resyncs().length === 1);
    const before = worker.leaseId as string;
    const held = worker.view?.leases.get(before);
    await broker.watches.delete(held!.key, (await broker.watches.get(held!.key))!.revision);
    await until("another lease", () => worker.leaseId !== undefined && worker.leaseId !== before);
    await until("live again", () => ref.state.state === "live" && consumer.resyncs().length >= 2);
    fleet.share.add("/d", "x");
    await until("the change", () => consumer.picture("/d")?.join() === "x");
    const epochs = new Set(consumer.messages.map(({ message }) => message.body.epoch));
    expect(epochs.size).toBeGreaterThanOrEqual(2);
    await until("one claim under the new lease", () => {
      const claims = [...(worker.view?.claims.values() ?? [])];
      return claims.length === 1 && claims[0]?.record.lease === worker.leaseId;
    });
    // The handle on the share survived: only the right to publish was lost.
    expect(fleet.share.begun).toHaveLength(1);
  });

  it("a consumer whose lease is revoked writes its refs again", async () => {
    await fleet.worker({ lingerMs: 2_000 });
    const member = await fleet.member();
    const ref = member.acquire(dir("/d"));
    await ref.ready;
    const before = member.leaseId;
    const broker = await fleet.broker();
    const key = `lease.gateway.${before}`;
    await broker.watches.delete(key, (await broker.watches.get(key))!.revision);
    await until("another lease", () => member.leaseId !== before);
    await until("the ref under it", () =>
      [...member.view.refs.values()].some(({ lease }) => lease === member.leaseId),
    );
    await until("live", () => ref.state.state === "live");
    expect(fleet.share.armed("/d")).toBe(1);
    await until("the void ref swept", () => member.view.refs.size === 1);
  });

  it("a ref that somebody deletes is written again", async () => {
    await fleet.worker();
    const member = await fleet.member();
    await member.acquire(dir("/d")).ready;
    const broker = await fleet.broker();
    const [ref] = [...member.view.refs.values()];
    await broker.watches.delete(ref!.key, ref!.revision);
    await until("the ref again", () =>
      [...member.view.refs.values()].some(({ revision }) => revision > ref!.revision),
    );
  });

  it("hostile values in the bucket crash nobody", async () => {
    const { worker } = await fleet.worker();
    const member = await fleet.member();
    const broker = await fleet.broker();
    const put = (key: string, value: string) => broker.watches.create(key, new TextEncoder().encode(value));
    await put("lease.worker.evil", "{");
    await put("lease.worker.greedy", '{"kind":"worker","ttlMs":1,"capacity":-1}');
    await put("claim.nas1.x.=d", '{"lease":"nobody","path":7}');
    await put(`ref.${member.leaseId}.nas1.y.=t`, '"\\u0000"');
    await put("strange.key", "1");
    await member.acquire(dir("/x")).ready;
    expect(fleet.share.armed("/x")).toBe(1);
    expect(worker.ready).toBe(true);
  });

  it("connections may come and go", async () => {
    const { worker } = await fleet.worker({ connections: new Map() });
    const member = await fleet.member();
    const early = member.acquire(dir("/d"));
    await expect(early.ready).rejects.toMatchObject({ failure: "unknown_connection" });
    await worker.updateConnections(new Map([["nas1", fleet.share.runtime()]]));
    await until("live", () => early.state.state === "live");
    await worker.updateConnections(new Map());
    expect(fleet.share.armed("/d")).toBe(0);
    await until("unknown again", () => early.state.code === "unknown_connection");
  });

  it("a case-sensitive connection keeps names apart, and consumers learn it from the worker", async () => {
    const connections = new Map([["nas1", fleet.share.runtime("nas1", { caseSensitive: true })]]);
    await fleet.worker({ connections });
    const member = await fleet.member();
    const consumer = await new Consumer(member).start();
    const refs = [member.acquire(dir("/Dir")), member.acquire(dir("/dir"))];
    await Promise.all(refs.map((ref) => ref.ready));
    expect(fleet.share.armed("/Dir") + fleet.share.armed("/dir")).toBe(2);
    fleet.share.add("/Dir", "x");
    await until("the change", () => consumer.changes("/Dir").length === 1);
    expect(consumer.messages.at(-1)?.subject).toBe("smb.nas1.Dir");
  });
});
