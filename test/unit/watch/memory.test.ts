import { queryObjects } from "node:v8";
import { afterEach, describe, expect, it } from "vitest";
import { MemoryShare } from "../../../bench/memory-share.ts";
import { settledMemory } from "../../../bench/stats.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";

const WATCHES = 500;

const watchers: ShareWatcher[] = [];

afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

async function arm(watches: number): Promise<void> {
  const watcher = new ShareWatcher(new MemoryShare([]), { cover: "directory" });
  watchers.push(watcher);
  const live = Array.from({ length: watches }, async (_, i) => {
    await watcher.watch({ path: `/d${i}`, recursive: false }, () => undefined).live;
  });
  await Promise.all(live);
}

// biome-ignore lint/complexity/noBannedTypes: what queryObjects takes
type Constructor = Function;

/** How many of each are alive after a collection (Node 20.13 and later). */
function alive(of: readonly Constructor[]): number[] {
  return of.map((each) => Number(queryObjects(each, { format: "count" })));
}

// `npm run bench -- --only watches` has the numbers; here is only what may not creep back.
describe("a live watch that nothing happens to", () => {
  it("waits for nothing: no timer, no signal, no table of its own", async () => {
    await arm(10);
    const kinds = [AbortController, AbortSignal, Map, Set, Promise];
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((resource) => resource === "Timeout").length;
    const before = [...alive(kinds), timers()];
    await arm(WATCHES);
    const each = [...alive(kinds), timers()].map((now, i) => (now - (before[i] ?? 0)) / WATCHES);
    const [controllers = 1, signals = 1, maps = 1, sets = 1, promises = 99, timeouts = 1] = each;
    expect({ controllers, signals, maps, sets, timeouts }).toEqual({
      controllers: expect.closeTo(0, 1),
      signals: expect.closeTo(0, 1),
      maps: expect.closeTo(0, 1),
      sets: expect.closeTo(0, 1),
      timeouts: expect.closeTo(0, 1),
    });
    // Its `live`, what `close` waits for, and those of the request at each of two places in the fake server.
    expect(promises).toBeLessThan(12);
  });

  it("is live in a recursive watch as well, each with a handle", async () => {
    const names = Array.from({ length: 50 }, (_, i) => `d${i}`);
    const watcher = new ShareWatcher(new MemoryShare(names), { cover: "directory" });
    watchers.push(watcher);
    const watch = watcher.watch({ path: "/", recursive: true }, () => undefined);
    await watch.live;
    expect([watch.state, watcher.handles]).toEqual(["live", 51]);
  });

  it("takes a few KiB", async () => {
    await arm(10);
    const before = settledMemory();
    await arm(WATCHES);
    const bytes = (settledMemory() - before) / WATCHES;
    // 4.5 KiB, the fake server's share in it; 20 when each had timers and signals of its own.
    expect(bytes).toBeLessThan(8 * 1_024);
  });
});
