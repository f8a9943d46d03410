import { afterEach, describe, expect, it } from "vitest";
import { type HubAndLeaf, startHubAndLeaf } from "../../../scripts/lab/nats-leaf.ts";
import { Scope } from "../../../src/base/scope.ts";
import { type BrokerOptions, connectBroker } from "../../../src/broker/broker.ts";
import { connectionFacts } from "../../../src/broker/facts.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import { Worker } from "../../../src/worker/worker.ts";
import { until } from "../../support/until.ts";
import { FakeShare } from "../fleet/fake-share.ts";
import { RECOMMENDED, ROLES } from "./recommended-permissions.ts";

let scope: Scope;
let pair: HubAndLeaf;
afterEach(async () => {
  await scope.close();
  await pair.stop();
});

async function start(options: Parameters<typeof startHubAndLeaf>[0]): Promise<void> {
  pair = await startHubAndLeaf(options);
  scope = new Scope();
}

const broker = async (options: Partial<BrokerOptions>): Promise<Broker> =>
  scope.use(
    await connectBroker({ servers: [pair.leaf.url], name: "test", firstConnectMs: 10_000, ...options }),
  );

const worker = async (options: Partial<BrokerOptions>, share: FakeShare): Promise<Worker> => {
  const connections = new Map([["nas1", share.runtime()]]);
  const one = scope.use(
    new Worker({ broker: await broker(options), connections, ttlMs: 3_000, lingerMs: 50, gather: 0 }),
  );
  await one.start();
  return one;
};

/** The changes that came to a consumer that asked for `/media`, replayed and listed it. */
async function consume(options: Partial<BrokerOptions>, share: FakeShare): Promise<string[]> {
  const own = await broker({ ...options, streams: { ...options.streams, checkpoints: false } });
  const member = scope.use(
    await FleetMember.start({ broker: own, kind: "gateway", ttlMs: 3_000, lingerMs: 0 }),
  );
  const told: string[] = [];
  const feed = member.follow("nas1", {
    onMessage: ({ subject, message }) => told.push(`${message.type} ${subject}`),
    onGap: (reason) => told.push(reason),
  });
  await feed.ready;
  const ref = member.acquire({ connection: "nas1", path: "/media", recursive: false });
  await ref.ready;
  share.add("/media", `a${told.length}.jpg`);
  await until("the change", () => told.some((line) => line.startsWith("changes")));
  const since = feed.cursor as string;
  share.add("/media", "later.jpg");
  await until("the replay", async () => {
    for await (const { message } of member.replay(ref.target, since, {})) return message.type === "changes";
    return false;
  });
  expect((await member.list({ connection: "nas1", path: "/media" })).entries.length).toBeGreaterThan(1);
  return told.filter((line) => line.startsWith("changes"));
}

/** All that we do with a bucket of objects and of keys. */
async function keepHouse({ watches, checkpoints }: Broker): Promise<void> {
  const one = new Uint8Array([1]);
  const revision = await watches.create("lease.client.x", one, { msgId: "x:0" });
  const next = await watches.update("lease.client.x", one, revision);
  expect((await watches.get("lease.client.x"))?.revision).toBe(next);
  await watches.delete("lease.client.x", next);
  expect(await watches.purgeTombstones({ olderThanMs: -60_000 })).toBe(1);
  const picture = new Uint8Array(300_000).map((_, index) => index % 251);
  await checkpoints?.put("a", picture);
  expect(await checkpoints?.get("a")).toEqual(picture);
  await checkpoints?.delete("a");
}

describe("at a leaf node", () => {
  it.each([
    ["the hub's JetStream, from a leaf without one", "hub", false, "hub"],
    ["the hub's JetStream, from a leaf with its own", "hub", "leaf", "hub"],
    ["the leaf's own JetStream", "hub", "leaf", undefined],
  ] as const)("everything works with %s", async (_, hub, leaf, domain) => {
    await start({ hub: { domain: hub }, leaf: { domain: leaf } });
    const options = domain === undefined ? {} : { domain };
    await keepHouse(await broker(options));
    const share = new FakeShare();
    await worker(options, share);
    const told = await consume(options, share);
    expect(told[0]).toBe("changes smb.nas1.media");
    if (domain === undefined) return;
    // The same fleet, by somebody at the hub.
    const atHub = await consume({ servers: [pair.hub.url] }, share);
    expect(atHub[0]).toBe("changes smb.nas1.media");
  });

  it("the recommended permissions hold, with the domain's prefix", async () => {
    const passwords = ROLES.map((role) => `${role.toUpperCase()}_PASSWORD: "${role}"`).join("\n");
    // As docs/nats.md says it.
    const atLeaf = RECOMMENDED.replaceAll('"$JS.API.', '"$JS.hub.API.').replaceAll(
      '"$KV.',
      '"$JS.hub.API.$KV.',
    );
    await start({ hub: { domain: "hub" }, leaf: { domain: false, config: `${passwords}\n${atLeaf}` } });
    const refusals: string[] = [];
    const off = connectionFacts.subscribe((fact) => {
      if (fact.type === "error") refusals.push(fact.message);
    });
    const as = (user: string): Partial<BrokerOptions> => ({
      domain: "hub",
      auth: { type: "user", user, password: user },
      inboxPrefix: `_INBOX_${user}`,
    });
    const share = new FakeShare();
    await worker({ ...as("worker"), lookForClash: true }, share);
    expect((await consume(as("gateway"), share))[0]).toBe("changes smb.nas1.media");
    expect(refusals).toEqual([]);
    off();
  });

  it("a second fleet under the same subjects is noticed, and none under its own", async () => {
    await start({ hub: { domain: "hub" }, leaf: { domain: "leaf" } });
    const clashes: (readonly string[])[] = [];
    const off = connectionFacts.subscribe((fact) => {
      if (fact.type === "clash") clashes.push(fact.streams);
    });
    const atHub = { servers: [pair.hub.url] };
    const share = new FakeShare();
    // Both JetStreams take what either publishes.
    await broker({ lookForClash: true, lookMs: 100, subjectPrefix: "berlin" });
    await broker({ ...atHub, lookForClash: true, lookMs: 100, subjectPrefix: "bonn" });
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(clashes).toEqual([]);
    await worker({ subjectPrefix: "berlin" }, share);
    const told = await consume({ subjectPrefix: "berlin" }, share);
    expect(told).toEqual(["changes berlin.nas1.media", "changes berlin.nas1.media"]);

    await broker(atHub);
    await broker({ lookForClash: true, lookMs: 100 });
    await until("the clash", () => clashes.length > 0);
    expect(clashes[0]).toEqual(["SMB", "SMB"]);
    off();
  });
});
