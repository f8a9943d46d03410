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

describe("a directory that is listed under a name that no client can open", () => {
  for (const cover of ["directory", "tree"] as const) {
    it(`is told, and named as long as it is there: cover ${cover}`, async () => {
      const { clock, share, watch, take } = bench({ cover, rescanMinutes: 1 });
      share.mkdir("/colon");
      share.deny("/colon", true, "gone");
      const handle = await watch();
      await clock.advance(60_000);
      expect(handle.state).toBe("degraded");
      expect(take()).toContain("degraded: /colon: gone: /colon");
      share.mkdir("/later");
      share.deny("/later", true, "gone");
      share.remove("/colon");
      await clock.advance(60_000);
      expect(take()).toEqual(expect.arrayContaining(["removed /colon", "degraded: /later: gone: /later"]));
      share.remove("/later");
      await clock.advance(60_000);
      expect(take()).toEqual(expect.arrayContaining(["removed /later", "live"]));
    });
  }
});

describe("a link that leads back", () => {
  for (const cover of ["directory", "tree"] as const) {
    it(`is told, and not entered; one to a sibling is: cover ${cover}`, async () => {
      const { clock, share, watch, take } = bench({ cover });
      for (const path of ["/a", "/a/deep", "/b"]) share.mkdir(path);
      share.symlink("/latest", "/");
      share.symlink("/a/deep/up", "/a");
      share.symlink("/b/next", "/a");
      const handle = await watch();
      expect(handle.state).toBe("degraded");
      expect(take().join()).toMatch(
        /^degraded: \/.*: leads back to \/a?: followed there, not here \(and others\)$/,
      );
      const handles = share.handles.size;
      if (cover === "directory") expect(handles).toBe(1 + 3 + 2);
      share.symlink("/a/deep/again", "/");
      await clock.advance(10_000);
      expect(take()).toEqual([
        "added /a/deep/again",
        ...(cover === "directory" ? ["added /b/next/deep/again"] : []),
      ]);
      expect(share.handles.size).toBe(handles);
      for (const path of ["/latest", "/a/deep/up", "/a/deep/again", "/b/next"]) share.remove(path);
      await clock.advance(5_000);
      expect(handle.state).toBe("live");
    });
  }

  it("is entered by whoever asked for it", async () => {
    const { clock, share, watcher } = bench();
    share.mkdir("/a");
    share.symlink("/latest", "/");
    const events: WatchEvent[] = [];
    const handle = watcher.watch({ path: "/latest", recursive: true }, (event) => events.push(event));
    await clock.advance(5_000);
    await handle.live;
    share.write("/a/x");
    await clock.advance(1_000);
    expect(events.flatMap(told)).toContain("added /latest/a/x");
  });

  it("is not taken for one where a server gives all directories one id", async () => {
    const { clock, share, watch, take } = bench({}, { oneId: true });
    share.mkdir("/a");
    expect((await watch()).state).toBe("live");
    share.write("/a/x");
    await clock.advance(1_000);
    expect(take()).toEqual(["live", "added /a/x"]);
  });
});

describe("a file that goes by another case since nobody heard of that", () => {
  it("is told to be renamed as soon as the new name is spoken of", async () => {
    const { clock, share, watch, take } = bench({}, { caseSensitive: false });
    share.write("/doc.bak");
    await watch();
    take();
    share.secretly(() => share.rename("/doc.bak", "/DOC.BAK"));
    share.touch("/DOC.BAK");
    await clock.advance(2_000);
    expect(take()).toContain("renamed /doc.bak > DOC.BAK");
  });
});

