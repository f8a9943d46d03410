import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { Scope } from "../../../src/base/scope.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { connectionFacts } from "../../../src/broker/facts.ts";
import { NatsLink } from "../../../src/broker/link/link.ts";
import type { Broker, BrokerLink } from "../../../src/broker/port.ts";
import { inspectStorage } from "../../../src/broker/streams/inspect.ts";
import { connectWatchClient } from "../../../src/client/watch-client.ts";
import { requestActivity } from "../../../src/fleet/activity.ts";
import { requestService } from "../../../src/fleet/list-client.ts";
import { FleetMember } from "../../../src/fleet/member.ts";
import type { Endpoint } from "../../../src/fleet/service.ts";
import { type ClientDesk, clientEndpoints } from "../../../src/gateway/clients.ts";
import { Worker } from "../../../src/worker/worker.ts";
import { until } from "../../support/until.ts";
import { FakeShare } from "../fleet/fake-share.ts";
import { RECOMMENDED, ROLES, type RoleName } from "./recommended-permissions.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the recommended permissions", () => {
  let nats: Nats;
  let all: Scope;
  /** Every refusal the server has told any of our connections. */
  const refusals: string[] = [];
  let offFacts: () => void;
  const share = new FakeShare();
  let worker: Worker;

  const login = (role: RoleName) => ({
    servers: [nats.url],
    name: `permissions ${role}`,
    auth: { type: "user", user: role, password: `${role}-password` } as const,
    inboxPrefix: `_INBOX_${role}`,
    requestTimeoutMs: 1_000,
  });
  const broker = async (role: RoleName, scope: Scope): Promise<Broker> =>
    scope.use(
      await connectBroker({
        ...login(role),
        streams: { existingOnly: role !== "worker", checkpoints: role === "worker" },
      }),
    );
  const link = async (role: RoleName, scope: Scope): Promise<BrokerLink & NatsLink> =>
    scope.use(await NatsLink.connect(login(role)));

  beforeAll(async () => {
    const secrets = ROLES.map((role) => `${role.toUpperCase()}_PASSWORD: "${role}-password"`).join("\n");
    nats = await startNats({ config: `${secrets}\n${RECOMMENDED}` });
    all = new Scope();
    offFacts = connectionFacts.subscribe((fact) => {
      if (fact.type === "error") refusals.push(fact.message);
    });
    const connections = new Map([["nas1", share.runtime()]]);
    worker = new Worker({ broker: await broker("worker", all), connections, ttlMs: 3_000, lingerMs: 50 });
    all.use(worker);
    await worker.start();
  });
  afterAll(async () => {
    offFacts?.();
    await all?.close();
    await nats?.stop();
  });

  it("let each role do its work, and refuse nothing that it needs", async () => {
    await using scope = new Scope();
    const gatewayBroker = await broker("gateway", scope);
    const closed: string[] = [];
    const desk: ClientDesk = {
      clients: () => [],
      closeClient: (client) => closed.push(client) > 0,
    };
    const endpoints = (lease: string): Endpoint[] => clientEndpoints(gatewayBroker.link, lease, () => desk);
    const gateway = scope.use(
      await FleetMember.start({ broker: gatewayBroker, kind: "gateway", lingerMs: 0, endpoints }),
    );
    const heard: string[] = [];
    const feed = gateway.follow("nas1", {
      onMessage: ({ subject, message }) => heard.push(`${message.type} ${subject}`),
      onGap: (reason) => heard.push(reason),
    });
    await feed.ready;
    const ref = gateway.acquire({ connection: "nas1", path: "/media", recursive: true });
    await ref.ready;
    share.add("/media", "a.jpg");
    await until("the change", () => heard.includes("changes smb.nas1.media"));
    expect((await gateway.list({ connection: "nas1", path: "/media" })).entries).toHaveLength(1);
    expect(await gateway.stat({ connection: "nas1", paths: ["/media"] })).toEqual(["directory"]);
    const since = feed.cursor as string;
    share.add("/media", "b.jpg");
    await until("the replay", async () => {
      let found = 0;
      for await (const _ of gateway.replay(ref.target, since, {})) found++;
      return found === 1;
    });

    const client = scope.use(
      await connectWatchClient({ broker: await broker("client", scope), lingerMs: 0 }),
    );
    const stop = new AbortController();
    const told: string[] = [];
    const reading = (async () => {
      for await (const event of client.watch("nas1", "/papers", { signal: stop.signal })) {
        told.push(event.type);
        if (event.type === "live") share.add("/papers", "c.txt");
        if (event.type === "changes") stop.abort();
      }
    })().catch(() => undefined);
    await until("the client's change", () => told.includes("changes"));
    await reading;
    await client.list({ connection: "nas1", path: "/papers" });
    const asking = await link("client", scope);
    const activity = await requestActivity(asking, worker.leaseId ?? "", { timeoutMs: 3_000 });
    expect(activity).toContainEqual(
      expect.objectContaining({ connection: "nas1", path: "/media", lastChange: expect.any(String) }),
    );

    // Looks as `smb2nats status`, `streams` and `clients` do.
    const operator = await broker("operator", scope);
    await scope.use(operator.mirror()).synced;
    const lookedAt = await requestActivity(operator.link, worker.leaseId ?? "", { timeoutMs: 3_000 });
    expect(lookedAt.length).toBeGreaterThan(0);
    const storage = await inspectStorage({ ...login("operator"), deadlineMs: 3_000 });
    expect(storage.account).toBeDefined();
    const askGateway = (asker: BrokerLink, verb: string, request: object) =>
      requestService(asker, `smb2nats.gateway.${gateway.leaseId}.${verb}`, request, { timeoutMs: 1_500 });
    expect(await askGateway(operator.link, "clients", {})).toEqual({ clients: [] });
    await askGateway(operator.link, "close", { client: "c1" });
    expect(closed).toEqual(["c1"]);
    expect(refusals).toEqual([]);
    // Nobody else may.
    await expect(askGateway(asking, "close", { client: "c2" })).rejects.toThrow();
    expect(closed).toEqual(["c1"]);
    expect(refusals.splice(0)).toEqual([expect.stringMatching(/smb2nats\.gateway\..*\.close/)]);

    const service = await link("service", scope);
    const subjects: string[] = [];
    await service.subscribe("smb.nas1.>", ({ subject }) => subjects.push(subject)).ready;
    const ask = (endpoint: string, request: object) =>
      requestService(service, `smb2nats.${endpoint}`, request, { timeoutMs: 3_000 });
    const { lease } = await ask("watch.acquire", { connection: "nas1", path: "/inbox" });
    await until("live", async () => {
      return (await ask("watch.stat", { connection: "nas1", path: "/inbox" }))["state"] === "live";
    });
    share.add("/inbox", "d.txt");
    await until("the service's change", () => subjects.includes("smb.nas1.inbox"));
    await ask("directory.list", { connection: "nas1", path: "/inbox" });
    await ask("watch.renew", { lease });
    await ask("watch.release", { lease });

    const browser = await link("browser", scope);
    const seen: string[] = [];
    await browser.subscribe("smb.nas1.media.>", ({ subject }) => seen.push(subject)).ready;
    share.emit({
      type: "changes",
      path: "/media/x",
      via: "notify",
      changes: [{ action: "added", name: "e" }],
    });
    await until("the browser's change", () => seen.includes("smb.nas1.media.x"));

    expect(refusals).toEqual([]);
  });

  it("let a worker keep house: tombstones and checkpoints", async () => {
    await using scope = new Scope();
    const { watches, checkpoints, feed } = await broker("worker", scope);
    const revision = await watches.create("strange.key", bytes("x"));
    await watches.delete("strange.key", revision);
    expect(await watches.purgeTombstones({ olderThanMs: 0 })).toBeGreaterThan(0);
    await checkpoints?.put("a.picture", bytes("1"));
    await checkpoints?.put("a.picture", bytes("2"));
    expect(new TextDecoder().decode(await checkpoints?.get("a.picture"))).toBe("2");
    await checkpoints?.delete("a.picture");
    const scopeOfAll = { connection: "nas1", path: "/", recursive: true, caseSensitive: false };
    expect(await feed.isSilent(scopeOfAll, await feed.end())).toBe(true);
    for await (const _ of feed.replay(scopeOfAll, await feed.end())) break;
  });

  it("let nobody publish events past the stream, and only workers into it", async () => {
    await using scope = new Scope();
    for (const role of ROLES) {
      const { js, nc } = await link(role, scope);
      const heard: string[] = [];
      const listener = await link("gateway", scope);
      await listener.subscribe("smb.nas1.forged", ({ subject }) => heard.push(subject)).ready;
      nc.publish("smb.nas1.forged", bytes("{}"));
      await nc.flush();
      await listener.roundTrip();
      expect(heard, role).toEqual([]);
      if (role === "worker") continue;
      await expect(js.publish("smbin.nas1.forged", bytes("{}"), { timeout: 500 }), role).rejects.toThrow(
        /permissions violation/i,
      );
    }
  });

  it("let nobody write what others own", async () => {
    await using scope = new Scope();
    const mayNot: Readonly<Record<Exclude<RoleName, "worker">, readonly string[]>> = {
      gateway: ["claim.nas1.x.=d", "other"],
      client: ["claim.nas1.x.=d", "lease.worker.x", "lease.gateway.x", "other"],
      operator: ["claim.nas1.x.=d", "lease.client.x", "ref.x.nas1.y.=d", "other"],
      service: ["claim.nas1.x.=d", "lease.client.x", "ref.x.nas1.y.=d", "other"],
      browser: ["claim.nas1.x.=d", "lease.client.x", "ref.x.nas1.y.=d", "other"],
    };
    const keys = (): string[] => [
      ...(worker.view?.claims.keys() ?? []),
      ...(worker.view?.leases.keys() ?? []),
    ];
    const before = keys().length;
    for (const [role, forbidden] of Object.entries(mayNot) as [RoleName, readonly string[]][]) {
      const { js } = await link(role, scope);
      for (const key of forbidden) {
        const write = js.publish(`$KV.SMB_WATCHES.${key}`, bytes("{}"), { timeout: 500 });
        await expect(write, `${role} ${key}`).rejects.toThrow(/permissions violation/i);
      }
    }
    expect(keys()).toHaveLength(before);
  });

  it("let no one but a worker change streams, or read pictures", async () => {
    await using scope = new Scope();
    for (const role of ROLES) {
      if (role === "worker") continue;
      const { jsm } = await link(role, scope);
      for (const stream of ["SMB", "KV_SMB_WATCHES", "OBJ_SMB_CHECKPOINTS"]) {
        await expect(jsm.streams.delete(stream), `${role} ${stream}`).rejects.toThrow(
          /permissions violation/i,
        );
        await expect(jsm.streams.purge(stream), `${role} ${stream}`).rejects.toThrow(
          /permissions violation/i,
        );
      }
      await expect(jsm.streams.getMessage("OBJ_SMB_CHECKPOINTS", { seq: 1 }), `${role}`).rejects.toThrow(
        /permissions violation/i,
      );
    }
  });

  it("let readers hear their scope and no other, nor anyone's replies", async () => {
    await using scope = new Scope();
    const browser = await link("browser", scope);
    for (const subject of [
      "smb.>",
      "smb.nas1.>",
      "smb.nas1.private",
      "smbin.>",
      "_INBOX_worker.>",
      "$KV.>",
    ]) {
      await expect(browser.subscribe(subject, () => undefined).ready, subject).rejects.toMatchObject({
        code: "BROKER_DENIED",
      });
    }
    const service = await link("service", scope);
    for (const subject of ["smb.other.>", "_INBOX_gateway.>", "$KV.>", "smb2nats.>"]) {
      await expect(service.subscribe(subject, () => undefined).ready, subject).rejects.toMatchObject({
        code: "BROKER_DENIED",
      });
    }
    const operator = await link("operator", scope);
    for (const [who, verb] of [
      [browser, "watch.acquire"],
      [browser, "directory.snapshot"],
      [operator, "directory.snapshot"],
      [operator, "directory.list"],
      [service, "worker.abc.snapshot"],
      [service, "worker.abc.list"],
    ] as const) {
      const asked = who.request(`smb2nats.${verb}`, bytes("{}"), { timeoutMs: 500 });
      await expect(asked, verb).rejects.toMatchObject({ code: "BROKER_DENIED" });
    }
    // Workers hand such questions on: nobody is there, and nobody minds.
    const worker = await link("worker", scope);
    for (const verb of ["snapshot", "list"]) {
      const asked = worker.request(`smb2nats.worker.abc.${verb}`, bytes("{}"), { timeoutMs: 500 });
      await expect(asked, verb).rejects.toMatchObject({ code: "BROKER_NO_JETSTREAM" });
    }
  });

  it("keep a client without the right to revoke from trying for ever", async () => {
    await using scope = new Scope();
    const client = scope.use(
      await FleetMember.start({
        broker: await broker("client", scope),
        kind: "client",
        ttlMs: 1_000,
        graceMs: 100,
      }),
    );
    const { watches } = await broker("worker", scope);
    const record = { kind: "gateway", ttlMs: 500, host: "gone", seq: 0 };
    await watches.create("lease.gateway.silent", bytes(JSON.stringify(record)));
    const before = refusals.length;
    await until("a worker to revoke it", () => !client.view.leases.has("silent"));
    expect(refusals.length - before).toBeLessThanOrEqual(1);
  });
});
