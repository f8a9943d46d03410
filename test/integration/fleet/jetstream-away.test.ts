import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { FleetMember } from "../../../src/fleet/member.ts";
import { createGateway, type Gateway } from "../../../src/gateway/server.ts";
import { TestClient } from "../../support/servers/gateway.ts";
import { Fleet, TTL_MS, until } from "./harness.ts";

/** JetStream of the account: what a reload of a real server can take away while NATS goes on answering. */
const accounts = (jetstream: "enabled" | "disabled"): string =>
  `accounts { APP: { jetstream: ${jetstream}, users: [ { user: u, password: p } ] }, SYS: {} }
   no_auth_user: u
   system_account: SYS`;

let fleet: Fleet;
let gateway: Gateway;
let member: FleetMember;
let socket: WebSocket;

beforeEach(async () => {
  fleet = await Fleet.start({ config: accounts("enabled") });
  await fleet.worker();
  member = await fleet.member();
  gateway = createGateway(
    { auth: { mode: "none" }, connections: [{ name: "nas1", caseSensitive: false }], times: { drainMs: 0 } },
    { fleet: member },
  );
});
afterEach(async () => {
  socket?.terminate();
  await gateway.close();
  await fleet.close();
});

async function jetStream(state: "enabled" | "disabled"): Promise<void> {
  const { nats } = fleet;
  const lines = [
    `listen: "127.0.0.1:${nats.port}"`,
    `server_name: "lab-${nats.port}"`,
    `jetstream { store_dir: ${JSON.stringify(join(nats.dir, "jetstream"))} }`,
    accounts(state),
  ];
  writeFileSync(join(nats.dir, "nats.conf"), lines.join("\n"));
  const before = nats.log().length;
  process.kill(nats.pid() ?? 0, "SIGHUP");
  await until("the reload", () => nats.log().slice(before).includes("Reloaded server configuration"));
}

it(
  "subscribers hear that nobody can tell, then that all is well and what they missed; readiness says so",
  async () => {
    const { port } = await gateway.listen();
    socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    const client = new TestClient(socket);
    await once(socket, "open");
    expect(await client.subscribe("/a", { detail: "changes" })).toMatchObject({ type: "subscribed" });
    expect(member.ready).toBe(true);

    await jetStream("disabled");
    expect(await client.nextOf("state")).toMatchObject({ path: "/a", state: "degraded" });
    expect(member.ready).toBe(false);
    const asked = performance.now();
    // Not after the 30 s that a file server may take.
    expect(await client.subscribe("/b")).toMatchObject({ type: "error", code: "unreachable", path: "/b" });
    expect(performance.now() - asked).toBeLessThan(10_000);
    fleet.share.add("/a", "missed");

    await jetStream("enabled");
    const seen: unknown[] = [];
    await until("live again, and what was missed", async () => {
      seen.push(await client.next());
      const text = JSON.stringify(seen);
      return text.includes('"live"') && (text.includes("missed") || text.includes('"resync":true'));
    });
    await until("readiness", () => member.ready);
    expect(await client.subscribe("/b")).toMatchObject({ type: "subscribed", path: "/b" });
  },
  TTL_MS * 40,
);
