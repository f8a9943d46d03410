import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { FleetError } from "../../../../src/fleet/errors.ts";
import type { DirectoryEvent, Subscriber } from "../../../../src/gateway/hub/event.ts";
import { Hub } from "../../../../src/gateway/hub/hub.ts";
import type { SharedWatch } from "../../../../src/gateway/hub/shared-watch.ts";
import { FakeFleet } from "../../../support/fakes/fake-fleet.ts";

class Ear implements Subscriber {
  readonly heard: DirectoryEvent[] = [];
  deliver(event: DirectoryEvent): void {
    this.heard.push(event);
  }
  get summary(): string[] {
    return this.heard.map((event) => `${event.type} ${event.directory}`);
  }
}

describe("the hub", () => {
  let fleet: FakeFleet;
  let clock: ManualClock;
  let hub: Hub;
  beforeEach(() => {
    fleet = new FakeFleet();
    clock = new ManualClock();
    hub = new Hub({ fleet, clock, caseSensitive: (name) => name === "unix" });
  });

  function listen(path: string, more: { recursive?: boolean; connection?: string } = {}): [Ear, SharedWatch] {
    const { recursive = false, connection = "nas1" } = more;
    const ear = new Ear();
    const watch = hub.watch({ connection, path, recursive });
    watch.add(ear);
    return [ear, watch];
  }

  it("holds one feed per connection and one ref per directory, whoever asks in whatever spelling", () => {
    const ears = ["/Media", "/MEDIA", "/media"].map((path) => listen(path));
    listen("/Media", { recursive: true });
    listen("/Media", { connection: "unix" });
    listen("/MEDIA", { connection: "unix" });
    expect(fleet.refs.map(({ target }) => [target.connection, target.path, target.recursive])).toEqual([
      ["nas1", "/Media", false],
      ["nas1", "/Media", true],
      ["unix", "/Media", false],
      ["unix", "/MEDIA", false],
    ]);
    expect(fleet.feeds.size).toBe(2);
    for (const [ear, watch] of ears) watch.remove(ear);
    expect(fleet.refs.map(({ released }) => released)).toEqual([true, false, false, false]);
    expect(hub.watches).toBe(3);
  });

  it("lets go of everything with the last one, and starts over for the next", () => {
    const [ear, watch] = listen("/a");
    watch.remove(ear);
    watch.remove(ear);
    expect([fleet.feeds.size, fleet.held.length, hub.watches, fleet.refs[0]?.listeners]).toEqual([
      0, 0, 0, 0,
    ]);
    const [again] = listen("/a");
    fleet.changes("nas1", "/a", "x");
    expect(again.summary).toEqual(["changes /a"]);
    expect(fleet.refs).toHaveLength(2);
  });

  it("tells a change to its directory and to every tree above, and to nobody else", () => {
    const [root] = listen("/", { recursive: true });
    const [tree] = listen("/a", { recursive: true });
    const [own] = listen("/a/b");
    const others = ["/a", "/a/b/c", "/a/bc", "/"].map((path) => listen(path)[0]);
    const elsewhere = listen("/a/b", { connection: "unix" })[0];
    fleet.changes("nas1", "/A/B", "x");
    expect([root, tree, own].map(({ summary }) => summary)).toEqual([
      ["changes /A/B"],
      ["changes /A/B"],
      ["changes /A/B"],
    ]);
    expect([...others, elsewhere].flatMap(({ heard }) => heard)).toEqual([]);
  });

  it("tells a subtree resync to all inside it, once, however many copies of it arrive", () => {
    const [above] = listen("/", { recursive: true });
    const [tree] = listen("/a/b", { recursive: true });
    const [self] = listen("/a/c");
    const [outside] = listen("/b");
    fleet.resync("nas1", "/a", "overflow", "subtree");
    const copy = fleet.stored[0];
    if (copy !== undefined) for (const feed of fleet.feeds) feed.listener.onMessage(copy);
    expect(above.heard).toMatchObject([{ directory: "/a", scope: "subtree", reason: "overflow" }]);
    expect(tree.heard).toMatchObject([{ directory: "/a/b", scope: "subtree" }]);
    expect(self.heard).toMatchObject([{ directory: "/a/c", scope: "self" }]);
    expect(outside.heard).toEqual([]);
    fleet.resync("nas1", "/a/c", "silent");
    expect(self.heard).toHaveLength(2);
    expect(outside.heard).toEqual([]);
  });

  it("tells a gap of the feed to everyone on the connection", () => {
    const [one] = listen("/a");
    const [two] = listen("/b", { recursive: true });
    const [other] = listen("/a", { connection: "unix" });
    for (const feed of fleet.feeds) if (feed.connection === "nas1") feed.listener.onGap("slow-consumer");
    expect(one.heard).toMatchObject([
      { type: "resync", directory: "/a", scope: "self", reason: "slow-consumer" },
    ]);
    expect(two.heard).toMatchObject([{ type: "resync", directory: "/b", scope: "subtree" }]);
    expect(other.heard).toEqual([]);
  });

  it("asks a herd to spread, and not a few", () => {
    const ears = Array.from({ length: 100 }, () => listen("/a")[0]);
    fleet.resync("nas1", "/a", "reconnect");
    expect(ears[0]?.heard).toMatchObject([{ jitterMs: 200 }]);
    const [few] = listen("/b");
    fleet.resync("nas1", "/b", "reconnect");
    expect(few.heard).toMatchObject([{ jitterMs: undefined }]);
  });

  it("passes each state on once, whether the claim or the feed told it first", () => {
    const [ear] = listen("/a");
    const [tree] = listen("/", { recursive: true });
    fleet.state("nas1", "/a", "live");
    expect(ear.heard).toEqual([]);
    fleet.state("nas1", "/a", "gone");
    fleet.ref("/a").become("gone");
    fleet.ref("/a").become("unclaimed");
    fleet.ref("/a").become("live");
    expect(ear.heard).toMatchObject([
      { type: "state", body: { state: "gone" } },
      { type: "state", body: { state: "degraded" } },
      { type: "state", body: { state: "live" } },
    ]);
    expect(tree.heard).toMatchObject([
      { directory: "/a", body: { state: "live" } },
      { directory: "/a", body: { state: "gone" } },
    ]);
  });

  describe("live", () => {
    const options = { signal: new AbortController().signal, deadlineMs: 1_000 };

    it("waits for the worker, and for as long as allowed", async () => {
      fleet.autoLive = false;
      const [, watch] = listen("/a");
      const late = watch.live(options).catch((error: unknown) => error);
      await clock.advance(1_000);
      expect(await late).toMatchObject({ code: "DEADLINE" });
      const live = watch.live(options);
      fleet.ref("/a").become("live");
      await live;
      expect(clock.pending).toBe(0);
    });

    it("does not take an old success for a new one", async () => {
      const [, watch] = listen("/a");
      await watch.live(options);
      for (const [state, answer] of [
        ["gone", "not_found"],
        ["denied", "denied"],
        ["unreachable", "unreachable"],
      ] as const) {
        fleet.ref("/a").become(state);
        await expect(watch.live(options)).rejects.toMatchObject({ answer });
      }
      fleet.ref("/a").become("unclaimed");
      const again = watch.live(options);
      fleet.ref("/a").become("live");
      await again;
      fleet.ref("/a").become("degraded", "poll", "no notify here");
      await watch.live(options);
      expect(watch.trouble).toEqual({ state: "degraded", mode: "poll", error: "no notify here" });
    });

    it("does not take an old refusal for a new one: a look decides, and the watch may take its time", async () => {
      fleet.autoLive = false;
      const [, watch] = listen("/a");
      const ref = fleet.ref("/a");
      ref.become("gone");
      ref.onLook = async () => undefined;
      let live = false;
      const again = watch.live(options).then(() => {
        live = true;
      });
      await clock.advance(1);
      expect([ref.looks, live]).toEqual([1, false]);
      ref.become("live");
      await again;
      ref.become("gone");
      ref.onLook = async () => {
        throw new FleetError("denied", "now");
      };
      await expect(watch.live(options)).rejects.toMatchObject({ answer: "denied" });
      // What was remembered when it was asked is no answer; what is found later is.
      ref.onLook = async () => undefined;
      const late = watch.live(options);
      await clock.advance(1);
      ref.become("denied");
      await expect(late).rejects.toMatchObject({ answer: "denied" });
    });

    it("passes the fleet's refusal on", async () => {
      fleet.autoLive = false;
      const [, watch] = listen("/a");
      fleet.ref("/a").fail(new FleetError("not_a_directory", "x"));
      await expect(watch.live(options)).rejects.toMatchObject({ answer: "not_a_directory" });
    });
  });

  it("asks for thousands of directories that are not there a few at a time, and answers each as it is", async () => {
    fleet.autoLive = false;
    const signal = new AbortController().signal;
    const answers = Array.from({ length: 2_000 }, (_, i) => {
      const [ear, watch] = listen(`/none/${i}`);
      const answer = watch
        .live({ signal, deadlineMs: 30_000 })
        .catch((error: { answer?: string; code: string }) => error.answer ?? error.code);
      return answer.finally(() => watch.remove(ear));
    });
    let most = 0;
    // A worker that says so of fifty in a second: most would be past their time, were all of them asked for at once.
    for (let told = 0; told < 2_000; ) {
      const asked = fleet.held.filter(({ state }) => state.state === "starting");
      most = Math.max(most, asked.length);
      for (const ref of asked.slice(0, 10)) ref.become("gone");
      told += Math.min(10, asked.length);
      await clock.advance(200);
    }
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["not_found"]));
    expect(most).toBeLessThanOrEqual(128);
    expect([fleet.held.length, clock.pending]).toEqual([0, 0]);
  });

  it("answers what is not there by looks, without a ref for each, and looks anew for whoever asks anew", async () => {
    const there = new Set<string>(["/d7"]);
    fleet.autoLive = false;
    fleet.stats = async ({ paths }) => paths.map((path) => (there.has(path) ? "directory" : "not_found"));
    const signal = new AbortController().signal;
    const ask = (path: string): Promise<string> => {
      const [ear, watch] = listen(path);
      const answer = watch.live({ signal, deadlineMs: 30_000 }).then(
        () => "live",
        (error: { answer?: string; code: string }) => error.answer ?? error.code,
      );
      return answer.finally(() => watch.remove(ear));
    };
    const paths = Array.from({ length: 1_000 }, (_, i) => `/d${i + 1_000}`);
    // The first of a turn are watched at once; it is those behind them that would wait.
    const first = Array.from({ length: 32 }, (_, i) => ask(`/first/${i}`));
    const answers = paths.map((path) => ask(path));
    const late = ask("/d7");
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["not_found"]));
    expect(fleet.statRequests.length).toBe(16);
    for (let i = 0; i < 5; i++) await turn();
    expect(fleet.refs.map(({ target }) => target.path).slice(32)).toEqual(["/d7"]);
    fleet.ref("/d7").become("live");
    expect(await late).toBe("live");
    // It is made: the next one who asks hears of it.
    there.add("/d1000");
    const again = [...Array.from({ length: 40 }, (_, i) => ask(`/more/${i}`)), ask("/d1000")];
    for (let i = 0; i < 5; i++) await turn();
    fleet.ref("/d1000").become("live");
    expect(await again.at(-1)).toBe("live");
    for (const ref of fleet.held) ref.become("gone");
    expect(new Set(await Promise.all([...first, ...again.slice(0, -1)]))).toEqual(new Set(["not_found"]));
    expect([fleet.held.length, hub.watches]).toEqual([0, 0]);
  });

  it("watches a directory that is not there for whoever stays, once it is its turn", async () => {
    fleet.autoLive = false;
    fleet.stats = async ({ paths }) => paths.map(() => "not_found");
    const signal = new AbortController().signal;
    for (let i = 0; i < 32; i++) listen(`/first/${i}`);
    const [ear, watch] = listen("/later");
    await expect(watch.live({ signal, deadlineMs: 30_000 })).rejects.toMatchObject({ answer: "not_found" });
    expect(fleet.refs).toHaveLength(32);
    for (let i = 0; i < 3; i++) await turn();
    fleet.ref("/later").become("live");
    expect(ear.summary).toEqual(["state /later"]);
  });
});
