import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Client, connect, type WebSocketConstructor } from "../../../src/client/browser/client.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";

const options = {
  WebSocket: WebSocket as unknown as WebSocketConstructor,
  backoff: { initialMs: 20, maxMs: 100 },
};

describe("the browser client against a gateway", () => {
  let bench: Bench;
  let client: Client;
  afterEach(async () => {
    client.close();
    await bench.close();
  });

  it("subscribes, lists, resumes over a restart without missing a change", async () => {
    bench = await startGateway();
    bench.fleet.listing = async () => ({
      entries: [{ name: "sub", type: "directory", size: 0, modified: "2026-01-01T00:00:00.000Z" }],
    });
    client = connect(new URL("ws", bench.url).href, options);
    const names: string[] = [];
    const { ready } = client.subscribe("nas1", "/a", {
      detail: "changes",
      onChange: ({ changes = [] }) => names.push(...changes.map(({ name }) => name)),
    });
    await ready;
    expect(await client.connections()).toEqual(["nas1", "unix"]);
    expect(await client.list("nas1", "/")).toMatchObject({ entries: [{ name: "sub" }] });
    bench.fleet.changes("nas1", "/a", "before");
    await expect.poll(() => names).toEqual(["before"]);

    const { fleet, port } = bench;
    await bench.gateway.close();
    fleet.changes("nas1", "/a", "meanwhile");
    bench = await startGateway({ port }, { fleet });
    await expect.poll(() => client.status.state, { timeout: 10_000 }).toBe("open");
    await expect.poll(() => names).toEqual(["before", "meanwhile"]);
    fleet.changes("nas1", "/a", "after");
    await expect.poll(() => names).toEqual(["before", "meanwhile", "after"]);
  });

  it("stays away when its token is refused, and says why", async () => {
    bench = await startGateway({ auth: { mode: "tokens", tokens: [{ token: "right", grants: [] }] } });
    client = connect(new URL("ws", bench.url).href, { ...options, token: "wrong" });
    await expect
      .poll(() => client.status)
      .toEqual({ state: "refused", code: 1008, reason: "unauthenticated" });
    client = connect(new URL("ws", bench.url).href, { ...options, token: "right" });
    await expect.poll(() => client.status.state).toBe("open");
    await expect(client.subscribe("nas1", "/a").ready).rejects.toMatchObject({ code: "denied" });
  });
});
