import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { WatchHandle } from "../../../../src/watch/api.ts";
import type { WatchEvent } from "../../../../src/watch/events.ts";
import { readies } from "../../../../src/watch/facts.ts";
import { type ReadyRecord, ReadyReplay, readRecord } from "../../../../src/watch/ready/index.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import { HeldShare } from "../../../support/fakes/held-share.ts";

const MOST = 40;

interface Bench {
  readonly clock: ManualClock;
  readonly share: HeldShare;
  readonly watcher: ShareWatcher;
  readonly handle: WatchHandle;
  readonly events: WatchEvent[];
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function start(share: HeldShare, clock: ManualClock, maxReady = MOST): Bench {
  const watcher = new ShareWatcher(
    share,
    { ready: { quietMs: 1_000 }, maxReady, label: "nas1" },
    { clock, random: () => 0.5 },
  );
  const events: WatchEvent[] = [];
  const handle = watcher.watch({ path: "/in", recursive: true }, (event) => events.push(event));
  ends.push(async () => {
    const closing = watcher.close();
    await clock.advance(60_000);
    await closing;
    expect(clock.pending).toBe(0);
  });
  return { clock, share, watcher, handle, events };
}

async function bench(maxReady = MOST): Promise<Bench> {
  const clock = new ManualClock();
  const share = new HeldShare({ clock, latencyMs: 0, lagMs: 0 });
  share.mkdir("/in");
  const started = start(share, clock, maxReady);
  await clock.advance(100);
  await started.handle.live;
  return started;
}

const ready = (events: readonly WatchEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === "changes"
      ? event.changes.filter(({ action }) => action === "ready").map(({ name }) => `${event.path}/${name}`)
      : [],
  );
const states = (events: readonly WatchEvent[]): string[] =>
  events.flatMap((event) => (event.type === "state" ? [event.state] : []));
const names = (directory: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${directory}/f${String(index).padStart(4, "0")}`);

describe("more files than can be waited for", () => {
  it("are told ready all the same, once each, and never more than so many are remembered", async () => {
    const { clock, share, handle, events } = await bench();
    let waiting = 0;
    let most = 0;
    let deferred = 0;
    ends.push(
      async () => undefined,
      (() => {
        const off = readies.subscribe((fact) => {
          waiting += fact.waiting ?? 0;
          most = Math.max(most, waiting);
          deferred += fact.deferred ?? 0;
        });
        return async () => off();
      })(),
    );
    share.mkdir("/in/a");
    share.mkdir("/in/a/below");
    await clock.advance(1_000);
    const all = [...names("/in/a", 150), ...names("/in/a/below", 30)];
    for (const path of all) share.write(path, 1);
    await clock.advance(500);
    expect(handle.ready?.deferred).toBe(2);
    expect(deferred).toBe(2);
    expect(handle.state).toBe("degraded");
    expect(handle.ready?.undecided).toBeGreaterThan(0);
    await clock.advance(600_000);
    expect(ready(events).sort()).toEqual([...all].sort());
    expect(most).toBe(MOST);
    expect([waiting, deferred, handle.ready?.deferred, handle.ready?.undecided]).toEqual([0, 0, 0, 0]);
    expect(states(events).slice(-2)).toEqual(["degraded", "live"]);
  });

  it("are looked for when files that are held open are let go of, also those that changed meanwhile", async () => {
    const { clock, share, handle, events } = await bench();
    const open = names("/in", MOST);
    for (const path of open) share.write(path, 1);
    const close = open.map((path) => share.hold(path));
    await clock.advance(5_000);
    share.write("/in/late", 1);
    share.write("/in/gone", 1);
    await clock.advance(5_000);
    expect(handle.ready?.deferred).toBe(1);
    share.remove("/in/gone");
    share.write("/in/late", 2);
    await clock.advance(120_000);
    expect(ready(events)).toEqual([]);
    for (const each of close) each();
    await clock.advance(120_000);
    expect(ready(events).sort()).toEqual([...open, "/in/late"].sort());
  });

  it("follow their directory when it is renamed, and are forgotten with it", async () => {
    const { clock, share, handle, events } = await bench();
    share.mkdir("/in/a");
    share.mkdir("/in/b");
    // Until it is seen that these are no files.
    await clock.advance(5_000);
    const open = names("/in", MOST);
    for (const path of open) share.write(path, 1);
    const close = open.map((path) => share.hold(path));
    await clock.advance(1_000);
    share.write("/in/a/x", 1);
    share.write("/in/b/x", 1);
    await clock.advance(1_000);
    expect(handle.ready?.deferred).toBe(2);
    share.rename("/in/a", "/in/c");
    share.remove("/in/b/x");
    share.remove("/in/b");
    await clock.advance(1_000);
    const deferred = handle.ready?.record.deferred?.map(({ path }) => path) ?? [];
    // What a renamed name is, nobody says: it may be a file of `/in`.
    expect(deferred.filter((path) => path !== "/in")).toEqual(["/in/c"]);
    for (const each of close) each();
    await clock.advance(120_000);
    expect(ready(events).filter((path) => path.endsWith("/x"))).toEqual(["/in/c/x"]);
  });

  it("are what a successor looks for", async () => {
    const { clock, share, handle, events } = await bench();
    const all = names("/in", 100);
    for (const path of all) share.write(path, 1);
    await clock.advance(500);
    const record = readRecord(JSON.parse(JSON.stringify(handle.ready?.record)));
    expect(record?.deferred).toEqual([{ path: "/in", since: expect.stringMatching(/^\d+$/) }]);
    await handle.close();
    const before = ready(events);
    const next = start(share, clock);
    await clock.advance(100);
    next.handle.ready?.adopt(record as ReadyRecord);
    await clock.advance(120_000);
    expect([...before, ...ready(next.events)].sort()).toEqual(all);
  });

  it("share their room with those of other watches", async () => {
    const { clock, share, watcher, events } = await bench();
    const others: WatchEvent[] = [];
    watcher.watch({ path: "/in", recursive: false }, (event) => others.push(event));
    await clock.advance(100);
    const all = names("/in", 70);
    for (const path of all) share.write(path, 1);
    await clock.advance(300_000);
    expect(ready(events).sort()).toEqual(all);
    expect(ready(others).sort()).toEqual(all);
  });
});

it("a record brought up to date keeps what was deferred, where it is by now", () => {
  const record: ReadyRecord = {
    ...{ waiting: [], told: [] },
    deferred: [
      { path: "/in/a/b", since: "5" },
      { path: "/in/gone", since: "0", after: "m" },
      { path: "/in/stays", since: "0", after: "m" },
    ],
  };
  const replay = new ReadyReplay(record, (path) => path);
  replay.changes("/in", [
    { action: "renamed", oldName: "a", name: "z" },
    { action: "removed", name: "gone" },
  ]);
  expect(replay.record.deferred).toEqual([
    { path: "/in/z/b", since: "5" },
    { path: "/in/stays", since: "0", after: "m" },
  ]);
  expect(readRecord({ waiting: [], told: [], deferred: [{ path: "/in", since: "-1" }] })).toBeUndefined();
  expect(
    readRecord({ waiting: [], told: [], deferred: [{ path: "/in", since: "1", after: 2 }] }),
  ).toBeUndefined();
});
