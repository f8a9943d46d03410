import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { WatchEvent } from "../../../../src/watch/events.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import { FakeShare } from "../../../support/fakes/fake-source.ts";

/** What Samba does: it accepts, and hears of local changes only from a moment later on. */
const DEAF = { deafMs: 200, latencyMs: 1, lagMs: 0, traits: { settleScanMs: 1_500 } };

const watchers: ShareWatcher[] = [];

afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

async function watching(
  options: Partial<ConstructorParameters<typeof FakeShare>[0]> = {},
): Promise<{ clock: ManualClock; share: FakeShare; told: () => string[] }> {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, ...DEAF, ...options });
  share.write("/old");
  // What has just changed is listed once more for another reason.
  await clock.advance(120_000);
  const watcher = new ShareWatcher(
    share,
    { cover: "directory", healthSeconds: 0 },
    { clock, random: () => 0 },
  );
  watchers.push(watcher);
  const events: WatchEvent[] = [];
  const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
  await clock.advance(20);
  await handle.live;
  events.length = 0;
  const told = (): string[] =>
    events.splice(0).map((event) => {
      if (event.type === "resync") return `resync ${event.reason}`;
      if (event.type === "state") return event.state;
      return `${event.via}: ${event.changes.map(({ action, name }) => `${action} ${name}`).join()}`;
    });
  return { clock, share, told };
}

describe("a second look at a server that is deaf at first", () => {
  it("finds what nobody was told of", async () => {
    const { clock, share, told } = await watching();
    share.write("/early");
    await clock.advance(1_400);
    expect(told()).toEqual([]);
    await clock.advance(200);
    expect(told()).toContain("rescan: added early");
  });

  it("says so where a name may have come and gone unheard", async () => {
    const { clock, share, told } = await watching();
    share.write("/early");
    share.remove("/early");
    await clock.advance(2_000);
    expect(told()).toEqual(["resync silent"]);
  });

  it("says so even when the server has been heard since: it may have been deaf before", async () => {
    const { clock, share, told } = await watching();
    share.write("/early");
    share.remove("/early");
    await clock.advance(300);
    share.write("/late");
    await clock.advance(2_000);
    expect(told()).toEqual(["notify: added late", "resync silent"]);
  });

  it("asks nobody to list again where nothing has changed", async () => {
    const { clock, share, told } = await watching();
    await clock.advance(10_000);
    expect(told()).toEqual([]);
    expect(share.calls.list).toBe(2);
  });

  it("is taken once, and after each new handle", async () => {
    const { clock, share, told } = await watching();
    await clock.advance(60_000);
    expect(share.calls.list).toBe(2);
    share.cleanup();
    await clock.advance(20);
    share.write("/early");
    await clock.advance(2_000);
    expect(told()).toContain("rescan: added early");
    expect(share.calls.list).toBe(4);
  });

  it("is not taken where the server hears at once", async () => {
    const { clock, share } = await watching({ deafMs: 0, traits: {} });
    await clock.advance(60_000);
    expect(share.calls.list).toBe(1);
  });

  it("is paced: two hundred watches do not list at the same moment", async () => {
    const clock = new ManualClock();
    const share = new FakeShare({ clock, ...DEAF });
    const watcher = new ShareWatcher(
      share,
      { cover: "directory", healthSeconds: 0 },
      { clock, random: () => 0 },
    );
    watchers.push(watcher);
    for (let i = 0; i < 200; i++) {
      share.mkdir(`/d${i}`);
      watcher.watch({ path: `/d${i}`, recursive: false }, () => undefined);
    }
    await clock.advance(1_400);
    expect(share.calls.list).toBe(200);
    await clock.advance(1_100);
    expect(share.calls.list).toBeLessThan(320);
    await clock.advance(2_000);
    expect(share.calls.list).toBe(400);
  });
});
