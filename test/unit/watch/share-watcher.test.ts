import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { transitions } from "../../../src/watch/facts.ts";
import type { ShareWatcherOptions } from "../../../src/watch/options.ts";
import type { CheckpointDirectory } from "../../../src/watch/picture/checkpoint.ts";
import { ShareWatcher } from "../../../src/watch/share-watcher.ts";
import { type FakeOptions, FakeShare } from "../../support/fakes/fake-source.ts";
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

describe("the first answer", () => {
  it("is a refusal for what will not heal by itself, and the watch goes on asking", async () => {
    const { clock, share, watcher, events, take } = bench();
    const handle = watcher.watch({ path: "/later", recursive: false }, (event) => events.push(event));
    const refused = expect(handle.live).rejects.toMatchObject({ failure: "gone" });
    await clock.advance(1_000);
    await refused;
    expect(handle.state).toBe("gone");
    share.mkdir("/later");
    await clock.advance(60_000);
    expect(handle.state).toBe("live");
    take();
    share.write("/later/x");
    await clock.advance(100);
    expect(told(take())).toEqual(["notify: added /later:x"]);
  });

  it.each(["denied", "not-a-directory"] as const)("says %s", async (failure) => {
    const { clock, share, watcher } = bench();
    if (failure === "denied") share.mkdir("/d");
    else share.write("/d");
    if (failure === "denied") share.deny("/d");
    const handle = watcher.watch({ path: "/d", recursive: false }, () => undefined);
    const refused = expect(handle.live).rejects.toMatchObject({ failure });
    await clock.advance(1_000);
    await refused;
    expect(handle.state).toBe(failure === "denied" ? "denied" : "gone");
  });

  it("asks a server that denied at most once in a minute", async () => {
    const { clock, share, watcher } = bench();
    share.mkdir("/d");
    share.deny("/d");
    const handle = watcher.watch({ path: "/d", recursive: false }, () => undefined);
    await clock.advance(59_000);
    expect(share.calls.open).toBe(1);
    share.deny("/d", false);
    await clock.advance(120_000);
    expect(handle.state).toBe("live");
  });

  it("waits for a server that is away", async () => {
    const { clock, share, watcher } = bench();
    share.cut();
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(30_000);
    expect(handle.state).toBe("unreachable");
    share.restore();
    await clock.advance(5_000);
    await handle.live;
  });

  it("is poll mode where the server cannot notify", async () => {
    const { clock, share, watcher, events, take } = bench({ pollSeconds: 10 }, { mute: true });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    expect(told(take())).toEqual(["live poll"]);
    share.write("/a");
    await clock.advance(11_000);
    expect(told(take())).toContain("poll: added /:a");
  });

  it("leaves poll mode once the server can notify: asked every hour, and after each failure", async () => {
    const { clock, share, watcher, events, take } = bench({ pollSeconds: 10 }, { mute: true });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    const armed = share.calls.arm;
    await clock.advance(3_500_000);
    expect(share.calls.arm).toBe(armed);
    share.write("/meanwhile");
    share.mute = false;
    take();
    await clock.advance(120_000);
    expect(handle.mode).toBe("notify");
    expect(told(take())).toEqual(["poll: added /:meanwhile", "live notify"]);
    share.write("/a");
    await clock.advance(100);
    expect(told(take())).toContain("notify: added /:a");
  });

  it("leaves poll mode after a reconnect, if the server can notify by then", async () => {
    const { clock, share, watcher } = bench({ pollSeconds: 10 }, { mute: true });
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(1_000);
    share.cut();
    await clock.advance(11_000);
    expect(handle.state).toBe("unreachable");
    share.mute = false;
    share.restore();
    await clock.advance(5_000);
    expect([handle.state, handle.mode]).toEqual(["live", "notify"]);
  });

  it.each([
    { cover: "directory" as const, when: "before the first contact", early: true },
    { cover: "auto" as const, when: "before the first contact", early: true },
    { cover: "directory" as const, when: "later", early: false },
  ])("asks again at once when refused credentials were replaced $when, cover $cover", async (scene) => {
    const { clock, share, watcher } = bench({ cover: scene.cover });
    if (scene.early) share.refuse(true);
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(2_000);
    if (!scene.early) {
      expect(handle.state).toBe("live");
      share.refuse(true);
      share.cut();
      share.restore();
      await clock.advance(5_000);
    }
    expect(handle.state).toBe("denied");
    const { open, reachable } = share.calls;
    await clock.advance(60_000);
    expect(share.calls).toMatchObject({ open, reachable });
    share.refuse(false);
    watcher.retry();
    await clock.advance(1_000);
    expect(handle.state).toBe("live");
  });
});

