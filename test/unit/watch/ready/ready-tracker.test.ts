import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { WatchHandle } from "../../../../src/watch/api.ts";
import type { Change, WatchEvent } from "../../../../src/watch/events.ts";
import type { ReadyOptions } from "../../../../src/watch/ready-options.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import { HeldShare } from "../../../support/fakes/held-share.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly share: HeldShare;
  readonly handle: WatchHandle;
  readonly events: WatchEvent[];
  /** `name size closed` of each file told, and when. */
  ready(): string[];
}

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function bench(ready: ReadyOptions = {}): Promise<Bench> {
  const clock = new ManualClock();
  const share = new HeldShare({ clock, latencyMs: 0, lagMs: 0 });
  const watcher = new ShareWatcher(
    share,
    { ready: { quietMs: 2_000, ...ready } },
    { clock, random: () => 0.5 },
  );
  share.mkdir("/in");
  const events: WatchEvent[] = [];
  const handle = watcher.watch({ path: "/in", recursive: true }, (event) => events.push(event));
  await clock.advance(100);
  await handle.live;
  ends.push(async () => {
    const closing = watcher.close();
    await clock.advance(60_000);
    await closing;
    expect(clock.pending).toBe(0);
  });
  return {
    clock,
    share,
    handle,
    events,
    ready: () =>
      events
        .flatMap((event) =>
          event.type === "changes" ? event.changes.map((change) => ({ event, change })) : [],
        )
        .filter(({ change }) => change.action === "ready")
        .map(({ event, change }) => `${event.path}/${change.name} ${change.size} ${change.closed}`),
  };
}

const actions = (events: readonly WatchEvent[]): Change["action"][] =>
  events.flatMap((event) => (event.type === "changes" ? event.changes.map(({ action }) => action) : []));

