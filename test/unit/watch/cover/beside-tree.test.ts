import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { WatchEvent } from "../../../../src/watch/events.ts";
import type { ShareWatcherOptions } from "../../../../src/watch/options.ts";
import { ShareWatcher } from "../../../../src/watch/share-watcher.ts";
import { type FakeOptions, FakeShare } from "../../../support/fakes/fake-source.ts";
import { seeded } from "../../../support/random.ts";

const open: { watcher: ShareWatcher; clock: ManualClock; share: FakeShare }[] = [];

function bench(fake: Partial<FakeOptions> = {}, options: ShareWatcherOptions = {}) {
  const clock = new ManualClock();
  const share = new FakeShare({ clock, random: seeded(1), traits: { fullRecursion: false }, ...fake });
  share.mkdir("/a");
  share.mkdir("/a/b");
  share.write("/a/b/old");
  const watcher = new ShareWatcher(
    share,
    { leases: fake.leases === true, ...options },
    { clock, random: seeded(2) },
  );
  const events: WatchEvent[] = [];
  open.push({ watcher, clock, share });
  const told = (): string[] =>
    events.splice(0).flatMap((event) => {
      if (event.type !== "changes") return [`${event.type} ${event.path}`];
      return event.changes.map(({ action, name }) => `${event.via}: ${action} ${event.path}/${name}`);
    });
  const watch = async (path: string, recursive: boolean): Promise<void> => {
    const handle = watcher.watch({ path, recursive }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    // Leases come after the first listing.
    await clock.advance(2_000);
    told();
  };
  return { clock, share, watcher, told, watch };
}

afterEach(async () => {
  for (const { watcher, clock, share } of open.splice(0)) {
    const closed = watcher.close();
    await clock.advance(10_000);
    await closed;
    expect(clock.pending, "timers left behind").toBe(0);
    expect(share.handles.size, "handles left open").toBe(0);
  }
});

describe("beside a recursive handle that does not hear everything", () => {
  it("nothing is held but the root, where there are no leases", async () => {
    const { share, watch, watcher } = bench();
    await watch("/", true);
    await watch("/a/b", false);
    expect([...share.handles].map(({ path }) => path)).toEqual(["/"]);
    expect(watcher.handles).toBe(1);
  });

  it("where the account may not watch the root, directories are listed from time to time, and none is held", async () => {
    const { clock, share, told, watch, watcher } = bench();
    share.deny("/");
    await watch("/a", true);
    expect(share.handles.size).toBe(0);
    share.write("/a/b/new");
    await clock.advance(31_000);
    expect(told()).toContain("poll: added /a/b/new");
    await watcher.close();
  });

  it("a link that leads back is not entered by looks at last writes either", async () => {
    const { clock, share, told, watch } = bench();
    share.symlink("/a/back", "/");
    await watch("/", true);
    share.locally(() => {
      share.write("/a/new");
      share.write("/top");
    });
    await clock.advance(600_000);
    const changes = told().filter((line) => line.includes(": added"));
    expect(changes.sort()).toEqual(["notify: added //top", "rescan: added /a/new"]);
  });

  it("names that come, go and change on the server itself are found within two minutes", async () => {
    const { clock, share, told, watch } = bench();
    await watch("/a", true);
    share.locally(() => {
      share.write("/a/b/new");
      share.mkdir("/a/c");
      share.write("/a/c/in it");
      share.remove("/a/b/old");
    });
    await clock.advance(120_000);
    expect(told().sort()).toEqual(
      expect.arrayContaining([
        "rescan: added /a/b/new",
        "rescan: added /a/c",
        "rescan: added /a/c/in it",
        "rescan: removed /a/b/old",
      ]),
    );
  });

  it("many that lie in one directory are asked for by listing that one, and what changes in each is found", async () => {
    const { clock, share, told, watch } = bench({}, { fallbackRescanMinutes: 0, refreshMinutes: 600 });
    await watch("/a", true);
    for (let n = 0; n < 300; n++) share.mkdir(`/a/d${n}`);
    await clock.advance(240_000);
    told();
    const before = { ...share.calls };
    await clock.advance(300_000);
    expect(share.calls.stat - before.stat, "asked for one by one").toBeLessThan(20);
    expect(share.calls.list - before.list, "listed").toBeLessThan(20);
    for (const n of [0, 17, 299]) share.locally(() => share.write(`/a/d${n}/new`));
    await clock.advance(120_000);
    expect(told().sort()).toEqual([
      "rescan: added /a/d0/new",
      "rescan: added /a/d17/new",
      "rescan: added /a/d299/new",
    ]);
  });

  it("a listing whose times are not those of the directories is given up, and what changes is found", async () => {
    const { clock, share, told, watch } = bench({}, { fallbackRescanMinutes: 0, refreshMinutes: 600 });
    for (let n = 0; n < 30; n++) share.mkdir(`/a/d${n}`);
    const list = share.list.bind(share);
    share.list = async function* (path, options) {
      for await (const page of list(path, options))
        yield page.map((entry) => ({ ...entry, modified: entry.modified - 1n }));
    };
    await watch("/a", true);
    await clock.advance(240_000);
    const before = share.calls.list;
    share.locally(() => share.write("/a/d7/new"));
    await clock.advance(120_000);
    expect(told()).toContain("rescan: added /a/d7/new");
    expect(share.calls.list - before, "listed: the changed one only").toBeLessThan(4);
  });

  it("trouble with one directory does not keep the others waiting", async () => {
    const { clock, share, told, watch } = bench();
    for (let n = 0; n < 20; n++) share.mkdir(`/a/d${n}`);
    await watch("/a", true);
    share.deny("/a", true, "busy");
    share.locally(() => share.write("/a/d19/new"));
    await clock.advance(120_000);
    expect(told()).toContain("rescan: added /a/d19/new");
  });

  it("what is written within the same tick of the server's clock as it was listed is found", async () => {
    const { clock, share, told, watch } = bench();
    await watch("/a", true);
    for (let n = 0; told().length === 0; n++) {
      share.locally(() => share.write(`/a/b/${n}`));
      await clock.advance(100);
    }
    const looking = share.stat("/a/b", {});
    await clock.advance(10);
    const { modified } = await looking;
    share.locally(() => share.write("/a/b/in the same tick"));
    share.setLastWrite("/a/b", modified);
    await clock.advance(120_000);
    expect(told()).toContain("rescan: added /a/b/in the same tick");
  });

  it("what is written to files that are there is found within ten minutes", async () => {
    const { clock, share, told, watch } = bench();
    await watch("/a/b", false);
    share.write("/a/b/old", 77);
    await clock.advance(600_000);
    expect(told()).toContain("rescan: modified /a/b/old");
  });

  it("a directory in which all is told is neither listed nor announced for ever", async () => {
    const { clock, share, told, watch } = bench();
    await watch("/a/b", false);
    for (let n = 0; n < 5; n++) {
      share.write(`/a/b/${n}`);
      await clock.advance(60_000);
    }
    expect(told().filter((line) => line.startsWith("resync"))).toEqual([]);
  });

  it("a directory of two interests is listed for each, and not announced for that", async () => {
    const { clock, told, watch } = bench({}, { rescanMinutes: 0.1 });
    await watch("/a", true);
    await watch("/a", false);
    await clock.advance(30_000);
    expect(told()).toEqual([]);
  });

  it("leased handles hear the server itself at once, each thing once", async () => {
    const { clock, share, told, watch, watcher } = bench({ leases: true });
    await watch("/", true);
    expect([...share.handles].map(({ path }) => path).sort()).toEqual(["/", "/a", "/a/b"]);
    expect(watcher.handles).toBe(3);
    share.locally(() => share.write("/a/b/local"));
    share.write("/a/b/by a client");
    share.remove("/a/b/old");
    share.rename("/a/b/local", "/a/b/other");
    await clock.advance(1_000);
    expect(told().sort()).toEqual([
      "notify: added /a/b/by a client",
      "notify: added /a/b/local",
      "notify: removed /a/b/old",
      "notify: renamed /a/b/other",
    ]);
  });

  it("a leased handle is closed at the first word, and taken again when others are done", async () => {
    const { clock, share, told, watch } = bench({ leases: true });
    await watch("/", true);
    share.recall("/a");
    await clock.advance(0);
    expect([...share.handles].map(({ path }) => path)).toEqual(["/"]);
    share.locally(() => share.write("/a/b/unheard"));
    await clock.advance(10_000);
    expect([...share.handles].map(({ path }) => path).sort()).toEqual(["/", "/a", "/a/b"]);
    expect(told()).toEqual(expect.arrayContaining(["rescan: added /a/b/unheard", "resync /a/b"]));
  });

  it("a directory that is recalled again and again is left alone for longer and longer", async () => {
    const { clock, share, watch } = bench({ leases: true });
    await watch("/a/b", false);
    const before = share.calls.open;
    for (let n = 0; n < 600; n++) {
      share.recall("/a/b");
      await clock.advance(200);
    }
    expect(share.calls.open - before).toBeLessThan(10);
  });

  it("a leased handle goes with its directory", async () => {
    const { clock, share, watch } = bench({ leases: true });
    await watch("/", true);
    share.rename("/a/b", "/a/moved");
    await clock.advance(5_000);
    expect([...share.handles].map(({ path }) => path).sort()).toEqual(["/", "/a", "/a/moved"]);
    share.remove("/a/moved");
    await clock.advance(5_000);
    expect([...share.handles].map(({ path }) => path).sort()).toEqual(["/", "/a"]);
  });
});