describe("a connection that only people can make possible", () => {
  it.each(["auto", "directory"] as const)(
    "is denied, with the reason, from the start: cover %s",
    async (cover) => {
      const { clock, share, watcher, events } = bench({ cover });
      share.bar("koffi is not installed");
      const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
      await clock.advance(1_000);
      await expect(handle.live).rejects.toMatchObject({ failure: "policy" });
      // Whoever comes later hears it too.
      const later = watcher.watch({ path: "/d", recursive: false }, (event) => events.push(event));
      await clock.advance(30_000);
      for (const one of [handle, later]) expect(one.state).toBe("denied");
      for (const path of ["/", "/d"]) {
        expect(events.filter((event) => event.path === path)).toEqual([
          { type: "state", path, state: "denied", mode: "notify", error: "koffi is not installed" },
        ]);
      }
      share.mkdir("/d");
      share.restore();
      await clock.advance(2_000);
      for (const one of [handle, later]) expect(one.state).toBe("live");
    },
  );

  it("is denied when it was live before, and live soon after it was made possible again", async () => {
    const { clock, share, watcher, take, events } = bench();
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    share.cut();
    await clock.advance(5_000);
    take();
    share.bar("the server does not sign");
    await clock.advance(300_000);
    expect(told(take())).toEqual(["denied notify"]);
    share.restore();
    await clock.advance(2_000);
    expect(handle.state).toBe("live");
  });

  it.each(["bar", "refuse"] as const)(
    "is live once, and not degraded by each directory on the way: %s",
    async (how) => {
      const { clock, share, watcher, take, events } = bench();
      for (let i = 0; i < 6; i++) share.mkdir(`/d${i}`);
      const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
      await clock.advance(1_000);
      if (how === "bar") share.bar("the account is disabled");
      else {
        share.refuse(true);
        share.cut();
        share.restore();
      }
      await clock.advance(60_000);
      expect(handle.state).toBe("denied");
      take();
      if (how === "bar") share.restore();
      else {
        share.refuse(false);
        watcher.retry();
      }
      await clock.advance(10_000);
      expect(told(take())).toEqual(["live notify"]);
    },
  );
});

