import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { lateByLooking, lateByPolling } from "../../../../src/watch/cover/lateness.ts";
import type { WatchEvent } from "../../../../src/watch/events.ts";
import type { ShareWatcherOptions } from "../../../../src/watch/options.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import type { SourceTraits } from "../../../../src/watch/source.ts";
import { FakeShare } from "../../../support/fakes/fake-source.ts";
import { seeded } from "../../../support/random.ts";

let watcher: ShareWatcher | undefined;
afterEach(() => watcher?.close());

async function states(
  options: ShareWatcherOptions,
  traits: Partial<SourceTraits>,
  { path = "/a", recursive = true, refused = false } = {},
) {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, random: seeded(1), traits: { fullRecursion: false, ...traits } });
  share.mkdir("/a");
  if (refused) share.deny("/");
  watcher = new ShareWatcher(share, options, { clock, random: seeded(2) });
  const events: WatchEvent[] = [];
  const handle = watcher.watch({ path, recursive }, (event) => events.push(event));
  await clock.advance(500);
  await handle.live;
  const told = events.filter((event) => event.type === "state");
  expect(handle.late).toEqual(told.at(-1)?.late);
  return { handle, told };
}

describe("what comes late, in the state of a watch", () => {
  it("names and contents, where one recursive handle does not hear what the server itself does", async () => {
    const { told } = await states({}, {});
    expect(told).toEqual([
      { type: "state", path: "/a", state: "live", mode: "notify", late: { names: 120, contents: 600 } },
    ]);
  });

  it("no later than a comparison that is asked for", async () => {
    const { handle } = await states({ rescanMinutes: 0.5 }, {});
    expect(handle.late).toEqual({ names: 60, contents: 60 });
  });

  it("nothing, where the server tells everything, or each directory has a handle", async () => {
    expect((await states({}, { fullRecursion: true })).told).toEqual([
      { type: "state", path: "/a", state: "live", mode: "notify" },
    ]);
    expect((await states({ cover: "directory" }, {})).handle.late).toBeUndefined();
  });

  it("nothing of the directory that the handle lies on, unless that lies above", async () => {
    const top = { path: "/", recursive: false };
    expect((await states({}, {}, top)).handle.late).toBeUndefined();
    expect((await states({}, { rootFromAbove: true }, top)).handle.late).toEqual({
      names: 120,
      contents: 600,
    });
  });

  it("everything, where directories are listed every so often", async () => {
    const tree = { refused: true };
    const { told } = await states({ pollSeconds: 20 }, {}, tree);
    expect(told.at(-1)).toMatchObject({ state: "live", mode: "poll", late: { names: 40, contents: 40 } });
  });

  it("grows with the number of directories, in whole minutes", () => {
    const usual = { healthSeconds: 60, rescanMinutes: 5 };
    expect(lateByLooking(6_000, usual)?.names).toBe(120);
    expect(lateByLooking(6_001, usual)?.names).toBe(180);
    expect(lateByLooking(10_000, usual)?.names).toBe(180);
    expect(lateByLooking(1_000_000, usual)).toEqual({ names: 600, contents: 600 });
    expect(lateByLooking(10, { healthSeconds: 60, rescanMinutes: 0 })).toEqual({ names: 120 });
    // What is not whole no other process would read.
    expect(lateByLooking(10, { healthSeconds: 0.3, rescanMinutes: 0.011 })).toEqual({
      names: 1,
      contents: 2,
    });
    expect(lateByPolling({ pollSeconds: 0.2 })).toEqual({ names: 1, contents: 1 });
    expect(lateByLooking(10, { healthSeconds: 0, rescanMinutes: 0 })).toBeUndefined();
  });
});
