import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/base/clock.ts";
import { connectWatchClient, type WatchClient } from "../../../src/client/watch-client.ts";
import type { Mirror } from "../../../src/watch/mirror/index.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";
import { Fleet, TTL_MS, until } from "./harness.ts";

let fleet: Fleet;
let share: FakeShare;
let client: WatchClient;
const closers: (() => Promise<void>)[] = [];

beforeEach(() => {
  share = new FakeShare({ clock: systemClock });
  share.mkdir("/in");
});
afterEach(async () => {
  await client?.close();
  await fleet.close();
  for (const close of closers.splice(0)) await close();
});

/** Another worker on the same share. */
async function join(options: ShareWatcherOptions = {}): Promise<Awaited<ReturnType<Fleet["worker"]>>> {
  const watches = new ShareWatcher(share, { cover: "directory", ...options });
  closers.push(() => watches.close());
  const runtime: ConnectionRuntime = {
    name: "nas1",
    caseSensitive: true,
    sourceUrl: "smb://server/share",
    watches,
    list: async () => ({ entries: [] }),
    close: async () => undefined,
  };
  return fleet.worker({ connections: new Map([["nas1", runtime]]) });
}

async function connect(): Promise<WatchClient> {
  client = await connectWatchClient({
    broker: { name: "mirror-test", servers: [fleet.nats.url] },
    ttlMs: TTL_MS,
    lingerMs: 50,
  });
  return client;
}

const names = (mirror: Mirror, path?: string): string[] =>
  mirror
    .entries(path)
    .map(({ name }) => name)
    .sort();
const all = (mirror: Mirror): string[] => [...mirror.walk()].map(([path]) => path).sort();
const truth = (): string[] => [...share.paths("/in", true).keys()].sort();
const agree = (mirror: Mirror): Promise<unknown> =>
  until("the same picture", () => JSON.stringify(all(mirror)) === JSON.stringify(truth()));

describe("a mirror through the fleet", () => {
  it("knows what is there from a snapshot, and follows; nothing is listed for it", async () => {
    fleet = await Fleet.start();
    await join();
    share.write("/in/a");
    const mirror = (await connect()).mirror("nas1", "/in");
    const heard: string[] = [];
    mirror.on("change", (change) => heard.push(change.type));
    await mirror.ready;
    expect(mirror.get("a")).toMatchObject({ name: "a", type: "file", size: expect.any(Number) });
    const before = { ...share.calls };
    const view = mirror.getSnapshot();
    expect(mirror.getSnapshot()).toBe(view);
    share.write("/in/b");
    await until("b", () => mirror.get("b"));
    expect(mirror.getSnapshot()).not.toBe(view);
    share.rename("/in/b", "/in/c");
    share.remove("/in/a");
    await until("the rest", () => names(mirror).join() === "c");
    expect(mirror.snapshots).toEqual({ first: 1 });
    expect(heard).toContain("snapshot");
    const second = client.mirror("nas1", "/in");
    await second.ready;
    expect(names(second)).toEqual(["c"]);
    // A new name is confirmed by a listing of that name; the second mirror cost nothing.
    expect(share.calls.list - share.calls.lookUp).toBe(before.list - before.lookUp);
  });

  it("is refused where only ready files are told, instead of going stale in silence", async () => {
    fleet = await Fleet.start();
    await join({ ready: { only: true } });
    const mirror = (await connect()).mirror("nas1", "/in");
    await expect(mirror.ready).rejects.toMatchObject({ code: "FLEET_NO_CHANGES", retryable: false });
    expect(mirror.entries()).toEqual([]);
  });

  it("is handed on to the owner, and goes on through a hand-over without another snapshot", async () => {
    fleet = await Fleet.start();
    const first = await join();
    share.mkdir("/in/sub");
    share.write("/in/sub/x");
    const mirror = (await connect()).mirror("nas1", "/in", { recursive: true });
    await mirror.ready;
    await agree(mirror);
    await join();
    share.write("/in/sub/y");
    await first.worker.drain();
    await first.worker.close();
    share.rename("/in/sub", "/in/dir");
    share.mkdir("/in/sub");
    share.write("/in/sub/z");
    await agree(mirror);
    expect(mirror.snapshots["first"]).toBe(1);
    const late = client.mirror("nas1", "/in", { recursive: true });
    await late.ready;
    await agree(late);
  });

  it("asks any worker, also one that does not watch it", async () => {
    fleet = await Fleet.start();
    await join();
    await join();
    const watcher = await connect();
    const mirrors = ["/in", "/in/a", "/in/b", "/in/c"].map((path) => {
      if (path !== "/in") share.mkdir(path);
      return watcher.mirror("nas1", path);
    });
    for (let again = 0; again < 5; again++) {
      for (const mirror of mirrors) await mirror.ready;
      for (const path of ["/in", "/in/a"]) {
        const more = watcher.mirror("nas1", path);
        await more.ready;
        await more.close();
      }
    }
    expect(names(mirrors[0] as Mirror)).toEqual(["a", "b", "c"]);
  });

  it("says what cannot be mirrored", async () => {
    fleet = await Fleet.start();
    await join();
    const watcher = await connect();
    await expect(watcher.mirror("nas1", "/nowhere").ready).rejects.toMatchObject({ failure: "not_found" });
    await expect(watcher.mirror("other", "/").ready).rejects.toMatchObject({ failure: "unknown_connection" });
    expect(() => watcher.mirror("nas1", "/a/../b")).toThrowError(
      expect.objectContaining({ failure: "bad_path" }),
    );
    const stopped = new AbortController();
    const mirror = watcher.mirror("nas1", "/in", { signal: stopped.signal });
    stopped.abort();
    await expect(mirror.ready).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("is told of what nobody watches, which is watched for it, and by a typed error why not", async () => {
    fleet = await Fleet.start();
    await join({ maxEntries: 3 });
    share.write("/in/a");
    const member = await fleet.member();
    const ask = (path: string, connection = "nas1") =>
      member.snapshot({ connection, path, recursive: false });
    expect((await ask("/in")).directories).toMatchObject([
      { path: "/in", entries: [{ name: "a", type: "file" }] },
    ]);
    await until("somebody watches it", () =>
      [...member.view.claims.values()].some(({ record }) => record.path === "/in" && record.state === "live"),
    );
    await expect(ask("/nowhere")).rejects.toMatchObject({ failure: "not_found" });
    await expect(ask("/in/a")).rejects.toMatchObject({ failure: "not_a_directory" });
    await expect(ask("/", "nas9")).rejects.toMatchObject({ failure: "unknown_connection" });
    share.mkdir("/secret");
    share.deny("/secret");
    await expect(ask("/secret")).rejects.toMatchObject({ failure: "denied" });
    share.mkdir("/large");
    for (const name of ["a", "b", "c", "d"]) share.write(`/large/${name}`);
    await expect(ask("/large")).rejects.toMatchObject({
      failure: "too_large",
      message: expect.stringContaining("raise maxEntries"),
    });
    await expect((await connect()).mirror("nas1", "/large").ready).rejects.toMatchObject({
      failure: "too_large",
    });
  });
});