describe("names that differ by case only", () => {
  const pair = (share: FakeShare): void => {
    share.mkdir("/A");
    share.mkdir("/a");
  };

  for (const cover of ["directory", "tree"] as const) {
    it(`are two directories: cover ${cover}`, async () => {
      const { clock, share, watch, take } = bench(
        { cover },
        { caseSensitive: false, ...(cover === "tree" ? { traits: { fullRecursion: true } } : {}) },
      );
      pair(share);
      await watch();
      take();
      share.write("/a/x");
      share.write("/A/y");
      await clock.advance(1_000);
      expect(take()).toEqual(expect.arrayContaining(["added /a/x", "added /A/y"]));
      // One that joins later, and what was put into it before anybody could be told.
      share.mkdir("/b");
      await clock.advance(5_000);
      share.mkdir("/B");
      share.secretly(() => share.write("/B/early"));
      await clock.advance(5_000);
      share.write("/B/late");
      share.write("/b/other");
      await clock.advance(1_000);
      const told = take();
      for (const line of ["added /b", "added /B", "added /B/early", "added /B/late", "added /b/other"]) {
        expect(told).toContain(line);
      }
      // One goes, the other stays.
      share.remove("/A");
      await clock.advance(5_000);
      take();
      share.write("/a/z");
      await clock.advance(1_000);
      expect(take()).toEqual(["added /a/z"]);
      share.mkdir("/A");
      await clock.advance(5_000);
      share.write("/A/again");
      share.write("/a/again");
      await clock.advance(1_000);
      expect(take()).toEqual(expect.arrayContaining(["added /A/again", "added /a/again"]));
    });
  }

  it("a file of such a name is no directory", async () => {
    const { clock, share, watch, take } = bench({}, { caseSensitive: false });
    share.mkdir("/Docs");
    share.write("/docs");
    await watch();
    take();
    share.remove("/docs");
    await clock.advance(1_000);
    share.write("/Docs/x");
    await clock.advance(1_000);
    expect(take()).toEqual(["removed /docs", "added /Docs/x"]);
  });

  it("are compared one by one, and so are they by a later owner", async () => {
    const { clock, share, watch, watcher, take } = bench({}, { caseSensitive: false });
    pair(share);
    const handle = await watch();
    share.write("/a/x");
    share.write("/A/y");
    await clock.advance(30_000);
    const checkpoint = handle.checkpoint?.();
    expect(checkpoint?.map(({ path }) => path).sort()).toEqual(["/", "/A", "/a"]);
    await handle.close();
    take();
    share.remove("/a/x");
    share.write("/A/z");
    const events: WatchEvent[] = [];
    const next = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event), {
      checkpoint: checkpoint ?? [],
    });
    await clock.advance(5_000);
    await next.live;
    expect(events.flatMap(told)).toEqual(expect.arrayContaining(["removed /a/x", "added /A/z"]));
    expect(events.flatMap(told).join()).not.toMatch(/resync.*subtree|added \/a\/|removed \/A/);
  });

  it("one name stays one directory, however it is spelled", async () => {
    const { clock, share, watch, watcher, take } = bench({}, { caseSensitive: false });
    share.mkdir("/Docs");
    await watch();
    const events: WatchEvent[] = [];
    const handle = watcher.watch({ path: "/docs", recursive: false }, (event) => events.push(event));
    await clock.advance(5_000);
    await handle.live;
    take();
    share.write("/Docs/x");
    share.rename("/Docs", "/DOCS");
    await clock.advance(5_000);
    share.write("/DOCS/y");
    await clock.advance(5_000);
    expect(share.handles.size).toBe(2);
    expect(take()).toEqual(
      expect.arrayContaining(["added /Docs/x", "renamed /Docs > DOCS", "added /DOCS/y"]),
    );
    expect(events.flatMap(told)).toEqual(expect.arrayContaining(["added /Docs/x", "added /DOCS/y"]));
  });
});

