import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import * as facts from "../../../src/watch/facts.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";
import { seeded } from "../../support/random.ts";

const ends: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function made(options: ShareWatcherOptions, pageSize = 100) {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, random: seeded(1), pageSize });
  const watcher = new ShareWatcher(
    share,
    { cover: "directory", label: "nas1", ...options },
    { clock, random: seeded(2) },
  );
  ends.push(async () => {
    await watcher.close();
    await clock.advance(10_000);
  });
  return { clock, share, watcher };
}

function collect<T>(channel: { subscribe(listener: (fact: T) => void): () => void }): T[] {
  const found: T[] = [];
  ends.push(channel.subscribe((fact) => found.push(fact)));
  return found;
}

describe("what the engine states about itself", () => {
  it("is every move of every watch, with its connection and the reason", async () => {
    const moves = collect(facts.transitions);
    const { clock, share, watcher } = made({});
    watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(1_000);
    share.overflow();
    await clock.advance(5_000);
    share.cut();
    await clock.advance(100);
    expect(moves.map(({ from, to, failure }) => `${from} ${to} ${failure ?? ""}`.trim())).toEqual([
      "idle opening",
      "opening arming",
      "arming scanning",
      "scanning live",
      "live rescanning",
      "rescanning live",
      "live unreachable unreachable",
    ]);
    expect(moves.every(({ connection, path }) => connection === "nas1" && path === "/")).toBe(true);
    await watcher.close();
    expect(moves.at(-1)?.to).toBe("stopped");
  });

  it("is every answer of the server, every doubt, every scan with its progress", async () => {
    const [notifies, doubts, scans] = [collect(facts.notifies), collect(facts.doubts), collect(facts.scans)];
    const { clock, share, watcher } = made({}, 1_000);
    for (let i = 0; i < 12_000; i++) share.write(`/f${i}`);
    watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(2_000);
    expect(scans.map(({ phase, entries }) => `${phase} ${entries}`)).toEqual([
      "started 0",
      "progress 5000",
      "progress 10000",
      "finished 12000",
    ]);
    share.write("/new");
    await clock.advance(100);
    expect(notifies).toEqual([{ connection: "nas1", path: "/", outcome: "records", records: 1 }]);
    share.overflow();
    await clock.advance(100);
    expect(doubts).toEqual([{ connection: "nas1", path: "/", reason: "overflow" }]);
  });
});

describe("a listing at a limited rate", () => {
  it("takes as long as its entries are many", async () => {
    const { clock, share, watcher } = made({ scanEntriesPerSecond: 100 }, 50);
    for (let i = 0; i < 500; i++) share.write(`/f${i}`);
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(4_900);
    expect(handle.state).toBe("starting");
    await clock.advance(1_000);
    expect(handle.state).toBe("live");
  });

  it("is given up with its watch", async () => {
    const { clock, share, watcher } = made({ scanEntriesPerSecond: 1 }, 50);
    const scans = collect(facts.scans);
    for (let i = 0; i < 500; i++) share.write(`/f${i}`);
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(1_000);
    await handle.close();
    await clock.advance(1_000);
    expect(scans.at(-1)?.phase).toBe("failed");
    expect(clock.pending).toBe(0);
  });
});

describe("health checks", () => {
  it("are at most five a second over a share, however many watches there are", async () => {
    const { clock, share, watcher } = made({ healthSeconds: 60 });
    const at: number[] = [];
    ends.push(facts.healths.subscribe(() => at.push(clock.monotonic())));
    for (let i = 0; i < 200; i++) {
      share.mkdir(`/d${i}`);
      watcher.watch({ path: `/d${i}`, recursive: false }, () => undefined);
    }
    await clock.advance(5_000);
    await clock.advance(120_000);
    expect(at.length).toBeGreaterThan(300);
    // Those of a second are asked for together, at its beginning; an answer takes up to 5 ms.
    const seconds = at.map((each) => Math.floor(each / 1_000));
    expect(Math.max(...seconds.map((one) => seconds.filter((each) => each === one).length))).toBe(5);
  });
});
