import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type Client,
  type ConnectOptions,
  connect,
  type Status,
} from "../../../src/client/browser/client.ts";
import { FakeWebSocket } from "./fake-web-socket.ts";

describe("the browser client", () => {
  let statuses: Status[];
  let client: Client;
  beforeEach(() => {
    vi.useFakeTimers();
    FakeWebSocket.all.length = 0;
    statuses = [];
  });
  afterEach(() => {
    client.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  async function start(options: ConnectOptions = {}): Promise<FakeWebSocket> {
    client = connect("http://gw.example.org/ws", {
      WebSocket: FakeWebSocket,
      onStatus: (status) => statuses.push(status),
      ...options,
    });
    await vi.advanceTimersByTimeAsync(0);
    return FakeWebSocket.last;
  }
  async function open(options: ConnectOptions = {}): Promise<FakeWebSocket> {
    const socket = await start(options);
    await socket.accept();
    return socket;
  }
  const subscribed = (socket: FakeWebSocket, cursor: string): Promise<void> =>
    socket.answer("subscribe", { type: "subscribed", connection_id: "nas1", path: "/a", cursor });
  const changed = (more: object = {}): object => ({
    type: "directory_changed",
    connection_id: "nas1",
    path: "/a",
    ...more,
  });

  it("speaks the subprotocol, to the WebSocket's scheme", async () => {
    const socket = await open();
    expect([socket.url, socket.protocols]).toEqual(["ws://gw.example.org/ws", ["smb2nats.v1"]]);
    expect(statuses.map(({ state }) => state)).toEqual(["connecting", "open"]);
  });

  it("sends the token first, never in the URL, and a fresh one each time", async () => {
    let n = 0;
    const socket = await open({ token: async () => `t${++n}` });
    expect(socket.sent).toMatchObject([{ action: "auth", token: "t1" }]);
    expect(client.status.state).toBe("connecting");
    await socket.answer("auth", { type: "authenticated" });
    expect(client.status.state).toBe("open");
    await socket.drop(4401, "expired");
    await vi.advanceTimersByTimeAsync(500);
    await FakeWebSocket.last.accept();
    expect(FakeWebSocket.last.sent).toMatchObject([{ action: "auth", token: "t2" }]);
  });

  it("subscribes once for all who listen, and tells each", async () => {
    const socket = await open();
    const heard: unknown[] = [];
    const one = client.subscribe("nas1", "/a", { onChange: (event) => heard.push(["one", event]) });
    const two = client.subscribe("nas1", "/a", { onChange: (event) => heard.push(["two", event]) });
    expect(socket.of("subscribe")).toHaveLength(1);
    await subscribed(socket, "s:1");
    await Promise.all([one.ready, two.ready]);
    await socket.say(changed({ cursor: "s:2" }));
    expect(heard).toEqual([
      ["one", { connection: "nas1", path: "/a", directory: "/a" }],
      ["two", { connection: "nas1", path: "/a", directory: "/a" }],
    ]);
    one.close();
    one.close();
    expect(socket.of("unsubscribe")).toHaveLength(0);
    two.close();
    expect(socket.of("unsubscribe")).toHaveLength(1);
  });

  it("holds a directory alone and with all below, side by side", async () => {
    const socket = await open();
    const heard: unknown[] = [];
    const alone = client.subscribe("nas1", "/a", { onChange: () => heard.push("alone") });
    client.subscribe("nas1", "/a", {
      recursive: true,
      onChange: ({ path, directory }) => heard.push(["tree", path, directory]),
    });
    client.subscribe("nas1", "/a", { recursive: true });
    expect(socket.of("subscribe")).toMatchObject([{ path: "/a" }, { path: "/a/", recursive: true }]);
    await socket.say(changed());
    await socket.say(changed({ path: "/a/", directory: "/a/b" }));
    expect(heard).toEqual(["alone", ["tree", "/a", "/a/b"]]);
    alone.close();
    expect(socket.of("unsubscribe")).toMatchObject([{ path: "/a" }]);
    await socket.say(changed({ path: "/a/", directory: "/a" }));
    expect(heard.at(-1)).toEqual(["tree", "/a", "/a"]);
  });

  it("subscribes again when the gateway ended a subscription that is still wanted", async () => {
    const socket = await open();
    client.subscribe("nas1", "/a");
    await subscribed(socket, "s:4");
    await socket.say({ type: "unsubscribed", connection_id: "nas1", path: "/a" });
    expect(socket.of("subscribe").at(-1)).toMatchObject({ path: "/a", since: "s:4" });
  });

  it("comes back and resumes where it was cut off", async () => {
    const socket = await open();
    client.subscribe("nas1", "/a", { detail: "changes" });
    await subscribed(socket, "s:1");
    await socket.say(changed({ cursor: "s:9", changes: [{ action: "added", name: "x" }] }));
    await socket.drop(1006);
    expect(client.status).toMatchObject({ state: "waiting", code: 1006 });
    await vi.advanceTimersByTimeAsync(500);
    const next = FakeWebSocket.last;
    expect(next).not.toBe(socket);
    await next.accept();
    expect(next.of("subscribe")).toMatchObject([{ path: "/a", detail: "changes", since: "s:9" }]);
  });

  it("that cannot resume tells to list again", async () => {
    const socket = await open();
    const heard: unknown[] = [];
    client.subscribe("nas1", "/a", { recursive: true, onResync: (event) => heard.push(event) });
    await socket.answer("subscribe", { type: "subscribed", connection_id: "nas1", path: "/a" });
    expect(heard).toEqual([]);
    await socket.drop(1001);
    await vi.advanceTimersByTimeAsync(500);
    await FakeWebSocket.last.accept();
    await FakeWebSocket.last.answer("subscribe", { type: "subscribed", connection_id: "nas1", path: "/a" });
    expect(heard).toMatchObject([{ directory: "/a", scope: "subtree", reason: "reconnect" }]);
  });

  it("spreads a resync of many", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const socket = await open();
    const heard: unknown[] = [];
    client.subscribe("nas1", "/a", {
      onResync: (event) => heard.push(event),
      onState: (event) => heard.push(event),
    });
    await subscribed(socket, "s:1");
    await socket.say(changed({ resync: true, scope: "self", reason: "overflow", jitterMs: 1_000 }));
    await vi.advanceTimersByTimeAsync(499);
    expect(heard).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(heard).toMatchObject([{ reason: "overflow" }]);
    await socket.say({
      type: "state",
      connection_id: "nas1",
      path: "/a",
      state: "gone",
      mode: "notify",
      error: "x",
    });
    expect(heard.at(-1)).toMatchObject({ state: "gone", mode: "notify", error: "x" });
    vi.restoreAllMocks();
  });

  it.each([
    [1001, "waiting"],
    [1006, "waiting"],
    [1011, "waiting"],
    [1012, "waiting"],
    [1013, "waiting"],
    [4000, "waiting"],
    [4499, "waiting"],
    [1008, "refused"],
    [4500, "refused"],
    [4999, "refused"],
  ])("after %i is %s", async (code, state) => {
    const socket = await open();
    const { ready } = client.subscribe("nas1", "/a");
    await socket.drop(code, "why");
    expect(client.status).toMatchObject({ state, code, reason: "why" });
    if (state === "refused") {
      await expect(ready).rejects.toMatchObject({ code: "closed" });
      await expect(client.list("nas1", "/")).rejects.toMatchObject({ code: "closed" });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(FakeWebSocket.all).toHaveLength(1);
    }
  });

  it("waits longer each time, never longer than allowed, and forgets after a good connection", async () => {
    vi.spyOn(Math, "random").mockReturnValue(1);
    const socket = await open({ backoff: { initialMs: 100, maxMs: 1_000 } });
    const delays: (number | undefined)[] = [];
    await socket.drop(1006);
    for (let n = 0; n < 6; n++) {
      delays.push(client.status.retryMs);
      await vi.advanceTimersByTimeAsync(client.status.retryMs ?? 0);
      await FakeWebSocket.last.drop(1006);
    }
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    await vi.advanceTimersByTimeAsync(1_000);
    await FakeWebSocket.last.accept();
    await vi.advanceTimersByTimeAsync(6_000);
    await FakeWebSocket.last.drop(1006);
    expect(client.status.retryMs).toBe(100);
    vi.restoreAllMocks();
  });

  it("leaves a connection that does not answer", async () => {
    const socket = await open();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(socket.of("ping")).toHaveLength(1);
    await socket.answer("ping", { type: "pong" });
    await vi.advanceTimersByTimeAsync(25_000);
    expect(socket.of("ping")).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(socket.closedByUs).toBe(true);
    expect(client.status).toMatchObject({ state: "waiting", reason: "silent" });
  });

  it("ends a refused subscription, and tries one that can heal again", async () => {
    const socket = await open();
    const errors: string[] = [];
    const onError = (error: { code: string }): number => errors.push(error.code);
    const { ready } = client.subscribe("nas1", "/a", { onError });
    await socket.answer("subscribe", { type: "error", code: "unreachable", message: "x", path: "/a" });
    await vi.advanceTimersByTimeAsync(8_000);
    expect(socket.of("subscribe")).toHaveLength(2);
    await socket.answer("subscribe", { type: "error", code: "denied", message: "x", path: "/a" });
    await expect(ready).rejects.toMatchObject({ code: "denied" });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(socket.of("subscribe")).toHaveLength(2);
    expect(errors).toEqual(["unreachable", "denied"]);
  });

  it("tells when one that was tried again succeeds", async () => {
    const socket = await open();
    const told: string[] = [];
    client.subscribe("nas1", "/a", {
      onError: ({ code }) => told.push(code),
      onState: ({ state }) => told.push(state),
    });
    await subscribed(socket, "s:1");
    await socket.say({ type: "error", code: "unreachable", message: "x", connection_id: "nas1", path: "/a" });
    await vi.advanceTimersByTimeAsync(8_000);
    await socket.answer("subscribe", { type: "subscribed", path: "/a" });
    expect(told).toEqual(["unreachable", "live"]);
  });

  it("hears of a right taken away later", async () => {
    const socket = await open();
    const errors: string[] = [];
    client.subscribe("nas1", "/a", { onError: ({ code }) => errors.push(code) });
    await subscribed(socket, "s:1");
    await socket.say({ type: "error", code: "denied", message: "x", connection_id: "nas1", path: "/a" });
    expect(errors).toEqual(["denied"]);
    await socket.say(changed());
    await socket.drop(1001);
    await vi.advanceTimersByTimeAsync(500);
    await FakeWebSocket.last.accept();
    expect(FakeWebSocket.last.of("subscribe")).toEqual([]);
  });

  it("keeps requests made before it is connected, and gives each a deadline", async () => {
    const socket = await start({ requestTimeoutMs: 1_000 });
    const listing = client.list("nas1", "/", { after: "a" });
    const names = client.connections();
    const workers = client.workers();
    const late = client.list("nas1", "/late").catch((error: { code: string }) => error.code);
    await socket.accept();
    await socket.answer("connections", { type: "connections", connections: ["nas1"] });
    await socket.say({ type: "listing", id: socket.of("list")[0]?.id, entries: [], next: "b" });
    expect([await listing, await names]).toEqual([{ entries: [], next: "b" }, ["nas1"]]);
    const seen = { current: true, workers: [{ name: "w1", state: "serving", connections: ["nas1"] }] };
    await socket.answer("workers", { type: "workers", ...seen });
    expect(await workers).toEqual(seen);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await late).toBe("timeout");
  });

  it("is not upset by nonsense, nor by a listener that throws", async () => {
    const socket = await open();
    const heard: unknown[] = [];
    const thrown: unknown[] = [];
    const catcher = (error: unknown): number => thrown.push(error);
    process.on("uncaughtException", catcher);
    client.subscribe("nas1", "/a", {
      onChange: () => {
        throw new Error("mine");
      },
    });
    client.subscribe("nas1", "/a", { onChange: () => heard.push(1) });
    await subscribed(socket, "s:1");
    socket.onmessage?.({ data: "{" } as never);
    socket.onmessage?.({ data: new ArrayBuffer(4) } as never);
    await socket.say({ type: "unheard-of", connection_id: "nas1", path: "/a" });
    await socket.say({ type: "pong", id: 999 });
    await socket.say(changed());
    expect(heard).toEqual([1]);
    expect(() => vi.runOnlyPendingTimers()).toThrow("mine");
    process.off("uncaughtException", catcher);
    expect(thrown).toEqual([]);
  });
});