describe("a change of case that nobody tells", () => {
  it("is no hidden name, although the old spelling opens", async () => {
    const { clock, share, watch, take } = bench(
      { cover: "tree", rescanMinutes: 1 },
      { caseSensitive: false },
    );
    await watch();
    share.mkdir("/docs.txt");
    share.write("/docs.txt/in");
    await clock.advance(5_000);
    take();
    share.secretly(() => share.rename("/docs.txt", "/docs.TXT"));
    await clock.advance(120_000);
    expect(take()).toEqual(
      expect.arrayContaining(["removed /docs.txt", "added /docs.TXT", "added /docs.TXT/in"]),
    );
  });

  it("does not keep consumers from what is heard under the new spelling", async () => {
    const { clock, share, watch, take } = bench(
      { cover: "tree", rescanMinutes: 1 },
      { caseSensitive: false },
    );
    for (const path of ["/docs", "/more", "/gone"]) share.mkdir(path);
    share.write("/docs/in");
    await watch();
    take();
    share.secretly(() => {
      for (const path of ["/docs", "/more", "/gone"]) share.rename(path, path.toUpperCase());
    });
    share.write("/MORE/new");
    share.rename("/DOCS", "/other");
    share.remove("/GONE");
    await clock.advance(1_000);
    const changes = (): string[] => take().filter((line) => !line.startsWith("resync"));
    expect(changes()).toEqual(["added /more/new", "renamed /docs > other", "removed /gone"]);
    await clock.advance(120_000);
    expect(changes()).toContain("renamed /more > MORE");
  });

  it("of a name that was only heard of is found by looking for that", async () => {
    const { clock, share, watch, take } = bench({}, { caseSensitive: false });
    await watch();
    take();
    share.mkdir("/docs");
    share.secretly(() => {
      share.rename("/docs", "/DOCS");
      share.write("/DOCS/in");
    });
    await clock.advance(10_000);
    const changes = take().filter((line) => !line.startsWith("resync"));
    expect(changes).toEqual(expect.arrayContaining(["removed /docs", "added /DOCS", "added /DOCS/in"]));
    expect(changes.indexOf("removed /docs")).toBeLessThan(changes.indexOf("added /DOCS"));
  });
});

describe("names that no listing shows", () => {
  for (const recursive of [true, false]) {
    it(`are told to be gone again, and not told any more: recursive ${recursive}`, async () => {
      const { clock, share, watch, take } = bench();
      await watch(recursive);
      // Whoever lists when he is told to has done so by then.
      await clock.advance(60_000);
      take();
      // As of a link that leads nowhere.
      share.mention("/.#doc");
      await clock.advance(2_000);
      expect(take()).toEqual(["added /.#doc", "removed /.#doc"]);
      for (const action of [3, 1, 3, 2, 1, 3]) share.mention("/.#doc", action);
      await clock.advance(5_000);
      expect(take()).toEqual([]);
      // It comes to be.
      share.secretly(() => share.write("/.#doc"));
      await clock.advance(60_000);
      expect(take()).toContain("added /.#doc");
    });
  }

  it("and then come, and go before anybody has looked, are told to go to who may have listed them", async () => {
    for (const [openAudience, quietMs, expected] of [
      [true, 60_000, true],
      [false, 10_000, true],
      [false, 60_000, false],
    ] as const) {
      const { clock, share, watcher } = bench({}, { latencyMs: 400, lagMs: 1 });
      const events: WatchEvent[] = [];
      const interest = { path: "/", recursive: false } as const;
      watcher.watch(interest, (event) => events.push(event), { openAudience });
      await clock.advance(quietMs);
      // As of links that lead nowhere.
      for (const name of ["a", "b", "c"]) share.mention(`/${name}`);
      await clock.advance(5_000);
      const names = events.splice(0).flatMap(told);
      expect(names.filter((line) => line.startsWith("removed"))).toHaveLength(3);
      for (const name of ["a", "b", "c"]) share.write(`/${name}`);
      await clock.advance(3);
      // Whoever lists now has them.
      share.rename("/a", "/d");
      share.remove("/b");
      await clock.advance(5_000);
      const last = events.flatMap(told).filter((line) => !line.startsWith("modified"));
      const gone = expected ? ["removed /a", "removed /b"] : [];
      expect(last.toSorted()).toEqual(["added /c", "added /d", ...gone]);
      share.mention("/b", 2);
      await clock.advance(5_000);
      expect(events.flatMap(told).filter((line) => line === "removed /b")).toHaveLength(expected ? 1 : 0);
    }
  });

  it("are not told to be modified: whatever such a record means, it is no name", async () => {
    const { clock, share, watch, take } = bench();
    await watch();
    take();
    for (let i = 0; i < 3; i++) {
      share.mention("/G", 3);
      await clock.advance(3_000);
    }
    expect(take()).toEqual([]);
  });

  it("cost nothing where names come and go", async () => {
    const { clock, share, watch, take } = bench();
    await watch(false);
    take();
    const before = { ...share.calls };
    for (let i = 0; i < 50; i++) {
      share.write(`/${i}.tmp`);
      share.rename(`/${i}.tmp`, "/doc");
      await clock.advance(50);
    }
    await clock.advance(5_000);
    expect(take().filter((line) => line === "removed /doc").length).toBe(49);
    expect(share.calls.list).toBe(before.list);
    expect(share.calls.stat - before.stat).toBe(0);
    expect(share.calls.lookUp - before.lookUp).toBeLessThanOrEqual(7);
  });

  it("cost a burst on a plain share one listing, after it", async () => {
    const { clock, share, watch, take } = bench();
    await watch(false);
    take();
    const before = { ...share.calls };
    for (let i = 0; i < 5_000; i++) {
      share.write(`/${i}`);
      if (i % 20 === 0) await clock.advance(20);
    }
    const during = share.calls.list + share.calls.lookUp;
    await clock.advance(10_000);
    expect(take().length).toBe(5_000);
    expect(during - before.list - before.lookUp).toBeLessThanOrEqual(1);
    expect(share.calls.list + share.calls.lookUp - during).toBeLessThanOrEqual(2);
    expect(share.calls.stat).toBe(before.stat);
  });

  it("cost a burst that was too much for the server nothing but the comparison", async () => {
    const { clock, share, watch, take } = bench();
    await watch(false);
    take();
    const before = { ...share.calls };
    for (let i = 0; i < 3_000; i++) share.write(`/${i}`);
    await clock.advance(30_000);
    expect(new Set(take().filter((line) => line.startsWith("added"))).size).toBe(3_000);
    expect(share.calls.list - before.list).toBe(1);
    expect(share.calls.lookUp + share.calls.stat).toBe(before.lookUp + before.stat);
  });

  it("of a whole burst are told to be gone", async () => {
    const { clock, share, watch, take } = bench();
    await watch();
    take();
    for (let i = 0; i < 100; i++) {
      share.write(`/${i}`);
      share.mention(`/._${i}`);
    }
    await clock.advance(3_000);
    const told = take();
    expect(told.filter((line) => line.startsWith("removed /._")).length).toBe(100);
    expect(told.filter((line) => line.startsWith("removed")).length).toBe(100);
  });
});

