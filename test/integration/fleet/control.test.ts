import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Broker } from "../../../src/broker/port.ts";
import { requestService } from "../../../src/fleet/list-client.ts";
import { Fleet, until } from "./harness.ts";

let fleet: Fleet;
let asker: Broker;
beforeEach(async () => {
  fleet = await Fleet.start();
  await fleet.worker();
  asker = await fleet.broker();
});
afterEach(async () => {
  await fleet.close();
});

const ask = (endpoint: string, request: unknown) =>
  requestService(asker.link, `smb2nats.${endpoint}`, request, { timeoutMs: 5_000 });

const TARGET = { connection: "nas1", path: "Media/", recursive: true };

describe("control API", () => {
  it("acquires, shows, renews and releases a watch for a service without KV", async () => {
    const answer = await ask("watch.acquire", { ...TARGET, holder: "invoices" });
    // The path comes back exactly as it was sent.
    expect(answer).toMatchObject({ ...TARGET, ttlMs: 60_000, subject: "smb.nas1.media", state: "unclaimed" });
    const { lease } = answer as { lease: string };
    await until("live", async () => (await ask("watch.stat", TARGET))["state"] === "live");
    expect(await ask("watch.stat", { connection: "nas1", path: "/Media/deep" })).toMatchObject({
      state: "live",
      servedBy: { path: "/Media", recursive: true },
    });
    const { watches } = (await ask("watch.list", {})) as { watches: unknown[] };
    expect(watches).toMatchObject([
      { connection: "nas1", path: "/Media", state: "live", refs: 1, host: "test" },
    ]);
    expect(await ask("watch.renew", { lease })).toEqual({ lease, ttlMs: 60_000 });
    await ask("watch.release", { lease });
    await until("the end of the watch", () => fleet.share.armed("/Media") === 0);
    await expect(ask("watch.renew", { lease })).rejects.toMatchObject({ failure: "not_found" });
  });

  it("keeps several refs under one lease, and releases one of them", async () => {
    const { lease } = (await ask("watch.acquire", TARGET)) as { lease: string };
    await ask("watch.acquire", { connection: "nas1", path: "/other", lease });
    await until("both", () => fleet.share.armed("/Media") === 1 && fleet.share.armed("/other") === 1);
    await ask("watch.release", { lease, connection: "nas1", path: "/other" });
    await until("one", () => fleet.share.armed("/Media") === 1 && fleet.share.armed("/other") === 0);
    await expect(ask("watch.release", { lease, connection: "nas1", path: "/other" })).rejects.toMatchObject({
      failure: "not_found",
    });
  });

  it("counts a holder once that asks again under its lease, after a restart perhaps", async () => {
    const { lease } = (await ask("watch.acquire", TARGET)) as { lease: string };
    await ask("watch.acquire", { ...TARGET, lease });
    await ask("watch.acquire", { ...TARGET, path: "/MEDIA", lease });
    await until("live", async () => (await ask("watch.stat", TARGET))["state"] === "live");
    expect(await ask("watch.list", {})).toMatchObject({ watches: [{ recursive: true, refs: 1 }] });
    await ask("watch.release", { ...TARGET, lease });
    await until(
      "the end of the watch",
      () => fleet.share.armed("/Media") + fleet.share.armed("/MEDIA") === 0,
    );
  });

  it("lists watches page by page", async () => {
    for (const path of ["/a", "/b", "/c"]) await ask("watch.acquire", { connection: "nas1", path });
    const paths = async (request: object) => {
      const { watches, next } = (await ask("watch.list", request)) as {
        watches: { path: string }[];
        next?: number;
      };
      return { paths: watches.map(({ path }) => path), next };
    };
    await until("all refs", async () => (await paths({})).paths.length === 3);
    expect(await paths({ limit: 2 })).toEqual({ paths: ["/a", "/b"], next: 2 });
    expect(await paths({ from: 2, limit: 2 })).toEqual({ paths: ["/c"], next: undefined });
    expect(await paths({ connection: "nas2" })).toEqual({ paths: [], next: undefined });
  });

  it("lets a watch go whose holder stopped renewing", async () => {
    await ask("watch.acquire", { ...TARGET, ttlMs: 3_000 });
    await until("live", () => fleet.share.armed("/Media") === 1);
    await until("the end of the watch", () => fleet.share.armed("/Media") === 0);
  });

  it.each([
    ["watch.acquire", { connection: "nas1" }, "bad_message"],
    ["watch.acquire", { connection: "nas1", path: "/a/../b" }, "bad_path"],
    ["watch.acquire", { connection: "nope", path: "/" }, "unknown_connection"],
    ["watch.acquire", { connection: "nas1", path: "/", ttlMs: 1 }, "bad_message"],
    ["watch.renew", { lease: "a.b" }, "bad_message"],
    ["watch.renew", { lease: "unknown" }, "not_found"],
    ["directory.list", { connection: "nope", path: "/" }, "unknown_connection"],
    ["directory.list", { connection: "nas1", path: "/", limit: 0 }, "bad_message"],
    ["directory.stat", { connection: "nope", paths: ["/"] }, "unknown_connection"],
    ["directory.stat", { connection: "nas1", paths: [] }, "bad_message"],
    ["watch.stat", [], "bad_message"],
  ])("%s %j is refused with %s, in headers and body", async (endpoint, request, code) => {
    const message = await asker.link.request(
      `smb2nats.${endpoint}`,
      new TextEncoder().encode(JSON.stringify(request)),
    );
    expect(message.header("Nats-Service-Error")).toBe(code);
    expect(message.header("Nats-Service-Error-Code")).toMatch(/^4\d\d$/);
    expect(JSON.parse(new TextDecoder().decode(message.data))).toMatchObject({ error: { code } });
  });

  it("refuses what is not JSON", async () => {
    const message = await asker.link.request("smb2nats.watch.list", new Uint8Array([0xff, 0x00]));
    expect(message.header("Nats-Service-Error")).toBe("bad_message");
  });

  it("can be discovered as a NATS micro service", async () => {
    await ask("watch.list", {});
    await ask("watch.renew", { lease: "unknown" }).catch(() => undefined);
    const srv = async (subject: string) =>
      JSON.parse(new TextDecoder().decode((await asker.link.request(subject, new Uint8Array())).data));
    const ping = await srv("$SRV.PING");
    expect(ping).toMatchObject({
      type: "io.nats.micro.v1.ping_response",
      name: "smb2nats",
      version: "1.2.3",
    });
    const info = await srv("$SRV.INFO.smb2nats");
    expect(info.type).toBe("io.nats.micro.v1.info_response");
    expect(info.endpoints.map(({ subject }: { subject: string }) => subject)).toContain(
      "smb2nats.directory.list",
    );
    const stats = await srv(`$SRV.STATS.smb2nats.${ping.id}`);
    const byName = new Map(stats.endpoints.map((item: { name: string }) => [item.name, item]));
    expect(byName.get("watch-list")).toMatchObject({ num_requests: 1, num_errors: 0, queue_group: "q" });
    expect(byName.get("watch-renew")).toMatchObject({ num_requests: 1, num_errors: 1 });
  });
});