describe("doubt", () => {
  it("follows a record nobody understands, and the rest of the reply is told", async () => {
    const { clock, share, watcher, events, take } = bench();
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    const listed = share.calls.list;
    take();
    share.write("/a");
    share.babble({ action: 42, name: "?" });
    await clock.advance(2_000);
    expect(told(take())).toContain("notify: added /:a");
    expect(share.calls.list).toBe(listed + 1);
  });

  it("ends, even where comparing takes longer than the time between two", async () => {
    const { clock, share, watcher } = bench({ rescanMinutes: 0.1 }, { latencyMs: 1_000, pageSize: 1 });
    for (let i = 0; i < 20; i++) share.write(`/f${i}`);
    let compared = 0;
    const stop = transitions.subscribe(({ from, to }) => {
      if (from === "rescanning" && to === "live") compared++;
    });
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(60_000);
    await handle.live;
    await clock.advance(120_000);
    stop();
    expect(compared).toBeGreaterThan(3);
  });

  it("waits for a pause in a storm of changes, but not for ever", async () => {
    const { clock, share, watcher, events } = bench({}, { lagMs: 0, latencyMs: 1 });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    const before = share.calls.list;
    for (let i = 0; i < 100; i++) {
      share.write(`/f${i}`);
      share.overflow();
      await clock.advance(100);
    }
    expect(share.calls.list - before).toBeGreaterThanOrEqual(4);
    expect(share.calls.list - before).toBeLessThanOrEqual(6);
    await clock.advance(500);
    const names = events.flatMap((event) => (event.type === "changes" ? event.changes : []));
    expect(new Set(names.map(({ name }) => name)).size).toBe(100);
  });

  it("finds what a server forgot to tell, at the next renewal", async () => {
    const { clock, share, watcher, events, take } = bench({ refreshMinutes: 10, healthSeconds: 0 });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.forget();
    share.write("/a");
    await clock.advance(60_000);
    expect(told(take())).toEqual([]);
    await clock.advance(10 * 60_000);
    expect(told(take())).toContain("rescan: added /:a");
    share.write("/b");
    await clock.advance(1_000);
    expect(told(take())).toContain("notify: added /:b");
  });

  it("is in none because of a server that keeps one request for each handle and gives none up", async () => {
    const { clock, share, watcher, events, take } = bench({ refreshMinutes: 10 }, { oneNotify: true });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    for (let hours = 0; hours < 3 * 12; hours++) {
      await clock.advance(5 * 60_000);
      share.write(`/${hours}`);
    }
    await clock.advance(1_000);
    expect(told(take())).toEqual(Array.from({ length: 36 }, (_, hours) => `notify: added /:${hours}`));
    expect(share.calls.open).toBe(1);
    // Nobody goes on asking for ever what is never answered.
    expect(share.calls.arm).toBeLessThan(36 + 2 + 12);
  });

  it("notices within a minute that another directory took the place of the watched one", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/d");
    share.write("/d/old");
    const handle = watcher.watch({ path: "/d", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.rename("/d", "/elsewhere");
    share.mkdir("/d");
    share.write("/d/new");
    await clock.advance(65_000);
    expect(told(take()).filter((line) => line.startsWith("rescan"))).toEqual([
      "rescan: removed /d:old",
      "rescan: added /d:new",
    ]);
    expect(handle.state).toBe("live");
  });

  it("tells what happens in a directory that was renamed under its old path for a minute at most, then says that it is gone", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/sub");
    share.write("/sub/old");
    const handle = watcher.watch({ path: "/sub", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.rename("/sub", "/moved");
    for (let count = 0; count < 13; count++) {
      share.write(`/moved/f${count}`);
      await clock.advance(5_000);
    }
    // The first minute was told: there is nothing to know it by but a look at the path.
    const lines = told(take());
    expect(lines[0]).toBe("notify: added /sub:f0");
    expect(lines.at(-1)).toBe("gone notify");
    for (let count = 0; count < 20; count++) {
      share.write(`/moved/later${count}`);
      await clock.advance(5_000);
    }
    expect(take()).toEqual([]);
    // What was told of the other directory is taken back when there is one of that name again.
    share.mkdir("/sub");
    share.write("/sub/mine");
    await clock.advance(65_000);
    const after = told(take());
    expect(after).toContain("rescan: removed /sub:f0");
    expect(after).toContain("rescan: removed /sub:old");
    expect(after.filter((line) => line.includes("added"))).toEqual(["rescan: added /sub:mine"]);
    expect(handle.state).toBe("live");
  });

  it("is not misled by a creation time that moves, as Samba's does when a directory is read", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/d");
    const handle = watcher.watch({ path: "/d", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    Object.assign(share.nodeOf("/d") ?? {}, { created: 134_000_000_000_000_000n });
    await clock.advance(200_000);
    expect(told(take())).toEqual([]);
    expect(handle.state).toBe("live");
  });

  it("ends in a resync where the directory is too large to remember", async () => {
    const { clock, share, watcher, events, take } = bench({ maxEntries: 2 });
    for (const name of ["/a", "/b", "/c"]) share.write(name);
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    expect(told(take())).toEqual(["live notify"]);
    share.write("/d");
    await clock.advance(100);
    expect(told(take())).toEqual(["notify: added /:d"]);
    share.overflow();
    await clock.advance(2_000);
    expect(told(take())).toEqual(["resync / self too-large"]);
  });

  it("about a name that came and went unseen ends in a resync for who may have listed meanwhile", async () => {
    const { clock, share, watcher, events, take } = bench();
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    take();
    share.write("/ghost");
    share.remove("/ghost");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take())).toEqual(["resync / self overflow"]);
  });

  it("about a name that came and went unseen is announced much later too, where anybody may list any time", async () => {
    const { clock, share, watcher } = bench();
    const heard: Record<"known" | "open", WatchEvent[]> = { known: [], open: [] };
    const at = { path: "/", recursive: false };
    const known = watcher.watch(at, (event) => heard.known.push(event));
    const open = watcher.watch(at, (event) => heard.open.push(event), { openAudience: true });
    await clock.advance(100);
    await Promise.all([known.live, open.live]);
    await clock.advance(600_000);
    heard.known.length = 0;
    heard.open.length = 0;
    share.write("/ghost");
    share.remove("/ghost");
    share.overflow();
    await clock.advance(2_000);
    expect(told(heard.known)).toEqual([]);
    expect(told(heard.open)).toEqual(["resync / self overflow"]);
  });
});

describe("many interests", () => {
  it("share one handle, whatever the spelling", async () => {
    const { clock, share, watcher } = bench();
    share.mkdir("/d");
    const handles = ["/d", "/d", "/d"].map((path) =>
      watcher.watch({ path, recursive: false }, () => undefined),
    );
    await clock.advance(1_000);
    await Promise.all(handles.map(({ live }) => live));
    expect(watcher.handles).toBe(1);
    await handles[0]?.close();
    expect(watcher.handles).toBe(1);
    await handles[1]?.close();
    await handles[2]?.close();
    expect(watcher.handles).toBe(0);
  });

  it("get one handle per directory below a recursive interest, and hear of new ones with their contents", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/d");
    share.mkdir("/d/e");
    share.mkdir("/out");
    share.write("/out/x");
    share.mkdir("/out/deep");
    share.write("/out/deep/y");
    const handle = watcher.watch({ path: "/d", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    expect(watcher.handles).toBe(2);
    await clock.advance(60_000);
    take();
    share.rename("/out", "/d/in");
    await clock.advance(1_000);
    expect(told(take())).toEqual([
      "notify: added /d:in",
      "rescan: added /d/in:x",
      "rescan: added /d/in:deep",
      "rescan: added /d/in/deep:y",
    ]);
    expect(watcher.handles).toBe(4);
    share.remove("/d/in");
    await clock.advance(1_000);
    expect(watcher.handles).toBe(2);
  });

  it("are told to list a new directory again if they may have listed it before it was watched", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/d");
    share.mkdir("/out");
    share.write("/out/x");
    const handle = watcher.watch({ path: "/d", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.rename("/out", "/d/in");
    await clock.advance(1_000);
    expect(told(take()).filter((line) => line.startsWith("resync"))).toEqual(["resync /d/in self silent"]);
    await clock.advance(60_000);
    share.mkdir("/d/later");
    await clock.advance(1_000);
    expect(told(take())).toEqual(["notify: added /d:later"]);
  });

  it("are told of names that came and went in a new directory, whatever its creation time says", async () => {
    const { clock, share, watcher, events, take } = bench({}, { birthTimes: false });
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.mkdir("/new");
    share.write("/new/ghost");
    share.remove("/new/ghost");
    await clock.advance(1_000);
    expect(told(take())).toEqual(["notify: added /:new", "resync /new self silent"]);
  });

  it("are told so however long they have been watching, where anybody may list any time", async () => {
    const { clock, share, watcher } = bench();
    const heard: Record<"known" | "open", WatchEvent[]> = { known: [], open: [] };
    const at = { path: "/", recursive: true };
    const known = watcher.watch(at, (event) => heard.known.push(event));
    const open = watcher.watch(at, (event) => heard.open.push(event), { openAudience: true });
    await clock.advance(1_000);
    await Promise.all([known.live, open.live]);
    await clock.advance(600_000);
    share.mkdir("/new");
    await clock.advance(1_000);
    expect(told(heard.known).slice(1)).toEqual(["notify: added /:new"]);
    expect(told(heard.open).slice(1)).toEqual(["notify: added /:new", "resync /new self silent"]);
  });

  it("a watch is sure of itself only while nothing is in doubt, at it and below", async () => {
    const { clock, share, watcher } = bench(
      {},
      { traits: { settleScanMs: 1_500 }, deafMs: 200, latencyMs: 50 },
    );
    const handle = watcher.watch({ path: "/", recursive: true }, () => undefined);
    expect(handle.sure).toBe(false);
    await clock.advance(1_000);
    await handle.live;
    expect(handle.sure, "before the second look").toBe(false);
    await clock.advance(5_000);
    expect(handle.sure).toBe(true);
    share.overflow();
    await clock.advance(60);
    expect([handle.state, handle.sure], "while it compares").toEqual(["live", false]);
    await clock.advance(5_000);
    expect(handle.sure).toBe(true);
    share.mkdir("/new");
    await clock.advance(1_000);
    expect(handle.sure, "before the second look at a directory below").toBe(false);
    await clock.advance(10_000);
    expect(handle.sure).toBe(true);
    share.mute = true;
    const polled = watcher.watch({ path: "/new", recursive: false }, () => undefined);
    await clock.advance(1_000);
    expect(polled.sure, "served by a handle that is").toBe(true);
    await polled.close();
    expect(polled.sure, "closed").toBe(false);
  });

  it.each([
    ["directory", 20],
    ["directory", 120],
    ["directory", 240],
    ["tree", 20],
    ["tree", 120],
    ["tree", 240],
  ] as const)(
    "a directory that appears while the first listing is on its way is followed (%s, after %i ms)",
    async (cover, ms) => {
      const { clock, share, watcher, events, take } = bench(
        { cover },
        { latencyMs: 100, lagMs: 0, pageSize: 1 },
      );
      for (const name of ["a", "b", "c", "d"]) share.write(`/${name}`);
      const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
      while (share.calls.list === 0) await clock.advance(5);
      await clock.advance(ms);
      expect(handle.state).toBe("starting");
      share.mkdir("/new");
      await clock.advance(5_000);
      await handle.live;
      take();
      share.write("/new/file");
      await clock.advance(1_000);
      expect(told(take())).toEqual(["notify: added /new:file"]);
    },
  );

  it("a watch of a tree is not sure before it knows what a new name is", async () => {
    for (const cover of ["directory", "tree"] as const) {
      const { clock, share, watcher, events, take } = bench({ cover }, { latencyMs: 400, lagMs: 0 });
      const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
      await clock.advance(5_000);
      expect(handle.sure).toBe(true);
      take();
      share.mkdir("/new");
      share.write("/new/file");
      await clock.advance(1);
      expect(told(take())).toEqual(["notify: added /:new"]);
      expect(handle.sure, cover).toBe(false);
      await clock.advance(5_000);
      expect(told(take())).toContain("rescan: added /new:file");
      expect(handle.sure).toBe(true);
    }
  });

  it("a directory renamed while what an earlier owner left is compared is told to be listed", async () => {
    const { clock, share, watcher, events, take } = bench({}, { latencyMs: 100, lagMs: 0 });
    share.mkdir("/a");
    share.write("/a/file");
    const at = { path: "/", recursive: true };
    const before = watcher.watch(at, () => undefined);
    await clock.advance(2_000);
    const checkpoint = before.checkpoint?.() ?? [];
    await before.close();
    await clock.advance(1_000);
    watcher.watch(at, (event) => events.push(event), { checkpoint, openAudience: true });
    // Two directories, two requests each: the handles are armed, and nothing is live yet.
    for (const arms = share.calls.arm; share.calls.arm < arms + 4; ) await clock.advance(5);
    expect(told(take())).toEqual([]);
    share.rename("/a", "/b");
    await clock.advance(5_000);
    expect(told(take())).toContain("resync /b subtree silent");
  });

  it("a watch that polls is never sure: what happened since the last look is told by the next", async () => {
    const { clock, share, watcher } = bench();
    share.mute = true;
    const handle = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(5_000);
    await handle.live;
    expect([handle.mode, handle.state, handle.sure]).toEqual(["poll", "live", false]);
  });

  it("are told once of a new directory where a second look follows: after that", async () => {
    const { clock, share, watcher, events, take } = bench(
      {},
      { traits: { settleScanMs: 1_500 }, deafMs: 200 },
    );
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(5_000);
    await handle.live;
    take();
    share.mkdir("/new");
    share.write("/new/file");
    await clock.advance(1_000);
    share.write("/new/another");
    expect(told(take())).toEqual(["notify: added /:new", "rescan: added /new:file"]);
    await clock.advance(10_000);
    expect(told(take())).toEqual(["notify: added /new:another", "resync /new self silent"]);
  });

  it("who listed a new directory together with the one it lies in hear of it, however deep it lies", async () => {
    const { clock, share, watcher, events, take } = bench();
    share.mkdir("/a");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    await clock.advance(60_000);
    take();
    // Asks for a listing of the root, where a tree has appeared meanwhile.
    share.write("/x");
    share.remove("/x");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take())).toContain("resync / self overflow");
    share.mkdir("/a/b");
    await clock.advance(1_000);
    expect(told(take())).toEqual(["notify: added /a:b", "resync /a/b self silent"]);
  });

  it("are served by one recursive handle where that tells everything", async () => {
    const { clock, share, watcher, events, take } = bench(
      { cover: "auto" },
      { traits: { fullRecursion: true } },
    );
    share.mkdir("/d");
    share.mkdir("/d/e");
    share.mkdir("/other");
    const one = watcher.watch({ path: "/d/e", recursive: false }, (event) => events.push(event));
    const two = watcher.watch({ path: "/d", recursive: true }, () => undefined);
    await clock.advance(2_000);
    await Promise.all([one.live, two.live]);
    expect(watcher.handles).toBe(1);
    take();
    share.write("/d/e/a");
    share.write("/other/b");
    await clock.advance(100);
    expect(told(take())).toEqual(["notify: added /d/e:a"]);
    await one.close();
    await two.close();
    expect(watcher.handles).toBe(0);
  });

  it("fall back to one recursive handle when there are too many directories, and say so", async () => {
    const { clock, share, watcher, events, take } = bench(
      { maxHandles: 3 },
      { traits: { fullRecursion: false } },
    );
    for (const name of ["/a", "/b", "/c", "/d"]) share.mkdir(name);
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(5_000);
    await handle.live;
    expect([handle.state, watcher.handles]).toEqual(["degraded", 1]);
    take();
    share.write("/a/x");
    await clock.advance(100);
    expect(told(take())).toEqual(["notify: added /a:x"]);
  });

  it("hear of a content that was lost to an overflow during a second look", async () => {
    const { clock, share, watcher, events, take } = bench(
      {},
      { traits: { settleScanMs: 1_000 }, latencyMs: 200, lagMs: 0 },
    );
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    while (handle.state !== "live") await clock.advance(10);
    share.write("/heard", 1);
    while (share.calls.list < 2) await clock.advance(10);
    // Too late for a record, in time for the listing under way.
    const node = share.nodeOf("/heard");
    if (node !== undefined) node.size = 2;
    share.overflow();
    take();
    await clock.advance(20_000);
    expect(told(take())).toContain("rescan: modified /:heard");
  });

  it("are told of names that came and went while no handle was armed on a renamed directory", async () => {
    const { clock, share, watcher, events, take } = bench({}, { traits: { fullRecursion: false } });
    share.mkdir("/d");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.write("/d/x");
    share.rename("/d", "/e");
    share.write("/e/ghost");
    share.remove("/e/ghost");
    await clock.advance(1_000);
    expect(told(take())).toContain("resync /e self silent");
  });

  it("are told to list a directory again that was renamed while they may have been listing it", async () => {
    const { clock, share, watcher, events, take } = bench({}, { traits: { fullRecursion: false } });
    share.mkdir("/d");
    share.write("/d/file");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.rename("/d", "/e");
    await clock.advance(100);
    expect(told(take()).slice(0, 2)).toEqual(["notify: renamed /:d>e", "resync /e subtree silent"]);
    await clock.advance(31_000);
    share.rename("/e", "/f");
    await clock.advance(100);
    expect(told(take())).toEqual(["notify: renamed /:e>f"]);
  });

  it("are served below a directory that is too large to remember", async () => {
    const { clock, share, watcher, events, take } = bench({ maxEntries: 3 }, { deafMs: 0 });
    share.mkdir("/sub");
    for (let i = 0; i < 5; i++) share.write(`/f${i}`);
    share.mkdir("/late");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    expect([handle.state, watcher.handles]).toEqual(["live", 3]);
    take();
    share.write("/sub/x");
    share.write("/late/y");
    await clock.advance(1_000);
    expect(told(take()).sort()).toEqual(["notify: added /late:y", "notify: added /sub:x"]);
    await clock.advance(60_000);
    share.remove("/sub", true);
    share.mkdir("/new");
    share.write("/new/z");
    share.write("/f0");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take()).filter((line) => !line.includes("/late"))).toEqual([
      "rescan: removed /:sub",
      "resync / self too-large",
      "rescan: added /new:z",
      "resync /new self silent",
    ]);
    expect(watcher.handles).toBe(3);
  });

  it("that join a directory too large to remember get handles below it as well", async () => {
    const { clock, share, watcher, events, take } = bench({ maxEntries: 3 });
    share.mkdir("/sub");
    for (let i = 0; i < 5; i++) share.write(`/f${i}`);
    const first = watcher.watch({ path: "/", recursive: false }, () => undefined);
    await clock.advance(1_000);
    await first.live;
    expect(watcher.handles).toBe(1);
    const second = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(2_000);
    await second.live;
    expect(watcher.handles).toBe(2);
    take();
    share.write("/sub/x");
    await clock.advance(1_000);
    expect(told(take())).toEqual(["notify: added /sub:x"]);
  });

  it("hear by one recursive handle of what happens below a directory too large to remember", async () => {
    const { clock, share, watcher, events, take } = bench({ cover: "tree", maxEntries: 5 });
    share.mkdir("/sub");
    share.mkdir("/sub/deep");
    for (let i = 0; i < 7; i++) share.write(`/f${i}`);
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    take();
    share.write("/sub/deep/x");
    share.mkdir("/sub/new");
    share.write("/sub/new/y");
    await clock.advance(1_000);
    expect(told(take())).toEqual(
      expect.arrayContaining(["notify: added /sub/deep:x", "notify: added /sub:new"]),
    );
    // Small enough to be remembered, from the next comparison on: all that is below, too.
    for (let i = 0; i < 7; i++) share.remove(`/f${i}`);
    share.remove("/sub/new");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take())).toContain("resync / subtree overflow");
    share.write("/sub/deep/y");
    share.overflow();
    await clock.advance(2_000);
    expect(told(take())).toContain("rescan: added /sub/deep:y");
  });

  it("say so when a directory below cannot be opened, and go on asking slowly", async () => {
    const { clock, share, watcher, events, take } = bench();
    for (const name of ["/fine", "/odd", "/odder"]) share.mkdir(name);
    share.deny("/odd", true, "bad-path");
    share.deny("/odder", true, "gone");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    expect(events.at(-1)).toMatchObject({ state: "degraded", error: "/odd: bad-path: /odd" });
    await clock.advance(60_000);
    expect(events.at(-1)).toMatchObject({ state: "degraded", error: "/odd: bad-path: /odd (and others)" });
    take();
    const before = share.calls.open;
    await clock.advance(600_000);
    // Half a minute between two tries for the one, two minutes and more for the other.
    expect(share.calls.open - before).toBeLessThan(50);
    expect(told(take())).toEqual([]);
    share.deny("/odd", false);
    share.deny("/odder", false);
    await clock.advance(1_800_000);
    expect(told(take()).at(-1)).toBe("live notify");
  });

  it("are not misled for long by records that came to the wrong handle, once that can happen", async () => {
    const { clock, share, watcher, events, take } = bench(
      {},
      { traits: { fullRecursion: false, strayRecords: true } },
    );
    for (const path of ["/old", "/other"]) share.mkdir(path);
    share.write("/other/mine");
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    await clock.advance(1_000);
    await handle.live;
    share.rename("/old", "/new");
    await clock.advance(5_000);
    share.rename("/other", "/another");
    await clock.advance(5_000);
    const wrong = [...share.handles].find(({ path }) => path === "/another");
    take();
    wrong?.queue({ action: 1, name: "not mine" });
    wrong?.queue({ action: 2, name: "mine" });
    await clock.advance(5_000);
    expect(told(take())).toEqual([
      "notify: added /another:not mine",
      "notify: removed /another:mine",
      "rescan: removed /another:not mine",
      "rescan: added /another:mine",
    ]);
  });

  it("get a wider filter without a gap", async () => {
    const { clock, share, watcher, events, take } = bench();
    const first = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(1_000);
    await first.live;
    watcher.watch({ path: "/", recursive: false }, () => undefined, { filter: 0x100 });
    expect(share.handles.size).toBe(1);
    take();
    share.write("/a");
    await clock.advance(5_000);
    expect(share.handles.size).toBe(1);
    expect(told(take())).toContain("notify: added /:a");
  });

  it("do not walk through links", async () => {
    const { clock, share, watcher } = bench();
    share.mkdir("/loop");
    share.link("/loop");
    const handle = watcher.watch({ path: "/", recursive: true }, () => undefined);
    await clock.advance(1_000);
    await handle.live;
    expect(watcher.handles).toBe(1);
  });
});