describe("what is hidden for being new", () => {
  it("stays told, and is found when nobody told of it", async () => {
    const { clock, share, watch, take } = bench({}, { hideNewMs: 10_000 });
    await clock.advance(20_000);
    share.write("/early");
    await clock.advance(2_000);
    await watch();
    share.mkdir("/job");
    share.write("/job/1.txt");
    await clock.advance(1_000);
    const told = take();
    expect(told).toEqual(expect.arrayContaining(["live", "added /job"]));
    await clock.advance(90_000);
    const all = [...told, ...take()];
    expect(all).toEqual(expect.arrayContaining(["added /early", "added /job/1.txt"]));
    expect(all.join()).not.toContain("removed");
    // Written to again, an old file is new again.
    share.write("/early");
    share.overflow();
    await clock.advance(30_000);
    expect(take().join()).not.toContain("removed");
  });

  it("a directory that is listed by the second look is followed", async () => {
    const { clock, share, watch, take } = bench({}, { hideNewMs: 300 });
    await clock.advance(20_000);
    await watch();
    share.mkdir("/job");
    share.secretly(() => share.write("/job/1.txt"));
    await clock.advance(10_000);
    expect(take()).toEqual(expect.arrayContaining(["added /job", "added /job/1.txt"]));
  });

  it("for ever, is told to be gone before two minutes are over", async () => {
    const { clock, share, watch, take } = bench({}, { hideNewMs: 3_600_000 });
    await watch();
    share.write("/x");
    await clock.advance(100_000);
    expect(take().slice(-1)).toEqual(["added /x"]);
    await clock.advance(20_000);
    expect(take()).toEqual(["removed /x"]);
  });

  it("and is gone then, is told to be gone", async () => {
    const { clock, share, watch, take } = bench({}, { hideNewMs: 10_000 });
    await clock.advance(20_000);
    await watch();
    share.write("/x");
    await clock.advance(3_000);
    share.secretly(() => share.remove("/x"));
    await clock.advance(10_000);
    expect(take().slice(-2)).toEqual(["added /x", "removed /x"]);
  });
});

