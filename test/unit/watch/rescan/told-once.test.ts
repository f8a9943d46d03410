import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { CanonicalPath } from "../../../../src/base/path.ts";
import type { ShareWatcherOptions } from "../../../../src/watch/options.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import type { SourceTraits } from "../../../../src/watch/source.ts";
import { FakeShare } from "../../../support/fakes/fake-source.ts";

interface Watching {
  readonly clock: ManualClock;
  readonly share: FakeShare;
  /** Goes live. */
  watch(path: CanonicalPath, recursive: boolean): Promise<void>;
  /** Additions since the last call. */
  take(): string[];
}

const watchers: ShareWatcher[] = [];

afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

async function watching(options: ShareWatcherOptions, traits: Partial<SourceTraits> = {}): Promise<Watching> {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, traits: { fullRecursion: false, settleScanMs: 1_500, ...traits } });
  for (const path of ["/tree", "/tree/old", "/flat"] as const) share.mkdir(path);
  // What has just changed is listed once more for another reason.
  await clock.advance(120_000);
  const watcher = new ShareWatcher(share, options, { clock, random: () => 0 });
  watchers.push(watcher);
  const added: string[] = [];
  const watch = async (path: CanonicalPath, recursive: boolean): Promise<void> => {
    const handle = watcher.watch({ path, recursive }, (event) => {
      if (event.type !== "changes") return;
      for (const { action, name } of event.changes)
        if (action === "added") added.push(`${event.via}: ${event.path}/${name}`);
    });
    await clock.advance(5_000);
    await handle.live;
  };
  return { clock, share, watch, take: () => added.splice(0) };
}

describe("a directory that was told as a name, and is found to be one by a look", () => {
  it("is told once where the directory's last write is looked at", async () => {
    const { clock, share, watch, take } = await watching({ cover: "directory", healthSeconds: 10 });
    await watch("/flat", false);
    const before = share.calls.list;
    share.mkdir("/flat/new");
    await clock.advance(30_000);
    expect(share.calls.list, "nobody looked").toBeGreaterThan(before);
    expect(take()).toEqual(["notify: /flat/new"]);
  });

  it("is told once in a new directory inside a recursive handle, and so is what is in it", async () => {
    const { clock, share, watch, take } = await watching({ cover: "tree", healthSeconds: 0 });
    await watch("/tree", true);
    share.mkdir("/tree/new");
    await clock.advance(400);
    share.mkdir("/tree/new/inner");
    share.secretly(() => share.write("/tree/new/inner/untold"));
    await clock.advance(10_000);
    expect(take()).toEqual([
      "notify: /tree/new",
      "notify: /tree/new/inner",
      "rescan: /tree/new/inner/untold",
    ]);
  });

  it("is told once where records may have come to the wrong handle", async () => {
    const options = { cover: "directory", healthSeconds: 0 } as const;
    const { clock, share, watch, take } = await watching(options, { strayRecords: true });
    await watch("/tree", true);
    share.rename("/tree/old", "/tree/older");
    await clock.advance(10_000);
    await watch("/flat", false);
    const before = share.calls.list;
    share.mkdir("/flat/new");
    await clock.advance(10_000);
    expect(share.calls.list, "nobody looked").toBeGreaterThan(before);
    expect(take()).toEqual(["notify: /flat/new"]);
  });

  it("is told again where changes were lost: it may be another", async () => {
    const { clock, share, watch, take } = await watching({ cover: "directory", healthSeconds: 0 });
    await watch("/flat", false);
    share.mkdir("/flat/new");
    await clock.advance(1_000);
    share.overflow();
    await clock.advance(10_000);
    expect(take()).toEqual(["notify: /flat/new", "rescan: /flat/new"]);
  });
});
