import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { WatchHandle } from "../../../src/watch/api.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { type FakeOptions, FakeShare } from "../../support/fake-source.ts";
import { seeded } from "../../support/random.ts";

interface Bench {
  readonly clock: ManualClock;
  readonly share: FakeShare;
  readonly watcher: ShareWatcher;
  /** Watches `/`, and goes live. */
  watch(recursive?: boolean): Promise<WatchHandle>;
  /** What was told since the last call, without its origin. */
  take(): string[];
}

const open: Bench[] = [];

function bench(options: ShareWatcherOptions = {}, fake: Partial<FakeOptions> = {}): Bench {
  const clock = new ManualClock();
  const share = new FakeShare({
    clock,
    random: seeded(1),
    traits: { fullRecursion: false, settleScanMs: 1_500 },
    ...fake,
  });
  const watcher = new ShareWatcher(share, { cover: "directory", ...options }, { clock, random: seeded(2) });
  const events: WatchEvent[] = [];
  const made: Bench = {
    clock,
    share,
    watcher,
    async watch(recursive = true) {
      const handle = watcher.watch({ path: "/", recursive }, (event) => events.push(event));
      await clock.advance(5_000);
      await handle.live;
      return handle;
    },
    take: () => events.splice(0).flatMap(told),
  };
  open.push(made);
  return made;
}

function told(event: WatchEvent): string[] {
  if (event.type === "resync") return [`resync ${event.path} ${event.scope}`];
  if (event.type === "state") return [`${event.state}${event.error === undefined ? "" : `: ${event.error}`}`];
  const at = event.path === "/" ? "/" : `${event.path}/`;
  return event.changes.map(({ action, name, oldName }) =>
    oldName === undefined ? `${action} ${at}${name}` : `${action} ${at}${oldName} > ${name}`,
  );
}

afterEach(async () => {
  for (const { watcher, clock, share } of open.splice(0)) {
    await watcher.close();
    await clock.advance(10_000);
    expect(clock.pending, "timers left behind").toBe(0);
    expect(share.handles.size, "handles left open").toBe(0);
  }
});

describe("a directory that is refused at first", () => {
  for (const cover of ["directory", "tree"] as const) {
    it(`is told, and followed as soon as it is allowed: cover ${cover}`, async () => {
      const { clock, share, watch, take } = bench({ cover });
      await watch();
      expect(take()).toEqual(["live"]);
      share.mkdir("/job");
      share.deny("/job");
      share.secretly(() => share.write("/job/1.txt"));
      await clock.advance(1_000);
      expect(take()).toEqual(["added /job", "degraded: /job: denied: /job"]);
      share.deny("/job", false);
      share.touch("/job");
      await clock.advance(5_000);
      expect(take()).toEqual(expect.arrayContaining(["modified /job", "added /job/1.txt", "live"]));
      share.write("/job/2.txt");
      await clock.advance(1_000);
      expect(take()).toEqual(["added /job/2.txt"]);
    });
  }
});