describe("what is hidden for being unreadable", () => {
  it("is told when it is shown, and gone when it no longer is", async () => {
    const { clock, share, watch, take } = bench();
    await watch();
    share.write("/old");
    await clock.advance(5_000);
    take();
    // The very first sign that this share hides anything.
    share.hide("/old", "unreadable");
    await clock.advance(5_000);
    expect(take()).toEqual(["modified /old", "removed /old"]);
    share.hide("/old", undefined);
    await clock.advance(2_000);
    expect(take()).toEqual(["added /old"]);
    share.write("/new");
    share.hide("/new", "unreadable");
    await clock.advance(3_000);
    expect(take()).toEqual(["added /new", "modified /new", "removed /new"]);
    share.write("/new");
    await clock.advance(3_000);
    expect(take()).toEqual([]);
    share.hide("/new", undefined);
    await clock.advance(3_000);
    expect(take()).toEqual(["added /new"]);
  });

  it("holds directories back with all that is in them", async () => {
    const { clock, share, watch, take } = bench();
    await watch();
    share.mkdir("/d");
    share.write("/d/x");
    await clock.advance(5_000);
    take();
    share.hide("/d", "unreadable");
    await clock.advance(5_000);
    expect(take()).toEqual(["modified /d", "removed /d"]);
    share.hide("/d", undefined);
    await clock.advance(5_000);
    expect(take()).toEqual(expect.arrayContaining(["added /d", "added /d/x"]));
  });
});

describe("names that listings spell otherwise", () => {
  it("are told as they are listed, and cost a listing once", async () => {
    const { clock, share, watch, take } = bench({}, { mangles: true });
    share.write("/app:2026.log");
    for (let i = 0; i < 30; i++) share.write(`/${i}`);
    await clock.advance(120_000);
    await watch();
    const before = { ...share.calls };
    for (let i = 0; i < 60; i++) {
      share.write("/app:2026.log");
      await clock.advance(500);
    }
    const stand = [...share.paths("/").keys()].find((path) => path.startsWith("/M~"));
    const told = take().filter((line) => line !== "live");
    expect(new Set(told)).toEqual(new Set([`modified ${stand}`]));
    expect(told.length).toBeGreaterThan(55);
    expect(share.calls.list - before.list).toBe(1);
    share.rename("/app:2026.log", "/plain");
    await clock.advance(1_000);
    expect(take()).toEqual([`renamed ${stand} > plain`]);
    expect(share.calls.list - before.list).toBe(1);
  });

  it("are found when they come, and lost when they go", async () => {
    const { clock, share, watch, take } = bench({}, { mangles: true });
    await watch();
    take();
    share.write("/a:b");
    await clock.advance(3_000);
    const stand = [...share.paths("/").keys()][0];
    expect(take()).toContain(`added ${stand}`);
    const lists = share.calls.list;
    share.write("/a:b");
    await clock.advance(1_000);
    expect(take()).toEqual([`modified ${stand}`]);
    share.remove("/a:b");
    await clock.advance(1_000);
    expect(take()).toEqual([`removed ${stand}`]);
    expect(share.calls.list).toBe(lists);
    // What is on no listing is not listed for again and again.
    for (let i = 0; i < 5; i++) {
      share.mention("/no:where", 3);
      await clock.advance(3_000);
    }
    expect(take().filter((line) => !line.startsWith("resync"))).toEqual([]);
    expect(share.calls.list - lists).toBeLessThanOrEqual(2);
  });

  it("are told as they come where listings show them so", async () => {
    const { clock, share, watch, take } = bench();
    await watch();
    take();
    share.write("/a:b");
    await clock.advance(3_000);
    expect(take()).toContain("added /a:b");
    const lists = share.calls.list;
    share.write("/a:b");
    share.remove("/a:b");
    await clock.advance(1_000);
    expect(take()).toEqual(["modified /a:b", "removed /a:b"]);
    expect(share.calls.list).toBe(lists);
  });
});
