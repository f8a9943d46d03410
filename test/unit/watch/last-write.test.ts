import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { CanonicalPath } from "../../../src/base/path.ts";
import type { WatchHandle, WatchOverrides } from "../../../src/watch/api.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { FakeShare } from "../../support/fakes/fake-source.ts";

const MINUTE = 60_000;
/** A check, the time a record may take, and the listing. */
const SOON = 63_000;

const watchers: ShareWatcher[] = [];
afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

interface Stage {
  readonly clock: ManualClock;
  readonly share: FakeShare;
  readonly handle: WatchHandle;
  /** What was told since the last call. */
  readonly told: () => string[];
  /** Listings since the last call. */
  readonly listings: () => number;
}

/** A recursive watch of a share with two directories. Health checks, and nothing else that takes its time. */
async function watching(overrides: WatchOverrides = {}, filter = 0x1f): Promise<Stage> {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, latencyMs: 1, lagMs: 5 });
  share.mkdir("/a");
  share.mkdir("/b");
  share.write("/a/old");
  const options = { cover: "directory", healthSeconds: 60, refreshMinutes: 0, filter } as const;
  const watcher = new ShareWatcher(share, options, { clock, random: () => 0.5 });
  watchers.push(watcher);
  const events: WatchEvent[] = [];
  const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event), overrides);
  await clock.advance(100);
  await handle.live;
  await clock.advance(2 * MINUTE);
  events.length = 0;
  let listed = share.calls.list;
  return {
    clock,
    share,
    handle,
    told: () =>
      events.splice(0).map((event) => {
        if (event.type === "resync") return `resync ${event.reason} ${event.path}`;
        if (event.type === "state") return `${event.state} ${event.error ?? ""}`;
        return `${event.via} ${event.path}: ${event.changes.map(({ action, name }) => `${action} ${name}`).join()}`;
      }),
    listings: () => {
      const count = share.calls.list - listed;
      listed = share.calls.list;
      return count;
    },
  };
}

function secretly(share: FakeShare, ...paths: CanonicalPath[]): void {
  share.secretly(() => {
    for (const path of paths) share.write(path);
  });
}

describe("a directory's last write that nobody told of", () => {
  it("leads to a comparison with the next health check, and to a state that says so", async () => {
    const { clock, share, told, listings } = await watching();
    const asked = share.calls.stat;
    secretly(share, "/a/new");
    await clock.advance(SOON);
    expect(told()).toEqual(["rescan /a: added new", expect.stringMatching(/^degraded \/a: .*rescanMinutes/)]);
    expect(listings()).toBe(1);
    // The checks of three directories, as ever.
    expect(share.calls.stat - asked).toBe(3);
  });

  it("is found again and again, and costs nothing where nothing changes", async () => {
    const { clock, share, told, listings } = await watching();
    for (const name of ["1", "2", "3"]) {
      secretly(share, `/a/${name}`);
      await clock.advance(SOON);
      expect(told()).toContain(`rescan /a: added ${name}`);
    }
    expect(listings()).toBe(3);
    await clock.advance(30 * MINUTE);
    expect([told(), listings()]).toEqual([[], 0]);
  });

  it("may have been of a name that came and went: whoever may have listed is told to list again", async () => {
    const { clock, share, told } = await watching({ openAudience: true });
    share.secretly(() => {
      share.write("/a/brief");
      share.remove("/a/brief");
    });
    await clock.advance(SOON);
    expect(told()).toEqual(["resync silent /a"]);
  });

  it("is not explained by what was told besides, once another owner is to go on", async () => {
    const { clock, share, handle, told } = await watching({ openAudience: true, rescanMinutes: 60 });
    share.secretly(() => {
      share.write("/a/brief");
      share.remove("/a/brief");
    });
    share.write("/a/told");
    await clock.advance(1_000);
    expect(told()).toEqual(["notify /a: added told"]);
    handle.recheck?.();
    await clock.advance(5_000);
    expect(told()).toContain("resync silent /a");
    handle.recheck?.();
    await clock.advance(5_000);
    expect(told()).toEqual([]);
  });

  it("is noticed also where the time was set to another by hand", async () => {
    const { clock, share, told } = await watching();
    share.secretly(() => {
      share.write("/a/copied");
      share.setLastWrite("/a", 125_000_000_000_000_000n);
    });
    await clock.advance(SOON);
    expect(told()).toContain("rescan /a: added copied");
  });

  it("is expected where names are not asked for", async () => {
    const { clock, share, told } = await watching({}, 0x1c);
    secretly(share, "/a/new");
    await clock.advance(5 * MINUTE);
    expect(told()).toEqual([]);
  });

  it("is not said of a watch that compares from time to time", async () => {
    const { clock, share, told } = await watching({ rescanMinutes: 30 });
    secretly(share, "/a/new");
    await clock.advance(SOON);
    expect(told()).toEqual(["rescan /a: added new"]);
  });

  it("is forgotten after a day without", async () => {
    const { clock, share, told } = await watching();
    secretly(share, "/a/new");
    await clock.advance(SOON);
    expect(told()).toContainEqual(expect.stringMatching(/^degraded/));
    await clock.advance(25 * 60 * MINUTE);
    expect(told()).toEqual(["live "]);
  });
});