describe("a checkpoint", () => {
  it("turns what happened between two owners into changes", async () => {
    const first = bench();
    first.share.mkdir("/d");
    first.share.write("/d/a");
    first.share.mkdir("/d/sub");
    first.share.mkdir("/d/quiet");
    first.share.write("/d/quiet/as it was");
    const before = first.watcher.watch({ path: "/d", recursive: true }, () => undefined);
    await first.clock.advance(1_000);
    const checkpoint = before.checkpoint?.();
    await before.close();
    first.share.rename("/d/a", "/d/b");
    first.share.write("/d/sub/new");
    const { clock, share, events, take } = first;
    const handle = first.watcher.watch({ path: "/d", recursive: true }, (event) => events.push(event), {
      ...(checkpoint === undefined ? {} : { checkpoint }),
    });
    await clock.advance(2_000);
    await handle.live;
    expect(share.handles.size).toBe(3);
    // Where a name may have come and gone unseen, whoever listed meanwhile is told to list again: nowhere else.
    expect(told(take()).sort()).toEqual([
      "live notify",
      "rescan: added /d/sub:new",
      "rescan: modified /d:b",
      "rescan: modified /d:sub",
      "rescan: renamed /d:a>b",
      "resync /d self takeover",
      "resync /d/sub self takeover",
    ]);
  });

  it("that does not know the directory asked for ends in a resync", async () => {
    const { clock, watcher, events, take } = bench();
    const checkpoint: CheckpointDirectory[] = [];
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event), {
      checkpoint,
    });
    await clock.advance(1_000);
    await handle.live;
    await clock.advance(1);
    expect(told(take())).toEqual(["live notify", "resync / subtree takeover"]);
  });
});

