import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Client, connect, type Mirror, type MirrorChange } from "../../../src/client/browser/client.ts";
import { FakeWebSocket } from "./fake-web-socket.ts";

describe("a mirror in the browser", () => {
  let client: Client;
  let socket: FakeWebSocket;
  beforeEach(async () => {
    vi.useFakeTimers();
    FakeWebSocket.all.length = 0;
    client = connect("http://gw.example.org/ws", { WebSocket: FakeWebSocket });
    await vi.advanceTimersByTimeAsync(0);
    socket = FakeWebSocket.last;
    await socket.accept();
  });
  afterEach(() => {
    client.close();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  const about = { connection_id: "nas1", path: "/a" };
  const subscribed = (to: FakeWebSocket, more: object = {}): Promise<void> =>
    to.answer("subscribe", { type: "subscribed", ...about, ...more });
  const snapshot = (to: FakeWebSocket, names: string[], more: object = {}): Promise<void> =>
    to.say({
      type: "snapshot",
      ...about,
      directory: "/a",
      page: 0,
      reason: "first",
      entries: names.map((name) => ({ name })),
      ...more,
    });
  const changed = (to: FakeWebSocket, changes: object[], more: object = {}): Promise<void> =>
    to.say({ type: "directory_changed", ...about, via: "notify", changes, ...more });
  const names = (mirror: Mirror, path?: string): string[] => mirror.entries(path).map(({ name }) => name);
  async function ready(options: object = {}): Promise<{ mirror: Mirror; heard: MirrorChange[] }> {
    const mirror = client.mirror("nas1", "/a", options);
    const heard: MirrorChange[] = [];
    mirror.on("change", (change) => heard.push(change));
    await subscribed(socket);
    await snapshot(socket, ["x", "y"], { cursor: "s:1~e~1~1~1" });
    await mirror.ready;
    return { mirror, heard };
  }
  async function back(): Promise<FakeWebSocket> {
    await socket.drop(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await FakeWebSocket.last.accept();
    return FakeWebSocket.last;
  }

  it("asks for a snapshot, and follows", async () => {
    const { mirror, heard } = await ready();
    expect(socket.of("subscribe")).toEqual([
      { action: "subscribe", ...about, snapshot: true, id: expect.any(Number) },
    ]);
    expect([mirror.path, mirror.recursive, mirror.state, names(mirror)]).toEqual([
      "/a",
      false,
      "live",
      ["x", "y"],
    ]);
    await changed(socket, [
      { action: "removed", name: "x" },
      { action: "renamed", name: "z", oldName: "y" },
      { action: "added", name: "new", type: "file", size: 3 },
    ]);
    expect(mirror.entries()).toEqual([{ name: "z" }, { name: "new", type: "file", size: 3 }]);
    expect(mirror.get("new")).toEqual({ name: "new", type: "file", size: 3 });
    expect([...mirror.walk()].map(([path]) => path)).toEqual(["/a/z", "/a/new"]);
    expect(heard.map(({ type }) => type)).toEqual(["state", "snapshot", "changes"]);
    expect(mirror.snapshots).toEqual({ first: 1 });
  });

  it("shows nothing by halves: a snapshot counts with its last frame", async () => {
    const { mirror } = await ready();
    await snapshot(socket, ["1"], { more: true, reason: "overflow" });
    expect(names(mirror)).toEqual(["x", "y"]);
    // Begun anew.
    await snapshot(socket, ["2"], { more: true, reason: "slow-consumer" });
    await snapshot(socket, ["3"], { page: 1, more: true });
    await snapshot(socket, [], { page: 2, cursor: "s:9~e~1~1~1" });
    expect(names(mirror)).toEqual(["2", "3"]);
    expect(mirror.snapshots).toEqual({ first: 1, "slow-consumer": 1 });
  });

  it("keeps a tree, and what lies below a directory that is renamed", async () => {
    const mirror = client.mirror("nas1", "a/", { recursive: true });
    const tree = { connection_id: "nas1", path: "a/" };
    await socket.answer("subscribe", { type: "subscribed", ...tree });
    await snapshot(socket, ["sub"], { ...tree, more: true, ignoreCase: true });
    await snapshot(socket, ["f"], { ...tree, directory: "/a/sub", page: 1 });
    await changed(socket, [{ action: "renamed", name: "dir", oldName: "sub" }], { ...tree, directory: "/a" });
    await changed(socket, [{ action: "added", name: "g" }], { ...tree, directory: "/A/DIR" });
    expect(names(mirror, "/a/dir")).toEqual(["f", "g"]);
    expect(mirror.get("dir/g")).toEqual({ name: "g" });
  });

  it("gives the same view until something changes, and tells who subscribed once for many changes", async () => {
    const { mirror } = await ready();
    const { subscribe, getSnapshot } = mirror;
    let calls = 0;
    const stop = subscribe(() => calls++);
    const view = getSnapshot();
    expect(getSnapshot()).toBe(view);
    expect(view).toEqual({ ready: true, state: "live", entries: [{ name: "x" }, { name: "y" }] });
    await changed(socket, [{ action: "added", name: "z" }]);
    expect(getSnapshot()).not.toBe(view);
    expect(getSnapshot().entries).toBe(mirror.entries());
    expect(calls).toBe(1);
    stop();
    await changed(socket, [{ action: "added", name: "zz" }]);
    expect(calls).toBe(1);
  });

  it("resumes after a drop from where its picture stands", async () => {
    const { mirror } = await ready();
    await changed(socket, [{ action: "added", name: "z" }], { cursor: "s:2~e~1~1~1" });
    const next = await back();
    expect(mirror.state).toBe("degraded");
    expect(names(mirror)).toEqual(["x", "y", "z"]);
    expect(next.of("subscribe")).toMatchObject([{ snapshot: true, since: "s:2~e~1~1~1" }]);
    await subscribed(next, { cursor: "s:2~e~1~1~1" });
    await changed(next, [{ action: "removed", name: "x" }]);
    expect([mirror.state, names(mirror)]).toEqual(["live", ["y", "z"]]);
    expect(mirror.snapshots).toEqual({ first: 1 });
  });

  it("does not resume from half a snapshot", async () => {
    const mirror = client.mirror("nas1", "/a");
    await subscribed(socket);
    await snapshot(socket, ["x"], { more: true });
    const next = await back();
    expect(next.of("subscribe")[0]).not.toHaveProperty("since");
    await subscribed(next);
    await snapshot(next, ["y"], { page: 1 });
    expect(mirror.getSnapshot()).toMatchObject({ ready: false, entries: [] });
    await snapshot(next, ["y"]);
    expect(names(mirror)).toEqual(["y"]);
  });

  it("shows nothing of what is gone, and is there again", async () => {
    const { mirror, heard } = await ready();
    await socket.say({ type: "state", ...about, state: "gone", mode: "notify", error: "not there" });
    expect(mirror.getSnapshot()).toEqual({ ready: true, state: "gone", error: "not there", entries: [] });
    expect(mirror.get("x")).toBeUndefined();
    await socket.say({ type: "state", ...about, state: "live", mode: "poll", late: { names: 60 } });
    await snapshot(socket, ["n"], { reason: "takeover" });
    expect([mirror.state, names(mirror)]).toEqual(["live", ["n"]]);
    expect(heard).toContainEqual({ type: "state", state: "live", mode: "poll", late: { names: 60 } });
  });

  it("is told of a directory inside it what is not about itself", async () => {
    const { mirror } = await ready({ recursive: true });
    await socket.say({ type: "state", ...about, directory: "/a/sub", state: "gone", mode: "notify" });
    expect(mirror.state).toBe("live");
  });

  it("rejects what cannot heal, once; what was there is waited for", async () => {
    const none = client.mirror("nas1", "/a");
    await socket.answer("subscribe", { type: "error", ...about, code: "not_found", message: "no" });
    await expect(none.ready).rejects.toMatchObject({ code: "not_found" });
    const { mirror } = await ready();
    await socket.say({ type: "error", ...about, code: "denied", message: "no right" });
    expect(mirror.getSnapshot()).toMatchObject({ state: "denied", error: "no right", entries: [] });
    const before = socket.of("subscribe").length;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(socket.of("subscribe").length).toBe(before + 1);
    expect(socket.of("subscribe").at(-1)).not.toHaveProperty("since");
    await subscribed(socket);
    await snapshot(socket, ["again"]);
    expect([mirror.state, names(mirror)]).toEqual(["live", ["again"]]);
  });

  it("waits for what may heal before there is a picture, too", async () => {
    const mirror = client.mirror("nas1", "/a");
    await socket.answer("subscribe", { type: "error", ...about, code: "unreachable", message: "away" });
    expect(mirror.state).toBe("unreachable");
    await vi.advanceTimersByTimeAsync(5_000);
    await subscribed(socket);
    await snapshot(socket, []);
    await mirror.ready;
  });

  it("lives beside subscriptions and other mirrors of the same directory", async () => {
    const one = client.mirror("nas1", "/a");
    client.subscribe("nas1", "/a");
    const two = client.mirror("nas1", "/a", { recursive: true });
    expect(socket.of("subscribe").map(({ path }) => path)).toEqual(["/a", "/a/", "/a//"]);
    await snapshot(socket, ["x"]);
    await snapshot(socket, ["x", "y"], { path: "/a//" });
    expect([names(one), names(two)]).toEqual([["x"], ["x", "y"]]);
    await one.close();
    await one.close();
    expect(socket.of("unsubscribe")).toMatchObject([{ path: "/a" }]);
    await snapshot(socket, ["z"]);
    expect(names(one)).toEqual(["x"]);
  });

  it("ends with its signal, and with the client", async () => {
    const stop = new AbortController();
    const one = client.mirror("nas1", "/a", { signal: stop.signal });
    stop.abort();
    await expect(one.ready).rejects.toMatchObject({ code: "closed" });
    await expect(client.mirror("nas1", "/a", { signal: stop.signal }).ready).rejects.toMatchObject({
      code: "closed",
    });
    const { mirror } = await ready();
    const never = client.mirror("nas1", "/b");
    client.close();
    expect(mirror.state).toBe("degraded");
    await expect(never.ready).rejects.toMatchObject({ code: "closed" });
    await expect(client.mirror("nas1", "/c").ready).rejects.toMatchObject({ code: "closed" });
  });

  it("goes on where a listener throws", async () => {
    const mirror = client.mirror("nas1", "/a");
    await subscribed(socket);
    const heard: string[] = [];
    const stop = mirror.on("change", () => {
      throw new Error("theirs");
    });
    mirror.on("change", ({ type }) => heard.push(type));
    await snapshot(socket, ["x"]);
    stop();
    expect([names(mirror), heard]).toEqual([["x"], ["snapshot"]]);
    await expect(vi.advanceTimersByTimeAsync(0)).rejects.toThrow("theirs");
  });
});
