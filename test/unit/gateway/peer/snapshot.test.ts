import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { FleetError } from "../../../../src/fleet/errors.ts";
import type { DirectorySnapshot, SnapshotDirectory } from "../../../../src/fleet/port.ts";
import type { TokenVerifier } from "../../../../src/gateway/auth/identity.ts";
import { type SnapshotFact, snapshotFacts } from "../../../../src/gateway/facts.ts";
import { Rights } from "../../../../src/gateway/grants.ts";
import { Hub } from "../../../../src/gateway/hub/hub.ts";
import { type GatewayLimits, resolveLimits, resolveTimes } from "../../../../src/gateway/options.ts";
import { callerOf } from "../../../../src/gateway/peer/caller.ts";
import { Peer, type PeerHost, type PeerSocket } from "../../../../src/gateway/peer/peer.ts";
import { Pressure } from "../../../../src/gateway/peer/pressure.ts";
import type { Change } from "../../../../src/watch/events.ts";
import { FakeFleet } from "../../../support/fakes/fake-fleet.ts";

type Frame = Record<string, unknown> & { readonly type: string };

class FakeSocket implements PeerSocket {
  readonly frames: Frame[] = [];
  readonly texts: string[] = [];
  bufferedAmount: number = 0;
  /** Whether what is sent stays in the buffer. */
  stuck: boolean = false;
  closed: number | undefined;
  send(text: string): void {
    this.texts.push(text);
    this.frames.push(JSON.parse(text) as Frame);
    if (this.stuck) this.bufferedAmount += text.length;
  }
  ping(): void {}
  pause(): void {}
  resume(): void {}
  close(code: number): void {
    this.closed = code;
  }
  terminate(): void {}
  of(type: string): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

const EPOCH = "b-7";
const LATER = "b-9";

describe("a subscription with a snapshot", () => {
  let clock: ManualClock;
  let fleet: FakeFleet;
  let hub: Hub;
  /** What the worker has told, by directory, and how much. */
  let directories: SnapshotDirectory[];
  let told: number;
  let epoch: string;
  let stored: boolean;
  let asked: number;
  let facts: SnapshotFact[];

  beforeEach(() => {
    clock = new ManualClock();
    fleet = new FakeFleet();
    directories = [{ path: "/a", entries: [{ name: "x", type: "file", size: 1 }] }];
    told = 0;
    epoch = EPOCH;
    stored = true;
    asked = 0;
    facts = [];
    fleet.picture = async (target): Promise<DirectorySnapshot> => {
      asked++;
      return { epoch, told, stored, servedBy: target, directories };
    };
    hub = new Hub({ fleet, clock, caseSensitive: () => true });
    const stop = snapshotFacts.subscribe((fact) => facts.push(fact));
    return stop;
  });

  const verifier: TokenVerifier = {
    required: false,
    firstFrame: true,
    ready: true,
    verify: async () => ({ rights: Rights.all() }),
    onKeysChanged: () => () => undefined,
    close: () => undefined,
  };

  function peer(limits: Partial<GatewayLimits> = {}): { readonly socket: FakeSocket; readonly peer: Peer } {
    const host: PeerHost = {
      pressure: new Pressure(clock),
      hub,
      fleet,
      clock,
      limits: resolveLimits(limits),
      times: resolveTimes(),
      random: () => 0.5,
      verifier: () => verifier,
      generation: () => 0,
      connection: (name) => (name === "nas1" ? { name, caseSensitive: true } : undefined),
      connectionNames: () => ["nas1"],
      onAuthenticated: () => undefined,
    };
    const socket = new FakeSocket();
    const admitted = { identity: { rights: Rights.all() } };
    return { socket, peer: new Peer(host, socket, admitted as never, callerOf("192.0.2.7", {}, 0)) };
  }
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(0);
    }
  }
  async function subscribe(target: Peer, more: object = {}, path: string = "/a"): Promise<void> {
    target.onMessage(
      JSON.stringify({ action: "subscribe", connection_id: "nas1", path, snapshot: true, ...more }),
    );
    await settle();
  }
  function tell(
    changes: readonly Change[] | string,
    more: { path?: string; told?: number; epoch?: string } = {},
  ): void {
    const list: readonly Change[] =
      typeof changes === "string" ? [{ action: "added", name: changes }] : changes;
    told++;
    fleet.publish({
      type: "changes",
      body: {
        connection: "nas1",
        path: more.path ?? "/a",
        epoch: more.epoch ?? epoch,
        seq: told,
        told: more.told ?? told,
        time: new Date(0).toISOString(),
        via: "notify",
        changes: list,
      },
    });
  }
  function resync(more: { picture?: "kept"; epoch?: string; told?: number } = {}): void {
    told++;
    const body = {
      connection: "nas1",
      path: "/a",
      epoch,
      seq: told,
      told,
      time: new Date(0).toISOString(),
      scope: "self" as const,
      reason: "overflow" as const,
      ...more,
    };
    fleet.publish({ type: "resync", body });
  }
  const namesOf = (frame: Frame | undefined): string[] =>
    ((frame?.["entries"] ?? []) as { name: string }[]).map(({ name }) => name);
  const changedNames = (socket: FakeSocket): string[] =>
    socket
      .of("directory_changed")
      .flatMap((frame) => ((frame["changes"] ?? []) as Change[]).map(({ name }) => name));

