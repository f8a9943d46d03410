import { afterEach, beforeEach, describe, expect, it } from "vitest";
import * as facts from "../../../src/gateway/facts.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";

describe("the facts", () => {
  let bench: Bench;
  let offs: (() => void)[];
  const heard: Record<string, unknown[]> = {};
  beforeEach(async () => {
    offs = Object.entries(facts).map(([name, channel]) => {
      heard[name] = [];
      return channel.subscribe((fact: unknown) => heard[name]?.push(fact));
    });
    bench = await startGateway({
      auth: { mode: "tokens", tokens: [{ token: "t", grants: [{ connection: "nas1", path: "/a" }] }] },
    });
  });
  afterEach(async () => {
    await bench.close();
    for (const off of offs) off();
  });

  it("tell all that a metric needs, and no path, address or token", async () => {
    expect(await bench.refused({ path: "/ws?token=hunter2" })).toBe(401);
    expect(await bench.refused({ headers: { origin: "https://evil.example.org" } })).toBe(403);
    const client = await bench.connect({ path: "/ws?token=t" });
    await client.subscribe("/a");
    await client.subscribe("/secret");
    for (let n = 0; n < 3; n++) bench.fleet.changes("nas1", "/a", "x");
    await client.nextOf("directory_changed");
    await client.nextOf("directory_changed");
    bench.fleet.ref("/a").become("unreachable");
    client.send("nonsense");
    await client.nextOf("error");
    client.socket.close(1000);
    await expect.poll(() => heard["socketFacts"]?.length).toBe(2);
    expect(heard).toMatchObject({
      socketFacts: [{ type: "opened" }, { type: "closed", code: 1000 }],
      refusalFacts: [{ reason: "origin", origin: "https://evil.example.org", address: "127.0.0.1" }],
      authFailureFacts: [{ reason: "invalid" }],
      subscriptionFacts: [
        { connection: "nas1", change: 1 },
        { connection: "nas1", change: -1 },
      ],
      sentFacts: [
        { connection: "nas1", type: "changes" },
        { connection: "nas1", type: "changes" },
        { connection: "nas1", type: "state" },
      ],
      coalescedFacts: [{ connection: "nas1" }],
      requestFacts: [
        { action: "subscribe", outcome: "ok" },
        { action: "subscribe", outcome: "denied" },
        { action: "unknown", outcome: "bad_message" },
      ],
    });
    expect((heard["sentFacts"] as { seconds?: number }[]).map(({ seconds }) => typeof seconds)).toEqual([
      "number",
      "undefined",
      "undefined",
    ]);
    // The address only of who was turned away: somebody will want to know why.
    const { refusalFacts: _, ...others } = heard;
    expect(JSON.stringify(heard)).not.toMatch(/secret|hunter2|"t"/);
    expect(JSON.stringify(others)).not.toMatch(/secret|hunter2|127\.0\.0\.1|"t"/);
  });
});