describe("files that are told when they are ready", () => {
  it("tells a file once it is quiet and nobody has it open", async () => {
    const { clock, share, ready, events } = await bench();
    share.write("/in/a", 5);
    await clock.advance(1_900);
    expect(ready()).toEqual([]);
    await clock.advance(200);
    expect(ready()).toEqual(["/in/a 5 true"]);
    const change = events.flatMap((event) => (event.type === "changes" ? event.changes : [])).at(-1);
    expect(change).toEqual({
      action: "ready",
      name: "a",
      size: 5,
      modified: expect.stringMatching(/^20.*Z$/),
      fileId: expect.stringMatching(/^\d+$/),
      closed: true,
    });
    await clock.advance(600_000);
    expect(ready()).toHaveLength(1);
  });

  it("does not tell a file that pauses longer than that with its handle open, and asks less and less often", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 5);
    const close = share.hold("/in/a");
    await clock.advance(100_000);
    expect(ready()).toEqual([]);
    const asked = share.probes.get("/in/a") ?? [];
    const gaps = asked.slice(1).map((at, index) => Math.round((at - (asked[index] ?? 0)) / 1_000));
    expect(gaps).toEqual([1, 2, 4, 8, 16, 30, 30]);
    share.write("/in/a", 9);
    close();
    await clock.advance(2_100);
    expect(ready()).toEqual(["/in/a 9 true"]);
  });

  it("is told at maxWaitMs at the latest, and says that it may be open", async () => {
    const { clock, share, ready } = await bench({ maxWaitMs: 10_000 });
    share.write("/in/a", 5);
    share.hold("/in/a");
    for (let second = 0; second < 12; second++) {
      await clock.advance(1_000);
      if (second < 9) share.write("/in/a", 6 + second);
    }
    expect(ready()).toEqual(["/in/a 14 false"]);
  });

  it("waits for the final name of what has a temporary one", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a.mkv.part", 5);
    await clock.advance(10_000);
    expect([ready(), share.probes.size]).toEqual([[], 0]);
    share.rename("/in/a.mkv.part", "/in/a.mkv");
    await clock.advance(2_100);
    expect(ready()).toEqual(["/in/a.mkv 5 true"]);
  });

  it("tells a document once that Office saves", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/x.docx", 1);
    await clock.advance(5_000);
    share.write("/in/~$x.docx", 1);
    share.write("/in/~WRD0001.tmp", 7);
    share.rename("/in/x.docx", "/in/~WRL0002.tmp");
    share.rename("/in/~WRD0001.tmp", "/in/x.docx");
    await clock.advance(100);
    share.remove("/in/~WRL0002.tmp");
    share.remove("/in/~$x.docx");
    await clock.advance(60_000);
    expect(ready()).toEqual(["/in/x.docx 1 true", "/in/x.docx 7 true"]);
  });

  it("waits for an empty file to be filled, but not for ever", async () => {
    const { clock, share, ready } = await bench({ emptyAfterMs: 30_000 });
    share.write("/in/filled", 0);
    share.write("/in/flag", 0);
    await clock.advance(10_000);
    share.write("/in/filled", 4);
    await clock.advance(2_100);
    expect(ready()).toEqual(["/in/filled 4 true"]);
    await clock.advance(18_500);
    expect(ready()).toEqual(["/in/filled 4 true", "/in/flag 0 true"]);
  });

  it("forgets what is removed, and follows what is renamed, with all below it", async () => {
    const { clock, share, ready } = await bench();
    share.mkdir("/in/d");
    share.write("/in/gone", 1);
    share.write("/in/d/below", 2);
    share.write("/in/before", 3);
    await clock.advance(1_000);
    share.remove("/in/gone");
    share.rename("/in/before", "/in/after");
    share.rename("/in/d", "/in/e");
    await clock.advance(3_000);
    expect(ready().sort()).toEqual(["/in/after 3 true", "/in/e/below 2 true"]);
  });

  it("tells a file once more after something was appended, and not after a change of its attributes", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 1);
    await clock.advance(3_000);
    share.touch("/in/a");
    await clock.advance(3_000);
    share.write("/in/a", 2);
    await clock.advance(3_000);
    expect(ready()).toEqual(["/in/a 1 true", "/in/a 2 true"]);
  });

  it("tells it under each name it comes by", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 1);
    await clock.advance(3_000);
    share.rename("/in/a", "/in/b");
    await clock.advance(3_000);
    expect(ready()).toEqual(["/in/a 1 true", "/in/b 1 true"]);
  });

  it("says so where the server cannot: quiet, and unchanged between two looks", async () => {
    const { clock, share, ready } = await bench();
    share.answers = "unknown";
    share.write("/in/a", 1);
    await clock.advance(2_100);
    expect(ready()).toEqual([]);
    // On the server itself: nobody tells.
    share.secretly(() => share.write("/in/a", 2));
    await clock.advance(2_000);
    expect(ready()).toEqual([]);
    await clock.advance(2_100);
    expect(ready()).toEqual(["/in/a 2 false"]);
  });

  it("does not ask where that is not wanted", async () => {
    const { clock, share, ready } = await bench({ closed: false });
    share.write("/in/a", 1);
    share.hold("/in/a");
    await clock.advance(5_000);
    expect([ready(), share.probes.size]).toEqual([["/in/a 1 false"], 0]);
  });

  it("does not believe in the end of a file that is written on the server itself", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 1);
    for (let size = 2; size < 8; size++) {
      await clock.advance(1_500);
      share.secretly(() => share.write("/in/a", size));
    }
    expect(ready()).toEqual([]);
    await clock.advance(5_000);
    expect(ready()).toEqual(["/in/a 7 true"]);
  });

  it("tells what may not even be opened as the directory lists it", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 3);
    share.deny("/in/a");
    await clock.advance(5_000);
    expect(ready()).toEqual(["/in/a 3 false"]);
  });

  it("waits through an outage, and tells what changed meanwhile", async () => {
    const { clock, share, ready } = await bench();
    share.write("/in/a", 1);
    await clock.advance(100);
    share.cut();
    share.write("/in/b", 2);
    await clock.advance(30_000);
    expect(ready()).toEqual([]);
    share.restore();
    await clock.advance(60_000);
    expect(ready().sort()).toEqual(["/in/a 1 true", "/in/b 2 true"]);
  });

  it("does not make files wait longer because the server was away for long", async () => {
    const { clock, share, ready } = await bench();
    const close: (() => void)[] = [];
    for (const name of ["a", "b", "c", "d"]) {
      share.write(`/in/${name}`, 1);
      close.push(share.hold(`/in/${name}`));
      // Not at the same point of their pauses.
      await clock.advance(700);
    }
    // What they are like is known from a listing: they do not seem changed when the server is back.
    share.overflow();
    await clock.advance(5_000);
    share.cut();
    for (const each of close) each();
    await clock.advance(585_000);
    share.restore();
    await clock.advance(5_000);
    expect(ready().sort()).toEqual(["/in/a 1 true", "/in/b 1 true", "/in/c 1 true", "/in/d 1 true"]);
  });

  it("keeps the changes to itself where only ready files are wanted", async () => {
    const { clock, share, events } = await bench({ only: true, ignore: ["*.log", "/in/done/**"] });
    share.mkdir("/in/done");
    share.write("/in/done/x", 1);
    share.write("/in/a.log", 1);
    share.write("/in/a", 1);
    await clock.advance(3_000);
    share.remove("/in/a");
    await clock.advance(3_000);
    expect(actions(events)).toEqual(["ready"]);
  });

  it("hands over what it waits for and what it has told", async () => {
    const { clock, share, handle, ready } = await bench();
    share.write("/in/told", 1);
    await clock.advance(3_000);
    share.write("/in/waiting", 2);
    await clock.advance(500);
    const record = JSON.parse(JSON.stringify(handle.ready?.record));
    expect(record).toEqual({
      waiting: [{ path: "/in/waiting", ageMs: expect.any(Number) }],
      told: [{ path: "/in/told", fileId: expect.any(String), size: 1, modified: expect.any(String) }],
    });
    const successor = new ShareWatcher(share, { ready: { quietMs: 2_000 } }, { clock, random: () => 0.5 });
    const heard: WatchEvent[] = [];
    const next = successor.watch({ path: "/in", recursive: true }, (event) => heard.push(event));
    await clock.advance(100);
    await handle.close();
    next.ready?.adopt(record);
    share.touch("/in/told");
    await clock.advance(5_000);
    expect(ready()).toHaveLength(1);
    expect(actions(heard).filter((action) => action === "ready")).toEqual(["ready"]);
    const closing = successor.close();
    await clock.advance(60_000);
    await closing;
  });

  it("asks about each of a thousand files once", async () => {
    const { clock, share, ready } = await bench();
    for (let file = 0; file < 1_000; file++) {
      // Each change has a time of its own here, a millisecond after the one before it.
      if (file % 100 === 0) await clock.advance(200);
      share.write(`/in/f${file}`, 1);
    }
    await clock.advance(10_000);
    expect(ready()).toHaveLength(1_000);
    expect([...share.probes.values()].filter(({ length }) => length !== 1)).toEqual([]);
  });

  it("asks once for all who wait for the same file at the same moment", async () => {
    const clock = new ManualClock();
    const share = new HeldShare({ clock, latencyMs: 4, lagMs: 0 });
    const watcher = new ShareWatcher(share, { ready: {} }, { clock, random: () => 0.5 });
    let told = 0;
    const sink = (event: WatchEvent): void => {
      if (event.type === "changes") told += event.changes.filter(({ action }) => action === "ready").length;
    };
    for (let interest = 0; interest < 5; interest++) watcher.watch({ path: "/", recursive: false }, sink);
    await clock.advance(100);
    share.write("/a", 1);
    await clock.advance(3_000);
    expect([told, share.probes.get("/a")?.length]).toEqual([5, 1]);
    const closing = watcher.close();
    await clock.advance(60_000);
    await closing;
  });
});