  it("is answered, given what is there, and then told every change", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one, { id: 1 });
    expect(socket.frames).toEqual([
      { type: "subscribed", connection_id: "nas1", path: "/a", id: 1 },
      {
        type: "snapshot",
        connection_id: "nas1",
        path: "/a",
        directory: "/a",
        page: 0,
        reason: "first",
        entries: [{ name: "x", type: "file", size: 1 }],
        cursor: "s:0~b-7~0~1~1",
      },
    ]);
    tell("y");
    expect(socket.frames.at(-1)).toMatchObject({
      type: "directory_changed",
      cursor: "s:1~b-7~0~1~1",
      changes: [{ action: "added", name: "y" }],
    });
    expect(facts).toEqual([{ connection: "nas1", reason: "first", outcome: "sent" }]);
  });

  it("is one question for many who ask, also after changes", async () => {
    for (let n = 0; n < 20; n++) await subscribe(peer().peer);
    tell("y");
    const { socket, peer: late } = peer();
    await subscribe(late);
    expect(namesOf(socket.of("snapshot")[0])).toEqual(["x", "y"]);
    expect(asked).toBe(1);
    expect(fleet.lists).toEqual([]);
  });

  it("does not tell what the snapshot knew of already, whenever it is stored", async () => {
    told = 5;
    const { socket, peer: one } = peer();
    await subscribe(one);
    tell("old", { told: 4 });
    tell("new", { told: 6 });
    await clock.advance(1_000);
    expect(changedNames(socket)).toEqual(["new"]);
  });

  it("goes on through a resync that kept the picture, and gets a new one where it was lost", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one);
    resync({ picture: "kept" });
    await settle();
    expect(socket.frames).toHaveLength(2);
    directories = [{ path: "/a", entries: [{ name: "z" }] }];
    resync();
    tell("in it");
    await settle();
    const [, second] = socket.of("snapshot");
    expect(second).toMatchObject({ page: 0, reason: "overflow" });
    expect(namesOf(second)).toEqual(["z", "in it"]);
    tell("after");
    await clock.advance(1_000);
    expect(changedNames(socket)).toEqual(["after"]);
    expect(socket.frames.some((frame) => "resync" in frame)).toBe(false);
    expect(asked).toBe(2);
  });

  it("gets a new one when messages were lost on the way", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one);
    fleet.gap("slow-consumer");
    await settle();
    expect(socket.of("snapshot").map((frame) => frame["reason"])).toEqual(["first", "slow-consumer"]);
    expect(socket.of("directory_changed")).toEqual([]);
  });

  it("tells a tree directory by directory, in frames of bounded length, one of which is the last", async () => {
    const many = Array.from({ length: 3_000 }, (_, n) => ({
      name: `${n}${"é".repeat(40)}`,
      type: "file" as const,
    }));
    directories = [
      { path: "/a", entries: [{ name: "sub", type: "directory" }, ...many] },
      { path: "/a/sub", entries: [], tooLarge: true },
    ];
    const { socket, peer: one } = peer();
    await subscribe(one, { recursive: true });
    const frames = socket.of("snapshot");
    expect(frames.length).toBeGreaterThan(4);
    expect(frames.map(({ page }) => page)).toEqual(frames.map((_, page) => page));
    expect(frames.map(({ more }) => more)).toEqual([...frames.slice(1).map(() => true), undefined]);
    expect(frames.map((frame) => "cursor" in frame)).toEqual([...frames.slice(1).map(() => false), true]);
    expect(frames.at(-1)).toMatchObject({ directory: "/a/sub", tooLarge: true });
    expect(frames.flatMap(namesOf)).toEqual(["sub", ...many.map(({ name }) => name)]);
    for (const text of socket.texts) expect(Buffer.byteLength(text)).toBeLessThan(70_000);
  });

  it("keeps the order across directories of a tree", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one, { recursive: true });
    for (const name of ["d", "e"]) {
      tell([{ action: "added", name, type: "directory" }]);
      tell("x", { path: `/a/${name}` });
      tell([{ action: "renamed", name: `${name}2`, oldName: name }]);
      tell("y", { path: `/a/${name}2` });
      tell("z", { path: `/a/${name}2` });
    }
    await clock.advance(1_000);
    const frames = socket.of("directory_changed");
    const told = frames.flatMap(({ directory, changes }) =>
      (changes as Change[]).map(({ name }) => `${directory} ${name}`),
    );
    const of = (name: string): string[] => [
      `/a ${name}`,
      `/a/${name} x`,
      `/a ${name}2`,
      `/a/${name}2 y`,
      `/a/${name}2 z`,
    ];
    expect(told).toEqual([...of("d"), ...of("e")]);
    // A cursor is exact: what is told twice would move what lies below twice.
    let sum = 0;
    for (const { changes, cursor } of frames) {
      sum += (changes as Change[]).length;
      expect(String(cursor)).toMatch(new RegExp(`^s:${sum}~`));
    }
  });

  it("sends no faster than it is read, and tells what happened meanwhile after it", async () => {
    const many = Array.from({ length: 20_000 }, (_, n) => ({ name: `a file with a long name ${n}` }));
    directories = [{ path: "/a", entries: many }];
    const { socket, peer: one } = peer();
    socket.stuck = true;
    await subscribe(one);
    const first = socket.of("snapshot").length;
    expect(socket.bufferedAmount).toBeLessThan(262_144 + 70_000);
    tell("meanwhile");
    await clock.advance(1_000);
    expect(socket.of("snapshot")).toHaveLength(first);
    while (socket.of("directory_changed").length === 0) {
      socket.bufferedAmount = 0;
      await clock.advance(50);
    }
    expect(socket.frames.slice(1).map(({ type }) => type)).toEqual([
      ...socket.of("snapshot").map(() => "snapshot"),
      "directory_changed",
    ]);
    expect(socket.of("snapshot").flatMap(namesOf)).toEqual(many.map(({ name }) => name));
    expect(changedNames(socket)).toEqual(["meanwhile"]);
    expect(asked).toBe(1);
  });

  it("begins again where too much happens before a slow reader has it", async () => {
    const many = Array.from({ length: 20_000 }, (_, n) => ({ name: `a file with a long name ${n}` }));
    directories = [{ path: "/a", entries: many }];
    const { socket, peer: one } = peer({ replayMessages: 3 });
    socket.stuck = true;
    await subscribe(one);
    for (let n = 0; n < 5; n++) tell(`new ${n}`);
    for (let turn = 0; turn < 100; turn++) {
      socket.bufferedAmount = 0;
      await clock.advance(50);
    }
    const pages = socket.of("snapshot").map(({ page }) => page);
    const again = pages.lastIndexOf(0);
    expect(again).toBeGreaterThan(0);
    expect(socket.of("snapshot")[again]).toMatchObject({ reason: "slow-consumer" });
    expect(socket.of("snapshot").slice(again).flatMap(namesOf).slice(-5)).toEqual(
      [0, 1, 2, 3, 4].map((n) => `new ${n}`),
    );
    expect(socket.of("directory_changed")).toEqual([]);
    expect(facts.map(({ outcome }) => outcome)).toEqual(["dropped", "sent"]);
    expect(asked).toBe(1);
  });

  it("is a snapshot, not a resync, that a reader gets for whom too many changes wait; who never reads is closed", async () => {
    const { socket, peer: one } = peer({ pendingChanges: 10 });
    await subscribe(one);
    tell("first");
    socket.bufferedAmount = 300_000;
    for (let n = 0; n < 20; n++) tell(`more ${n}`);
    await clock.advance(1_000);
    socket.bufferedAmount = 0;
    await clock.advance(1_000);
    expect(socket.of("snapshot").map(({ reason }) => reason)).toEqual(["first", "slow-consumer"]);
    expect(namesOf(socket.of("snapshot")[1])).toHaveLength(22);
    expect(changedNames(socket)).toEqual(["first"]);
    socket.bufferedAmount = 300_000;
    for (let n = 0; n < 20; n++) tell(`even more ${n}`);
    await clock.advance(40_000);
    expect(socket.closed).toBe(1013);
  });

  describe("after a reconnect", () => {
    async function away(during: () => void, since?: string): Promise<FakeSocket> {
      const before = peer();
      await subscribe(before.peer);
      const cursor = String(before.socket.of("snapshot")[0]?.["cursor"]);
      before.peer.onClosed(1006);
      during();
      const { socket, peer: again } = peer();
      await subscribe(again, { since: since ?? cursor });
      tell("later");
      await clock.advance(1_000);
      return socket;
    }

    it("is told what it missed, and nothing else", async () => {
      const socket = await away(() => {
        tell("missed");
        resync({ picture: "kept" });
      });
      expect(socket.frames[0]).toMatchObject({ type: "subscribed", cursor: "s:0~b-7~0~1~1" });
      expect(socket.of("snapshot")).toEqual([]);
      expect(changedNames(socket)).toEqual(["missed", "later"]);
      expect(facts.at(-1)).toMatchObject({ outcome: "resumed" });
    });

    it("is told what its own snapshot did not know, though the gateway's knows it", async () => {
      const socket = await away(() => {
        // Stored late: the owner's snapshot of now has it.
        told = 9;
        directories = [{ path: "/a", entries: [{ name: "x" }, { name: "late" }] }];
        fleet.publish({
          type: "changes",
          body: {
            connection: "nas1",
            path: "/a",
            epoch,
            seq: 9,
            told: 9,
            time: new Date(0).toISOString(),
            via: "notify",
            changes: [{ action: "added", name: "late" }],
          },
        });
      });
      expect(changedNames(socket)).toEqual(["late", "later"]);
    });

    it.each([
      ["the picture was lost", (): void => resync(), undefined],
      [
        "the stream no longer has it",
        (): void => {
          tell("gone");
          tell("gone, too");
          fleet.firstSequence = 2;
        },
        undefined,
      ],
      ["the cursor is none of a picture", (): void => undefined, "s:0"],
      ["the cursor is nothing at all", (): void => undefined, "~~~~"],
      [
        "its owner ended before all was stored, and another speaks",
        (): void => {
          epoch = LATER;
          tell("other");
        },
        "s:0~b-7~0~0~1",
      ],
      [
        "something became of the way to it",
        (): void => tell([{ action: "renamed", name: "a", oldName: "b" }], { path: "/" }),
        "s:0~b-7~0~1~0",
      ],
    ])("gets a snapshot where %s", async (_why, during, since) => {
      const socket = await away(during, since);
      expect(socket.of("snapshot")).toHaveLength(1);
      expect(socket.frames[1]?.type).toBe("snapshot");
      expect(changedNames(socket)).toEqual(["later"]);
      expect(socket.frames.some((frame) => "resync" in frame)).toBe(false);
    });

    it("is told in order what is stored while the stream is read, though it may be read for one directory only", async () => {
      const before = peer();
      await subscribe(before.peer, { recursive: true });
      const cursor = String(before.socket.of("snapshot")[0]?.["cursor"]);
      before.peer.onClosed(1006);
      tell("missed");
      fleet.replay = async function* () {
        yield* fleet.stored.slice(0, 1);
        tell([{ action: "added", name: "sub", type: "directory" }]);
        tell("x", { path: "/a/sub" });
        yield* fleet.stored.slice(2);
      };
      const { socket, peer: again } = peer();
      await subscribe(again, { since: cursor, recursive: true });
      await clock.advance(1_000);
      expect(changedNames(socket)).toEqual(["missed", "sub", "x"]);
    });

    it("hears of a new owner that goes on", async () => {
      const socket = await away(() => {
        epoch = LATER;
        tell("from the new one");
        tell("from the old one", { epoch: EPOCH });
      });
      expect(changedNames(socket)).toEqual(["from the new one", "later"]);
      const cursors = socket.of("directory_changed").map(({ cursor }) => cursor);
      expect(cursors.at(-1)).toBe("s:3~b-9~-1~1~1");
    });
  });

  it("says when the way to the directory is gone, and gives what is there when it is back", async () => {
    fleet.picture = async (): Promise<DirectorySnapshot> => {
      asked++;
      const servedBy = { path: "/", recursive: true };
      return { epoch, told, stored, servedBy, directories };
    };
    const { socket, peer: one } = peer();
    await subscribe(one);
    tell([{ action: "removed", name: "a" }], { path: "/" });
    await settle();
    expect(socket.frames.slice(2)).toMatchObject([
      { type: "snapshot", reason: "moved", entries: [] },
      { type: "state", state: "gone" },
    ]);
    directories = [{ path: "/a", entries: [{ name: "other" }] }];
    tell([{ action: "renamed", name: "a", oldName: "b" }], { path: "/" });
    await settle();
    expect(socket.frames.slice(4)).toMatchObject([
      { type: "state", state: "live" },
      { type: "snapshot", reason: "moved", entries: [{ name: "other" }] },
    ]);
  });

  it.each([
    ["not_found", "not_found"],
    ["too_large", "too_large"],
    ["no_changes", "no_changes"],
    ["denied", "denied"],
  ] as const)("ends with an error where the answer is %s", async (failure, code) => {
    fleet.picture = () => Promise.reject(new FleetError(failure, "no"));
    const { socket, peer: one } = peer();
    await subscribe(one, { id: 3 });
    expect(socket.frames).toMatchObject([
      { type: "subscribed", id: 3 },
      { type: "error", code, path: "/a" },
    ]);
    expect(one.subscriptions).toBe(0);
    expect(fleet.held).toEqual([]);
  });

  it("asks again while no worker answers", async () => {
    const answer = fleet.picture;
    fleet.picture = () => Promise.reject(new FleetError("unreachable", "nobody"));
    const { socket, peer: one } = peer();
    await subscribe(one);
    expect(socket.of("snapshot")).toEqual([]);
    fleet.picture = answer;
    await clock.advance(1_000);
    await settle();
    expect(socket.of("snapshot")).toHaveLength(1);
  });

  it("says so where no worker answers for too long, as does whoever asks later, and gives what is there once one does", async () => {
    const answer = fleet.picture;
    fleet.picture = () => Promise.reject(new FleetError("unreachable", "nobody"));
    const [one, two] = [peer(), peer()];
    await subscribe(one.peer);
    await clock.advance(9_000);
    expect(one.socket.of("state")).toEqual([]);
    await clock.advance(1_000);
    const silent = { type: "state", path: "/a", state: "degraded", mode: "notify" };
    expect(one.socket.of("state")).toEqual([
      { ...silent, connection_id: "nas1", error: "no worker has said yet what is in this directory" },
    ]);
    await subscribe(two.peer);
    expect(two.socket.frames).toMatchObject([{ type: "subscribed" }, silent]);
    // That the watch is well, once more, does not give him a picture.
    fleet.ref("/a").become("degraded");
    fleet.ref("/a").become("live");
    expect(one.socket.of("state").map(({ state }) => state)).toEqual(["degraded", "degraded", "degraded"]);
    fleet.picture = answer;
    await clock.advance(10_000);
    await settle();
    for (const { socket } of [one, two]) {
      expect(socket.frames.slice(-2)).toMatchObject([
        { type: "snapshot", reason: "first" },
        { type: "state", state: "live" },
      ]);
    }
  });

  it("says so where the answer to a picture that was lost stays away, not to who has one that goes on", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one);
    fleet.picture = () => new Promise(() => undefined);
    resync();
    await clock.advance(10_000);
    expect(socket.frames.slice(2)).toMatchObject([{ type: "state", state: "degraded" }]);
    const cursor = String(socket.of("snapshot")[0]?.["cursor"]);
    fleet.stored.length = 0;
    const { socket: resumed, peer: two } = peer();
    await subscribe(two, { since: cursor });
    tell("later");
    await clock.advance(1_000);
    expect(changedNames(resumed)).toEqual(["later"]);
    expect(resumed.of("state")).toEqual([]);
  });

  it("keeps no more entries than it may, and lets go of them", async () => {
    hub = new Hub({ fleet, clock, caseSensitive: () => true, mirroredEntries: 2 });
    const one = peer();
    await subscribe(one.peer);
    const two = peer();
    directories = [{ path: "/b", entries: [{ name: "1" }, { name: "2" }] }];
    await subscribe(two.peer, {}, "/b");
    expect(two.socket.frames.at(-1)).toMatchObject({ type: "error", code: "too_large" });
    one.peer.onClosed(1000);
    await subscribe(two.peer, {}, "/b");
    expect(two.socket.frames.at(-1)).toMatchObject({ type: "snapshot" });
  });

  it("may be asked for again, and given up, under the same name", async () => {
    const { socket, peer: one } = peer();
    await subscribe(one);
    await subscribe(one);
    expect(socket.of("snapshot")).toHaveLength(2);
    await subscribe(one, { snapshot: false, detail: "changes" });
    fleet.resync("nas1", "/a", "overflow");
    expect(socket.frames.at(-1)).toMatchObject({ type: "directory_changed", resync: true });
    expect(one.subscriptions).toBe(1);
    one.onMessage(JSON.stringify({ action: "unsubscribe", connection_id: "nas1", path: "/a" }));
    expect([fleet.held, one.subscriptions]).toEqual([[], 0]);
  });
});
