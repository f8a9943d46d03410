import { describe, expect, it } from "vitest";
import { startGateway } from "../../support/servers/gateway.ts";

describe("closing the gateway", () => {
  it("sends clients away one after the other, lets nobody in, and releases everything", async () => {
    const bench = await startGateway({ times: { drainMs: 10_000 } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => bench.connect()));
    for (const [n, client] of clients.entries()) await client.subscribe(`/${n}`);
    const startedAt = performance.now();
    const closing = bench.gateway.close();
    expect(bench.gateway.close()).toBe(closing);
    expect([0, 503]).toContain(await bench.refused());
    await closing;
    // 20 clients at 10 ms each; a drain time of 10 s is for thousands.
    expect(performance.now() - startedAt).toBeGreaterThan(150);
    for (const client of clients)
      expect(await client.closing()).toEqual({ code: 1001, reason: "going away" });
    expect(bench.fleet.held).toEqual([]);
    expect(bench.fleet.feeds.size).toBe(0);
    expect(bench.gateway.stats).toEqual({ connections: 0, pending: 0, subscriptions: 0, watches: 0 });
    expect(await bench.refused()).toBe(0);
  });

  it("does not wait for a client that will not go", async () => {
    const bench = await startGateway({ times: { closeMs: 200 } });
    const stubborn = await bench.connect();
    stubborn.socket.pause();
    const startedAt = performance.now();
    await bench.gateway.close();
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    stubborn.socket.terminate();
  });
});