describe("a directory's last write that is known", () => {
  it("is not looked into more than once on a server that tells all", async () => {
    const { clock, share, told, listings } = await watching();
    for (let i = 0; i < 100; i++) {
      await clock.advance(20_000 + i * 7);
      share.write(i % 3 === 0 ? "/b/file" : `/a/${i}`);
      if (i % 10 === 9) share.remove(`/a/${i - (i % 3 === 0 ? 2 : 0)}`);
    }
    await clock.advance(SOON);
    expect(told().filter((line) => !line.startsWith("notify"))).toEqual([]);
    expect(listings()).toBeLessThanOrEqual(1);
  });

  it("hides what was not told before it, until the server is found to keep something back", async () => {
    const { clock, share, told } = await watching();
    // The first look learns how the server's clock goes.
    share.write("/b/told");
    await clock.advance(SOON);
    secretly(share, "/a/hidden");
    await clock.advance(1_000);
    share.write("/a/told");
    await clock.advance(SOON);
    expect(told()).toEqual(["notify /b: added told", "notify /a: added told"]);
    secretly(share, "/b/untold");
    await clock.advance(2 * SOON);
    const now = told();
    expect(now).toContain("rescan /b: added untold");
    expect(now).toContainEqual(expect.stringContaining("added hidden"));
    // From now on nothing is hidden any more.
    secretly(share, "/a/hidden again");
    await clock.advance(1_000);
    share.write("/a/told again");
    await clock.advance(SOON);
    expect(told()).toContainEqual(expect.stringContaining("added hidden again"));
  });

  it("explains nothing that came after it", async () => {
    const { clock, share, told } = await watching();
    share.write("/b/told");
    await clock.advance(SOON);
    share.write("/a/told");
    await clock.advance(1_000);
    secretly(share, "/a/untold");
    await clock.advance(SOON);
    expect(told()).toContain("rescan /a: added untold");
  });

  it("is not looked into where the record is still on its way", async () => {
    const { clock, share, listings } = await watching();
    share.write("/a/1");
    await clock.advance(SOON);
    listings();
    // Each check meets a change of that very moment.
    for (let i = 0; i < 600; i++) {
      share.write(`/a/x${i}`);
      await clock.advance(997);
    }
    expect(listings()).toBeLessThanOrEqual(1);
  });

  it("is looked into ever less where it moves for nothing", async () => {
    const { clock, share, told, listings } = await watching();
    for (let i = 0; i < 60; i++) {
      share.setLastWrite("/a");
      await clock.advance(MINUTE);
    }
    expect(told()).toEqual([]);
    expect(listings()).toBeLessThan(15);
    secretly(share, "/a/new");
    await clock.advance(11 * MINUTE);
    expect(told()).toContain("rescan /a: added new");
  });

  it("is learnt anew when a clock was set", async () => {
    const { clock, share, listings, told } = await watching();
    share.write("/a/1");
    await clock.advance(SOON);
    listings();
    share.skewMs = 3_600_000;
    for (let i = 0; i < 20; i++) {
      share.write(`/b/${i}`);
      await clock.advance(SOON);
    }
    expect(listings()).toBeLessThanOrEqual(3);
    expect(told().filter((line) => !line.startsWith("notify"))).toEqual([]);
  });
});
