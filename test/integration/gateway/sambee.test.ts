import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { type Bench, startGateway, type TestClient } from "../../support/servers/gateway.ts";
import { until } from "../../support/until.ts";

/** The first block of the protocol: what a Sambee client sends, and all it may expect back. */
describe("a Sambee client", () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await startGateway();
  });
  afterEach(() => bench.close());

  it.each(["/ws", "/api/ws"])("is served on %s", async (path) => {
    const client = await bench.connect({ path });
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
  });

  /** In Sambee's words, and none of ours. */
  const subscribe = (client: TestClient, path: string | undefined): void =>
    client.send({ action: "subscribe", connection_id: "nas1", ...(path === undefined ? {} : { path }) });
  const changed = (path: string): object => ({ type: "directory_changed", connection_id: "nas1", path });
  const subscribed = (path: string): object => ({ type: "subscribed", connection_id: "nas1", path });

  it.each(["/dir", "dir", "dir/", "/dir/", "/DIR", "", "/"])("gets %j back as it was sent", async (path) => {
    const client = await bench.connect();
    subscribe(client, path);
    expect(await client.next()).toEqual({ ...subscribed(path), cursor: "s:0" });
    expect(await client.next()).toEqual(changed(path));
    bench.fleet.changes("nas1", /dir/i.test(path) ? "/dir" : "/", "a");
    expect(await client.next()).toEqual({ ...changed(path), cursor: "s:1" });
    client.send({ action: "unsubscribe", connection_id: "nas1", path });
    expect(await client.next()).toEqual({ type: "unsubscribed", connection_id: "nas1", path });
    expect(bench.gateway.stats).toMatchObject({ subscriptions: 0, watches: 0 });
  });

  it("means the root where it sends no path", async () => {
    const client = await bench.connect();
    subscribe(client, undefined);
    expect(await client.next()).toMatchObject(subscribed(""));
    expect(bench.fleet.held.map(({ target }) => target.path)).toEqual(["/"]);
    client.send({ action: "unsubscribe", connection_id: "nas1" });
    expect(await client.nextOf("unsubscribed")).toEqual({
      type: "unsubscribed",
      connection_id: "nas1",
      path: "",
    });
    expect(bench.gateway.stats.subscriptions).toBe(0);
  });

  it("hears `subscribed` only once the worker has accepted, and is to list then", async () => {
    bench.fleet.autoLive = false;
    const client = await bench.connect();
    subscribe(client, "/dir");
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
    bench.fleet.changes("nas1", "/dir", "before");
    bench.fleet.ref("/dir").become("live");
    expect(await client.next()).toMatchObject(subscribed("/dir"));
    expect(await client.next()).toEqual(changed("/dir"));
    bench.fleet.changes("nas1", "/dir", "after");
    expect(await client.next()).toMatchObject({ type: "directory_changed", cursor: "s:2" });
  });

  it("is to list whenever its directory is lost, differently lost, or back: it knows no `state`", async () => {
    const client = await bench.connect();
    subscribe(client, "/dir");
    await client.nextOf("directory_changed");
    const ref = bench.fleet.ref("/dir");
    const heard: unknown[] = [];
    for (const state of ["degraded", "gone", "denied", "unreachable", "degraded", "live"] as const) {
      ref.become(state);
      heard.push((await client.next())["state"]);
      client.send({ action: "ping" });
      for (let frame = await client.next(); frame.type !== "pong"; frame = await client.next()) {
        heard.push(frame);
      }
    }
    const list = changed("/dir");
    expect(heard).toEqual([
      "degraded",
      ...["gone", list, "denied", list, "unreachable", list],
      ...["degraded", list],
      "live",
    ]);
  });

  it.each(["gone", "denied", "unreachable"] as const)(
    "that finds its directory %s is to list, and again when it can be watched",
    async (state) => {
      bench.fleet.autoLive = false;
      const client = await bench.connect();
      subscribe(client, "/dir");
      await until("the ref", () => bench.fleet.held.length === 1);
      bench.fleet.ref("/dir").become(state);
      expect(await client.next()).toMatchObject({ type: "error", path: "/dir" });
      expect(await client.next()).toEqual(changed("/dir"));
      // The same again is no news, and neither is a worker that is being looked for.
      bench.fleet.ref("/dir").become("unclaimed");
      bench.fleet.ref("/dir").become(state);
      bench.fleet.ref("/dir").become("live");
      expect(await client.next()).toMatchObject(subscribed("/dir"));
      expect(await client.next()).toEqual(changed("/dir"));
      bench.fleet.changes("nas1", "/dir", "a");
      expect(await client.next()).toEqual({ ...changed("/dir"), cursor: "s:1" });
      expect(bench.gateway.stats.subscriptions).toBe(1);
    },
  );

  it("may leave a directory that it was refused, or ask for it again", async () => {
    bench.fleet.autoLive = false;
    const client = await bench.connect();
    subscribe(client, "/dir");
    await until("the ref", () => bench.fleet.held.length === 1);
    bench.fleet.ref("/dir").become("gone");
    expect(await client.nextOf("error")).toMatchObject({ code: "not_found" });
    client.send({ action: "subscribe", connection_id: "nas1", path: "/dir", id: 9 });
    expect(await client.nextOf("error")).toMatchObject({ code: "not_found", id: 9 });
    expect(bench.gateway.stats).toMatchObject({ subscriptions: 0, watches: 0 });
    subscribe(client, "/dir");
    await until("the ref", () => bench.fleet.held.length === 1);
    bench.fleet.ref("/dir").become("gone");
    await client.nextOf("error");
    client.send({ action: "unsubscribe", connection_id: "nas1", path: "/dir" });
    await client.nextOf("unsubscribed");
    expect(bench.gateway.stats).toMatchObject({ subscriptions: 0, watches: 0 });
  });

  it("is told again what its page may have dropped, once, when all is quiet", async () => {
    const clock = new ManualClock();
    await bench.close();
    bench = await startGateway({}, { clock });
    const client = await bench.connect();
    subscribe(client, "/dir");
    expect(await client.next()).toMatchObject(subscribed("/dir"));
    expect(await client.next()).toEqual(changed("/dir"));
    await clock.advance(2_000);
    bench.fleet.changes("nas1", "/dir", "a");
    expect(await client.next()).toEqual({ ...changed("/dir"), cursor: "s:1" });
    await clock.advance(2_499);
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
    await clock.advance(1);
    expect(await client.next()).toEqual(changed("/dir"));
    await clock.advance(60_000);
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
    // What ended is not told again.
    bench.fleet.changes("nas1", "/dir", "b");
    client.send({ action: "unsubscribe", connection_id: "nas1", path: "/dir" });
    await client.nextOf("unsubscribed");
    await clock.advance(10_000);
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
  });

  it("is to list where it is refused, so that the page shows why", async () => {
    const client = await bench.connect();
    client.send({ action: "subscribe", connection_id: "nowhere", path: "a" });
    expect(await client.next()).toEqual({ type: "directory_changed", connection_id: "nowhere", path: "a" });
    expect(await client.next()).toMatchObject({ type: "error", code: "unknown_connection" });
  });

  it.each([{ id: 1 }, { detail: "none" }, { since: "s:0" }, { recursive: false }])(
    "that says %j lists by itself, and reads states",
    async (more) => {
      const client = await bench.connect();
      expect(await client.subscribe("/dir", more)).toMatchObject({ type: "subscribed" });
      bench.fleet.ref("/dir").become("gone");
      expect(await client.next()).toMatchObject({ type: "state", state: "gone" });
      client.send({ action: "ping" });
      expect(await client.next()).toEqual({ type: "pong" });
    },
  );

  it("may subscribe twice and unsubscribe what it never subscribed", async () => {
    const client = await bench.connect();
    for (const _ of [1, 2]) {
      subscribe(client, "/dir");
      expect(await client.next()).toMatchObject(subscribed("/dir"));
      expect(await client.next()).toEqual(changed("/dir"));
    }
    expect(await client.subscribe("/dir", { id: 7 })).toMatchObject({ type: "subscribed", id: 7 });
    expect(bench.gateway.stats.subscriptions).toBe(1);
    client.send({ action: "unsubscribe", connection_id: "nas1", path: "/never" });
    expect(await client.next()).toEqual({ type: "unsubscribed", connection_id: "nas1", path: "/never" });
  });

  it("is told apart what went wrong", async () => {
    const client = await bench.connect();
    expect(await client.subscribe("/a/../b", { id: "x" })).toMatchObject({
      type: "error",
      code: "bad_path",
      connection_id: "nas1",
      path: "/a/../b",
      id: "x",
    });
    expect(await client.subscribe("/dir", { detail: "none" }, "nowhere")).toMatchObject({
      type: "error",
      code: "unknown_connection",
      connection_id: "nowhere",
      path: "/dir",
    });
    client.send({ action: "dance", id: 3 });
    expect(await client.next()).toMatchObject({ type: "error", code: "bad_message", id: 3 });
    client.send("{");
    expect(await client.next()).toMatchObject({ type: "error", code: "bad_message" });
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
  });
});