describe("stat and settling", () => {
  it("adds what can be read, in order", async () => {
    const { clock, share, watcher, events, take } = bench({ stat: true });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    take();
    share.write("/a", 7);
    share.mkdir("/d");
    await clock.advance(500);
    const changes = take().flatMap((event) => (event.type === "changes" ? event.changes : []));
    expect(changes).toEqual([
      expect.objectContaining({ name: "a", type: "file", size: 7, fileId: expect.stringMatching(/^\d+$/) }),
      expect.objectContaining({ name: "d", type: "directory" }),
    ]);
    expect(changes[0]?.modified).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  it("is live when all has been told that was heard before: whoever lists then hears nothing older", async () => {
    const { clock, share, watcher, events, take } = bench({ stat: true }, { latencyMs: 100 });
    share.mkdir("/d");
    share.mkdir("/d/e");
    share.stat = () => new Promise(() => undefined);
    let live = false;
    const handle = watcher.watch({ path: "/", recursive: true }, (event) => events.push(event));
    void handle.live.then(() => {
      live = true;
    });
    for (let waited = 0; share.handles.size < 3 && waited < 100; waited++) await clock.advance(10);
    share.write("/a");
    for (let waited = 0; handle.state !== "live" && waited < 100; waited++) await clock.advance(10);
    expect([handle.state, live, told(take())]).toEqual(["live", false, []]);
    await clock.advance(5_000);
    expect([live, told(take())]).toEqual([true, ["notify: added /:a", "live notify"]]);
  });

  it("does not hold news back for a server that does not answer", async () => {
    const { clock, share, watcher, events, take } = bench({ stat: true }, { latencyMs: 0 });
    const handle = watcher.watch({ path: "/", recursive: false }, (event) => events.push(event));
    await clock.advance(100);
    await handle.live;
    take();
    share.stat = () => new Promise(() => undefined);
    share.write("/a");
    share.remove("/a");
    await clock.advance(4_000);
    expect(told(take())).toEqual([]);
    await clock.advance(2_000);
    expect(told(take())).toEqual(["notify: added /:a", "notify: removed /:a"]);
  });
});

describe("names", () => {
  it("are told in the server's spelling, whatever the interest's", async () => {
    const clock = new ManualClock();
    const share = new FakeShare({ clock, random: seeded(1), caseSensitive: false });
    const watcher = new ShareWatcher(share, { cover: "tree" }, { clock, random: seeded(2) });
    const events: WatchEvent[] = [];
    share.mkdir("/Media");
    share.mkdir("/Media/Übung");
    const handle = watcher.watch({ path: "/media", recursive: true }, (event) => events.push(event));
    await clock.advance(2_000);
    await handle.live;
    events.length = 0;
    share.write("/Media/Übung/A");
    await clock.advance(100);
    expect(told(events)).toEqual(["notify: added /Media/Übung:A"]);
    await watcher.close();
  });
});
