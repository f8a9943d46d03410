import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Bench, startGateway } from "../../support/gateway.ts";

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

  it.each(["/dir", "dir", "dir/", "/dir/", "/DIR", "", "/"])("gets %j back as it was sent", async (path) => {
    const client = await bench.connect();
    expect(await client.subscribe(path)).toEqual({
      type: "subscribed",
      connection_id: "nas1",
      path,
      cursor: "s:0",
    });
    bench.fleet.changes("nas1", /dir/i.test(path) ? "/dir" : "/", "a");
    expect(await client.next()).toEqual({
      type: "directory_changed",
      connection_id: "nas1",
      path,
      cursor: "s:1",
    });
    client.send({ action: "unsubscribe", connection_id: "nas1", path });
    expect(await client.next()).toEqual({ type: "unsubscribed", connection_id: "nas1", path });
    expect(bench.gateway.stats).toMatchObject({ subscriptions: 0, watches: 0 });
  });

  it("hears `subscribed` only once the worker has accepted", async () => {
    bench.fleet.autoLive = false;
    const client = await bench.connect();
    client.send({ action: "subscribe", connection_id: "nas1", path: "/dir" });
    client.send({ action: "ping" });
    expect(await client.next()).toEqual({ type: "pong" });
    bench.fleet.changes("nas1", "/dir", "before");
    bench.fleet.ref("/dir").become("live");
    expect(await client.next()).toMatchObject({ type: "subscribed", path: "/dir" });
    bench.fleet.changes("nas1", "/dir", "after");
    expect(await client.next()).toMatchObject({ type: "directory_changed", cursor: "s:2" });
  });

  it("may subscribe twice and unsubscribe what it never subscribed", async () => {
    const client = await bench.connect();
    expect(await client.subscribe("/dir")).toMatchObject({ type: "subscribed" });
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
    expect(await client.subscribe("/dir", {}, "nowhere")).toMatchObject({
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
