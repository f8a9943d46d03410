import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NatsOptions } from "../../../scripts/lab/nats.ts";
import { systemClock } from "../../../src/base/clock.ts";
import type { CanonicalPath } from "../../../src/base/path.ts";
import type { FleetMember } from "../../../src/fleet/member.ts";
import type { Listing, WatchRef } from "../../../src/fleet/port.ts";
import { listPage } from "../../../src/share/page.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import type { ConnectionRuntime } from "../../../src/worker/runtime.ts";
import type { Worker } from "../../../src/worker/worker.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";
import { Fleet, until } from "./harness.ts";

let fleet: Fleet;
let share: FakeShare;
let member: FleetMember;
const closers: (() => Promise<void>)[] = [];

beforeEach(() => {
  share = new FakeShare({ clock: systemClock });
  share.mkdir("/in");
});
afterEach(async () => {
  await fleet.close();
  for (const close of closers.splice(0)) await close();
});

/** Pages that the file server was asked for. */
let asked = 0;

let workers: Awaited<ReturnType<Fleet["worker"]>>[] = [];

async function join(options: ShareWatcherOptions = {}): Promise<Worker> {
  const watches = new ShareWatcher(share, { cover: "directory", ...options });
  closers.push(() => watches.close());
  const runtime: ConnectionRuntime = {
    name: "nas1",
    caseSensitive: true,
    sourceUrl: "smb://server/share",
    watches,
    list: (request, wait) => {
      asked++;
      return listPage(share, request, wait);
    },
    close: async () => undefined,
  };
  const started = await fleet.worker({ connections: new Map([["nas1", runtime]]) });
  workers.push(started);
  return started.worker;
}

async function begin(options: NatsOptions = {}, watcher: ShareWatcherOptions = {}): Promise<void> {
  fleet = await Fleet.start(options);
  workers = [];
  await join(watcher);
  member = await fleet.member();
  asked = 0;
}

async function watched(path: CanonicalPath = "/in", recursive = false): Promise<WatchRef> {
  const ref = member.acquire({ connection: "nas1", path, recursive });
  await ref.ready;
  return ref;
}

const list = (
  more: { after?: string; limit?: number; fresh?: boolean; path?: string } = {},
): Promise<Listing> => member.list({ connection: "nas1", path: "/in", ...more });
const names = ({ entries }: Listing): string[] => entries.map(({ name }) => name);

/** Once nothing is in doubt any more, it is told from memory. */
async function told(more: { path?: string; limit?: number } = {}): Promise<Listing> {
  return await until("an answer from what was told", async () => {
    const listing = await list(more);
    return listing.position === undefined ? undefined : listing;
  });
}

