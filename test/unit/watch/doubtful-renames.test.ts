import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { WatchHandle } from "../../../src/watch/api.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { type FakeOptions, FakeShare } from "../../support/fakes/fake-source.ts";
import { seeded } from "../../support/random.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly share: FakeShare;
  watch(path: string, recursive: boolean): Promise<WatchHandle>;
  /** What was told since the last call. */
  take(): string[];
}

let open: (() => Promise<void>) | undefined;

function bench(
  options: ShareWatcherOptions = {},
  doubtfulRenames = true,
  fake: Partial<FakeOptions> = {},
): Bench {
  const clock = new ManualClock();
  const traits = { fullRecursion: false, doubtfulRenames };
  const share = new FakeShare({ clock, random: seeded(1), pairsMoves: true, traits, ...fake });
  const watcher = new ShareWatcher(share, { cover: "directory", ...options }, { clock, random: seeded(2) });
  const events: string[] = [];
  open = async () => {
    await watcher.close();
    await clock.advance(10_000);
    expect(clock.pending, "timers left behind").toBe(0);
  };
  for (const path of ["/x1", "/x2"]) share.mkdir(path);
  return {
    clock,
    share,
    async watch(path, recursive) {
      const handle = watcher.watch({ path, recursive }, (event) => events.push(...told(event)));
      await clock.advance(5_000);
      await handle.live;
      events.length = 0;
      return handle;
    },
    take: () => events.splice(0),
  };
}

function told(event: WatchEvent): string[] {
  if (event.type !== "changes") return [];
  return event.changes.map(({ action, name, oldName }) =>
    [event.via, action, event.path, ...(oldName === undefined ? [] : [oldName, ">"]), name].join(" "),
  );
}

afterEach(() => open?.());

describe("a server that tells a move to both directories as one rename", () => {
  for (const recursive of [false, true]) {
    it(`leaves no name behind that was never there${recursive ? ", with sub-directories" : ""}`, async () => {
      const { clock, share, watch, take } = bench();
      share.write("/x1/m1");
      await watch("/x1", recursive);
      share.rename("/x1/m1", "/x2/gone");
      await clock.advance(2_000);
      expect(take()).toEqual(["notify renamed /x1 m1 > gone", "rescan removed /x1 gone"]);
    });
  }

  for (const cover of ["directory", "tree"] as const) {
    it(`leaves no watch degraded behind a directory that has gone: cover ${cover}`, async () => {
      const { clock, share, watch, take } = bench({ cover });
      share.mkdir("/x1/m1");
      share.write("/x1/m1/deep");
      const left = await watch("/x1", true);
      const right = await watch("/x2", true);
      share.rename("/x1/m1", "/x2/gone");
      await clock.advance(5_000);
      expect([left.state, right.state]).toEqual(["live", "live"]);
      const events = take();
      // One handle at the root tells the directories apart.
      if (cover === "directory") expect(events).toContain("rescan removed /x1 gone");
      expect(events).toContain("rescan added /x2/gone deep");
      share.write("/x2/gone/later");
      await clock.advance(5_000);
      expect(take()).toEqual(["notify added /x2/gone later"]);
    });
  }

  it("takes nothing away that has the old name in the new directory", async () => {
    const { clock, share, watch, take } = bench();
    for (const path of ["/x1/m1", "/x2/m1"] as const) share.write(path);
    await watch("/x2", false);
    share.rename("/x1/m1", "/x2/new");
    await clock.advance(2_000);
    expect(take()).toEqual([
      "notify renamed /x2 m1 > new",
      // What had this name is another file than the one that has it now.
      "rescan removed /x2 new",
      "rescan added /x2 m1",
      "rescan added /x2 new",
    ]);
    share.remove("/x2/m1");
    await clock.advance(2_000);
    expect(take()).toEqual(["notify removed /x2 m1"]);
  });

  it("is compared where much is moved, and corrected where a directory is too large to compare", async () => {
    const many = bench();
    for (let each = 0; each < 40; each++) many.share.write(`/x1/${each}`);
    await many.watch("/x1", false);
    const before = many.share.calls.list;
    for (let each = 0; each < 40; each++) many.share.rename(`/x1/${each}`, `/x2/new ${each}`);
    await many.clock.advance(5_000);
    expect(many.take().filter((each) => each.startsWith("rescan removed /x1 new"))).toHaveLength(40);
    expect(many.share.calls.list - before).toBeLessThan(5);
    await open?.();

    const large = bench({ maxEntries: 3 });
    for (let each = 0; each < 5; each++) large.share.write(`/x1/${each}`);
    await large.watch("/x1", false);
    large.share.rename("/x1/1", "/x2/new");
    await large.clock.advance(2_000);
    expect(large.take()).toEqual(["notify renamed /x1 1 > new", "rescan removed /x1 new"]);
  });

  it("costs one look-up for a rename that is true, and none on a server that is known", async () => {
    for (const doubtful of [true, false]) {
      const { clock, share, watch, take } = bench({}, doubtful);
      share.write("/x1/a");
      await watch("/x1", false);
      const { list, lookUp, stat } = share.calls;
      share.rename("/x1/a", "/x1/b");
      await clock.advance(1_000);
      expect(take()).toEqual(["notify renamed /x1 a > b"]);
      expect(share.calls).toMatchObject({ list, lookUp: lookUp + (doubtful ? 1 : 0), stat });
      await open?.();
    }
  });
});

describe("a server whose recursive handle tells bare names", () => {
  it("is looked through within seconds when it tells what is not there, and no more often than that", async () => {
    const { clock, share, watch, take } = bench({ cover: "tree", healthSeconds: 3_600 }, true, {
      bareNames: true,
    });
    await watch("/", true);
    await clock.advance(60_000);
    take();
    share.write("/x1/a");
    await clock.advance(10_000);
    const events = take();
    expect(events).toContain("rescan added /x1 a");
    expect(events.filter((each) => each.endsWith(" / a"))).toEqual([
      "notify added / a",
      "rescan removed / a",
    ]);
    // A rename is looked up, and found wrong by a comparison.
    share.rename("/x1/a", "/x1/b");
    await clock.advance(10_000);
    expect(take()).toContain("rescan renamed /x1 a > b");
    share.remove("/x1/b");
    await clock.advance(10_000);
    expect(take()).toContain("rescan removed /x1 b");
    const { stat } = share.calls;
    for (let each = 0; each < 100; each++) {
      share.write(`/x2/${each}`);
      share.remove(`/x2/${each}`);
      await clock.advance(100);
    }
    // Three directories, every five seconds.
    expect(share.calls.stat - stat).toBeLessThan(20);
  });
});
