import { afterEach, describe, expect, it } from "vitest";
import { sleep } from "../../../../src/base/async.ts";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { CanonicalPath } from "../../../../src/base/path.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import type { DirectoryEntry, ListOptions } from "../../../../src/watch/source.ts";
import { FakeShare } from "../../../support/fakes/fake-source.ts";

/** Takes a minute for the first answer to a listing. */
class SlowShare extends FakeShare {
  readonly signals: AbortSignal[] = [];

  override async *list(
    path: CanonicalPath,
    options: ListOptions,
  ): AsyncGenerator<readonly DirectoryEntry[], void> {
    const { signal } = options;
    if (signal !== undefined) this.signals.push(signal);
    await sleep(60_000, { signal, clock: this.options.clock });
    yield* super.list(path, options);
  }
}

const watchers: ShareWatcher[] = [];

afterEach(async () => {
  for (const watcher of watchers.splice(0)) await watcher.close();
});

function watching(): { clock: ManualClock; share: SlowShare; watcher: ShareWatcher } {
  const clock = new ManualClock();
  const share = new SlowShare({ clock });
  const watcher = new ShareWatcher(share, { cover: "directory" }, { clock, random: () => 0 });
  watchers.push(watcher);
  watcher.watch({ path: "/", recursive: false }, () => undefined);
  return { clock, share, watcher };
}

describe("a handle", () => {
  it("that is lost before it is live ends the listing that is under way", async () => {
    const { clock, share } = watching();
    await clock.advance(1_000);
    expect(share.signals.map(({ aborted }) => aborted)).toEqual([false]);
    share.cleanup();
    await clock.advance(1_000);
    expect(share.signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it("that is closed leaves nothing under way, in whatever state it is", async () => {
    for (const after of [0, 1_000, 61_000, 63_000]) {
      const { clock, share, watcher } = watching();
      await clock.advance(after);
      // At 63 s the overflow is being looked into.
      if (after > 61_000) share.overflow();
      await clock.advance(500);
      const closed = watcher.close();
      await clock.advance(100);
      await closed;
      expect(share.handles.size).toBe(0);
      expect(share.signals.at(-1)?.aborted ?? true).toBe(after !== 61_000);
      expect(clock.pending).toBe(0);
    }
  });

  it("waits for a few others to begin, but for none that takes long", async () => {
    const { clock, share, watcher } = watching();
    for (let i = 1; i < 100; i++) {
      share.mkdir(`/d${i}`);
      watcher.watch({ path: `/d${i}`, recursive: false }, () => undefined);
    }
    await clock.advance(1_900);
    expect(share.calls.open).toBe(32);
    await clock.advance(200);
    expect(share.calls.open).toBe(100);
  });

  it("that is closed when its turn has come gives that back", async () => {
    const { clock, share, watcher } = watching();
    const watch = (name: string) => {
      share.mkdir(`/${name}`);
      return watcher.watch({ path: `/${name}`, recursive: false }, () => undefined);
    };
    for (let i = 1; i < 31; i++) watch(`d${i}`);
    const closed = watch("closed").close();
    watch("next");
    await clock.advance(100);
    await closed;
    expect([share.calls.open, watcher.handles]).toEqual([32, 32]);
  });

  it("that is closed before it begins never does", async () => {
    const { clock, share, watcher } = watching();
    const all = Array.from({ length: 100 }, (_, i) => {
      share.mkdir(`/d${i}`);
      return watcher.watch({ path: `/d${i}`, recursive: false }, () => undefined);
    });
    await clock.advance(1_000);
    const last = all.at(-1);
    const closed = last?.close();
    await clock.advance(0);
    await closed;
    expect(watcher.handles).toBe(100);
    const ended = watcher.close();
    await clock.advance(1_000);
    await ended;
    expect([share.calls.open, clock.pending]).toEqual([32, 0]);
  });
});
