import { getEventListeners } from "node:events";
import { afterEach, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { mirrorShare } from "../../../src/share/direct-mirror.ts";
import { type StreamEvent, WatchStream } from "../../../src/share/watch-stream.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";

const watchers: ShareWatcher[] = [];
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

/** A recursive watch on a share with the directories `/d1` and `/d2`, and what its reader was told. */
async function watching(
  prepare: (share: FakeShare) => void,
  maxQueued = 100,
): Promise<{ share: FakeShare; clock: ManualClock; stream: WatchStream; events: StreamEvent[] }> {
  const clock = new ManualClock();
  const share = new FakeShare({ clock });
  share.mkdir("/d1");
  share.mkdir("/d2");
  prepare(share);
  const watcher = new ShareWatcher(share, { cover: "directory" }, { clock, random: () => 0.5 });
  watchers.push(watcher);
  const stream = new WatchStream(watcher, "/", { recursive: true, maxQueued });
  await clock.advance(1_000);
  const events: StreamEvent[] = [];
  if (maxQueued === 100) {
    void (async () => {
      for await (const event of stream) events.push(event);
    })();
    await clock.advance(0);
  }
  return { share, clock, stream, events };
}

it("says right after live what is wrong at that moment", async () => {
  const { share, clock, events } = await watching((share) => share.deny("/d1"));
  expect(events).toEqual([
    { type: "live", path: "/" },
    { type: "state", path: "/", state: "degraded", mode: "notify", error: "/d1: denied: /d1" },
  ]);
  share.deny("/d1", false);
  await clock.advance(600_000);
  expect(events.slice(2)).toEqual([
    // Whoever lists with other rights may have names that went before we were let in.
    { type: "resync", path: "/d1", scope: "self", reason: "silent", picture: "kept" },
    { type: "state", path: "/", state: "live", mode: "notify" },
  ]);
});

it("says nothing more than live where all is well", async () => {
  const { events } = await watching(() => undefined);
  expect(events).toEqual([{ type: "live", path: "/" }]);
});

it("says that a server is polled", async () => {
  const { events } = await watching((share) => {
    share.mute = true;
  });
  const late = { names: 60, contents: 60 };
  expect(events).toEqual([
    { type: "live", path: "/", late },
    { type: "state", path: "/", state: "live", mode: "poll", late },
  ]);
});

it("keeps what no listing shows for a reader that is too slow for the changes", async () => {
  const { share, clock, stream } = await watching((share) => share.deny("/d1"), 3);
  for (let i = 0; i < 5; i++) {
    share.write(`/d2/${i}`);
    await clock.advance(1_000);
  }
  const told: StreamEvent[] = [];
  for (let i = 0; i < 3; i++) {
    const { value } = await stream.next();
    if (value !== undefined) told.push(value);
  }
  expect(told).toMatchObject([
    { type: "live" },
    { type: "resync", reason: "slow-consumer" },
    { type: "state", state: "degraded" },
  ]);
});

it("has one listener at a signal that ends many, which Node would take for a leak", async () => {
  const clock = new ManualClock();
  const watcher = new ShareWatcher(new FakeShare({ clock }), { cover: "directory" }, { clock });
  watchers.push(watcher);
  const stop = new AbortController();
  const { signal } = stop;
  const streams = Array.from({ length: 6 }, () => new WatchStream(watcher, "/", { signal }));
  const mirrors = Array.from({ length: 6 }, () => mirrorShare(watcher, "/", { signal, clock }));
  await clock.advance(1_000);
  await Promise.all(mirrors.map(({ ready }) => ready));
  expect(getEventListeners(signal, "abort")).toHaveLength(1);
  stop.abort();
  await clock.advance(0);
  expect(getEventListeners(signal, "abort")).toEqual([]);
  for (const stream of streams) {
    await stream.next();
    await expect(stream.next()).rejects.toThrow(AbortedError);
  }
});
