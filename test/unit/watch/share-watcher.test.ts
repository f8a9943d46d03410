import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { type FakeOptions, FakeShare } from "../../support/fake-source.ts";
import { seeded } from "../../support/random.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly share: FakeShare;
  readonly watcher: ShareWatcher;
  readonly events: WatchEvent[];
  /** Events since the last call. */
  take(): WatchEvent[];
}

const open: Bench[] = [];

function bench(options: ShareWatcherOptions = {}, fake: Partial<FakeOptions> = {}): Bench {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, random: seeded(1), ...fake });
  const watcher = new ShareWatcher(
    share,
    { cover: "directory", healthSeconds: 60, ...options },
    { clock, random: seeded(2) },
  );
  const events: WatchEvent[] = [];
  const made = { clock, share, watcher, events, take: () => events.splice(0) };
  open.push(made);
  return made;
}

afterEach(async () => {
  for (const { watcher, clock, share } of open.splice(0)) {
    await watcher.close();
    await clock.advance(10_000);
    expect(clock.pending, "timers left behind").toBe(0);
    expect(share.handles.size, "handles left open").toBe(0);
  }
});

function told(events: readonly WatchEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.type === "resync") return [`resync ${event.path} ${event.scope} ${event.reason}`];
    if (event.type === "state") return [`${event.state} ${event.mode}`];
    return event.changes.map(
      ({ action, name, oldName }) =>
        `${event.via}: ${action} ${event.path}:${oldName === undefined ? "" : `${oldName}>`}${name}`,
    );
  });
}

describe("a watch of one directory", () => {
  it("is live once armed and listed, and tells what happens then", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/d");
    share.write("/d/old");
    const handle = watcher.watch({ path: "/d", recursive: false }, (event) => events.push(event));
    expect(handle.state).toBe("starting");
    await clock.advance(100);
    await handle.live;
    expect(told(take())).toEqual(["live notify"]);
    share.write("/d/a");
    share.write("/d/a");
    share.rename("/d/a", "/d/b");
    share.remove("/d/old");
    await clock.advance(300);
    expect(told(take())).toEqual([
      "notify: added /d:a",
      "notify: modified /d:a",
      "notify: renamed /d:a>b",
      "notify: removed /d:old",
    ]);
  });

  it("compares listings after an overflow", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.write("/keep");
    share.write("/gone");
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    await clock.advance(120_000);
    take();
    share.write("/x");
    await clock.advance(120_000);
    take();
    share.write("/keep");
    share.remove("/gone");
    share.rename("/x", "/y");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take()).sort()).toEqual([
      "rescan: added /:y",
      "rescan: modified /:keep",
      "rescan: removed /:gone",
      "rescan: removed /:x",
    ]);
  });

  it("comes back after a cut and tells the differences", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.write("/a");
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    share.cut();
    share.rename("/a", "/b");
    await clock.advance(5_000);
    expect(handle.state).toBe("unreachable");
    share.restore();
    await clock.advance(5_000);
    expect(handle.state).toBe("live");
    expect(told(take()).filter((line) => !line.startsWith("resync"))).toEqual([
      "live notify",
      "unreachable notify",
      "rescan: renamed /:a>b",
      "rescan: modified /:b",
      "live notify",
    ]);
  });
});