describe("listing a directory that is watched", () => {
  it("is answered from what has been told, in the same words as the file server's", async () => {
    await begin();
    for (const name of ["b", "a", "ü"]) share.write(`/in/${name}`);
    share.mkdir("/in/sub");
    await watched();
    const listing = await told();
    const before = asked;
    expect(await list()).toEqual(listing);
    expect(listing.position).toEqual({ epoch: expect.any(String), told: expect.any(Number) });
    expect(asked).toBe(before);
    const fresh = await list({ fresh: true });
    expect(asked).toBe(before + 1);
    expect(fresh.position).toBeUndefined();
    expect(listing.entries).toEqual(fresh.entries.map(({ fileId: _, ...entry }) => entry));
    expect(fresh.entries[0]?.fileId).toEqual(expect.any(String));
  });

  it("knows of everything that was heard before it was asked", async () => {
    await begin();
    await watched();
    await told();
    const heard: string[] = [];
    const feed = member.follow("nas1", {
      onMessage: ({ message }) => {
        if (message.type === "changes") heard.push(...message.body.changes.map(({ name }) => name));
      },
      onGap: () => undefined,
    });
    await feed.ready;
    for (let i = 0; i < 20; i++) {
      share.write(`/in/${i}`);
      await until(`${i}`, () => heard.includes(`${i}`));
      expect(names(await list())).toContain(`${i}`);
    }
    feed.close();
  });

  it("gives pages of one instant, also by small steps, and to whoever asks which worker", async () => {
    await begin();
    await join();
    for (const name of ["a", "b", "c", "d", "e"]) share.write(`/in/${name}`);
    await watched();
    const first = await told({ limit: 2 });
    expect(names(first)).toEqual(["a", "b"]);
    share.remove("/in/c");
    share.write("/in/bb");
    await until("it is told", async () => {
      const all = await list();
      return names(all).join() === "a,b,bb,d,e" && all.position !== undefined;
    });
    asked = 0;
    const second = await list({ limit: 2, after: first.next as string });
    const third = await list({ limit: 2, after: second.next as string });
    expect([second, third].map(names)).toEqual([["c", "d"], ["e"]]);
    expect([second.position, third.position]).toEqual([first.position, first.position]);
    expect(third.next).toBeUndefined();
    expect(asked).toBe(0);
    // By a name of one's own, and from the file server, too.
    expect(names(await list({ after: "bb" }))).toEqual(["d", "e"]);
    expect(names(await list({ after: first.next as string, fresh: true }))).toEqual(["bb", "d", "e"]);
    expect(asked).toBe(1);
    // A page of a listing that nobody knows: what is behind that name.
    expect(names(await list({ after: "/nobody-knows/b" }))).toEqual(["bb", "d", "e"]);
  });

  it("gives pages that the server lets through", async () => {
    await begin({ config: "max_payload: 8192" });
    const all = Array.from({ length: 300 }, (_, i) => `${String(i).padStart(4, "0")}-${"ü".repeat(100)}`);
    for (const name of all) share.write(`/in/${name}`);
    await watched();
    const seen: string[] = [];
    let page = await told({ limit: 5_000 });
    for (let pages = 1; ; pages++) {
      seen.push(...names(page));
      expect(page.position).toBeDefined();
      if (page.next === undefined) {
        expect(pages).toBeGreaterThan(3);
        break;
      }
      page = await list({ limit: 5_000, after: page.next });
    }
    expect(seen).toEqual(all);
  });

  it("is answered of a directory inside a tree, and by the server of what nobody watches", async () => {
    await begin();
    share.mkdir("/in/sub");
    share.write("/in/sub/x");
    share.mkdir("/out");
    share.write("/out/y");
    await watched("/in", true);
    expect(names(await told({ path: "/in/sub" }))).toEqual(["x"]);
    const outside = await list({ path: "/out" });
    expect([names(outside), outside.position]).toEqual([["y"], undefined]);
    await expect(list({ path: "/in/none" })).rejects.toMatchObject({ failure: "not_found" });
  });

  it("does not show what settles, and shows it once it is told", async () => {
    await begin({}, { settleMs: 2_000 });
    share.write("/in/old");
    await watched();
    await told();
    share.write("/in/new");
    await until("the file server's word", async () => names(await list({ fresh: true })).includes("new"));
    // Written again and again it does not come to rest, however long an answer takes.
    const writing = setInterval(() => share.write("/in/new"), 100);
    expect(names(await told())).toEqual(["old"]);
    clearInterval(writing);
    await until("it is told", async () => names(await told()).join() === "new,old");
  });

  it("does not show what may settle before the file server has said whether it is a file", async () => {
    share = new FakeShare({ clock: systemClock, latencyMs: 600 });
    share.mkdir("/in");
    await begin({}, { settleMs: 4_000 });
    share.write("/in/old");
    await watched();
    await told();
    share.write("/in/new");
    for (const end = performance.now() + 1_000; performance.now() < end; ) {
      const listing = await list();
      if (listing.position !== undefined) expect(names(listing)).toEqual(["old"]);
    }
    expect(names(await told())).toEqual(["old"]);
  });

  it("asks the file server where the owner has not told what is there, or hears of it late", async () => {
    await begin({}, { maxEntries: 3 });
    for (const name of ["a", "b", "c", "d", "e"]) share.write(`/in/${name}`);
    await watched();
    expect(await list()).toMatchObject({ entries: { length: 5 } });
    expect((await list()).position).toBeUndefined();
    share.mute = true;
    share.mkdir("/polled");
    await watched("/polled");
    share.write("/polled/x");
    expect(names(await list({ path: "/polled" }))).toEqual(["x"]);
  });

  it("does not hang on an owner that is gone or frozen", async () => {
    await begin();
    const second = await join();
    share.write("/in/a");
    await watched();
    await told();
    const owner = [...member.view.claims.values()].find(({ record }) => record.path === "/in")?.record.lease;
    const gone = workers.find(({ worker }) => worker.leaseId === owner);
    expect([gone?.worker === second, gone?.worker === workers[0]?.worker]).toContain(true);
    // Somebody is there, and does not answer.
    const mute = (await fleet.broker()).link.subscribe(`smb2nats.worker.${owner}.list`, () => undefined);
    await mute.ready;
    await gone?.broker.close();
    const begun = performance.now();
    for (let i = 0; i < 20; i++) expect(names(await list())).toEqual(["a"]);
    const took = performance.now() - begun;
    expect(took).toBeGreaterThan(900);
    expect(took).toBeLessThan(4_000);
    mute.close();
  });
});
