import { beforeEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { FleetError } from "../../../../src/fleet/errors.ts";
import { ANONYMOUS, type Identity, type TokenVerifier } from "../../../../src/gateway/auth/identity.ts";
import { TokenError } from "../../../../src/gateway/errors.ts";
import { Rights } from "../../../../src/gateway/grants.ts";
import { Hub } from "../../../../src/gateway/hub/hub.ts";
import { resolveLimits, resolveTimes } from "../../../../src/gateway/options.ts";
import { callerOf } from "../../../../src/gateway/peer/caller.ts";
import { Peer, type PeerHost, type PeerSocket } from "../../../../src/gateway/peer/peer.ts";
import { Pressure } from "../../../../src/gateway/peer/pressure.ts";
import { FakeFleet } from "../../../support/fakes/fake-fleet.ts";

class FakeSocket implements PeerSocket {
  readonly frames: Record<string, unknown>[] = [];
  readonly calls: string[] = [];
  bufferedAmount: number = 0;
  closed: { code: number; reason: string } | undefined;
  send(text: string): void {
    this.frames.push(JSON.parse(text) as Record<string, unknown>);
  }
  ping(): void {
    this.calls.push("ping");
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }
  terminate(): void {
    this.calls.push("terminate");
  }
  get last(): Record<string, unknown> | undefined {
    return this.frames.at(-1);
  }
}

const HOUR = 3_600_000;
const CALLER = callerOf(
  "192.0.2.7",
  { origin: "https://files.example", host: "gw.example", "user-agent": "UA" },
  0,
);
const grants = (...paths: string[]): Rights =>
  new Rights(paths.map((path) => ({ connection: "nas1", path })));

describe("a peer", () => {
  let clock: ManualClock;
  let fleet: FakeFleet;
  let socket: FakeSocket;
  let tokens: Map<string, Identity | TokenError>;
  let generation: number;
  let host: PeerHost;

  beforeEach(() => {
    clock = new ManualClock();
    fleet = new FakeFleet();
    socket = new FakeSocket();
    tokens = new Map<string, Identity | TokenError>([["all", { rights: Rights.all() }]]);
    generation = 0;
    const verifier: TokenVerifier = {
      required: true,
      firstFrame: true,
      ready: true,
      verify: async (token) => {
        const found = tokens.get(token) ?? new TokenError("invalid", "not known");
        if (found instanceof TokenError) throw found;
        return found;
      },
      onKeysChanged: () => () => undefined,
      close: () => undefined,
    };
    const connections = new Map(
      ["nas1", "nas2"].map((name) => [name, { name, caseSensitive: false }] as const),
    );
    host = {
      pressure: new Pressure(clock),
      hub: new Hub({ fleet, clock, caseSensitive: () => false }),
      fleet,
      clock,
      limits: resolveLimits({ subscriptionsPerSocket: 3, messageBurst: 10, messagesPerSecond: 1 }),
      times: resolveTimes(),
      random: () => 0.5,
      verifier: () => verifier,
      generation: () => generation,
      connection: (name) => connections.get(name),
      connectionNames: () => [...connections.keys()],
      onAuthenticated: () => undefined,
    };
  });

  const send = async (peer: Peer, message: object): Promise<Record<string, unknown> | undefined> => {
    peer.onMessage(JSON.stringify(message));
    await clock.advance(0);
    return socket.last;
  };
  const subscribe = (
    peer: Peer,
    path: string,
    more: object = { detail: "none" },
  ): Promise<Record<string, unknown> | undefined> =>
    send(peer, { action: "subscribe", connection_id: "nas1", path, ...more });

  describe("authenticating", () => {
    it("waits for an auth frame no longer than allowed", async () => {
      const peer = new Peer(host, socket, undefined, CALLER);
      await clock.advance(4_999);
      expect(peer.state).toBe("authenticating");
      await clock.advance(1);
      expect(socket.last).toMatchObject({ type: "error", code: "unauthenticated" });
      expect(socket.closed?.code).toBe(1008);
    });

    it("serves nothing before it, and everything sent behind it", async () => {
      const peer = new Peer(host, socket, undefined, CALLER);
      expect(await subscribe(peer, "/a", { id: 1 })).toMatchObject({
        code: "unauthenticated",
        id: 1,
        path: "/a",
      });
      expect(fleet.refs).toEqual([]);
      peer.onMessage(JSON.stringify({ action: "auth", token: "all" }));
      expect(await subscribe(peer, "/a", { id: 2 })).toMatchObject({ type: "subscribed", id: 2 });
      expect(socket.calls).toEqual(["pause", "resume"]);
      await clock.advance(10_000);
      expect(peer.state).toBe("open");
    });

    it("answers an auth frame that asks to be answered", async () => {
      tokens.set("hour", { rights: Rights.all(), expiresAt: clock.now() + HOUR });
      const peer = new Peer(host, socket, undefined, CALLER);
      expect(await send(peer, { action: "auth", token: "hour", id: "a" })).toEqual({
        type: "authenticated",
        expires: "2026-01-01T01:00:00.000Z",
        id: "a",
      });
    });

    it.each([
      ["wrong", "unauthenticated", 1008],
      ["old", "expired", 4401],
      ["later", "internal", 1013],
    ])("with the %s token ends in %s and %i", async (token, code, close) => {
      tokens.set("old", new TokenError("expired", "x"));
      tokens.set("later", new TokenError("unavailable", "x"));
      const peer = new Peer(host, socket, undefined, CALLER);
      expect(await send(peer, { action: "auth", token })).toMatchObject({ type: "error", code });
      expect(socket.closed?.code).toBe(close);
      expect(peer.state).toBe("closing");
    });

    it("does not believe a token checked against keys that changed meanwhile", async () => {
      const peer = new Peer(host, socket, undefined, CALLER);
      peer.onMessage(JSON.stringify({ action: "auth", token: "all" }));
      generation++;
      tokens.delete("all");
      await clock.advance(0);
      expect(socket.last).toMatchObject({ code: "unauthenticated" });
    });
  });

  describe("rights", () => {
    const open = (identity: Identity, token?: string): Peer =>
      new Peer(host, socket, { identity, ...(token === undefined ? {} : { credential: { token } }) }, CALLER);

    it("refuse what is not granted, alike whether it exists or not, and start nothing", async () => {
      const peer = open({ rights: grants("/a/**") });
      expect(await subscribe(peer, "/b")).toMatchObject({ code: "denied", path: "/b" });
      const { message } = socket.last ?? {};
      expect(await send(peer, { action: "subscribe", connection_id: "nas2", path: "/a" })).toMatchObject({
        code: "denied",
      });
      expect(await send(peer, { action: "subscribe", connection_id: "no", path: "/a" })).toMatchObject({
        code: "denied",
      });
      expect(await send(peer, { action: "list", connection_id: "nas1", path: "/b" })).toMatchObject({
        code: "denied",
        message,
      });
      expect(await subscribe(peer, "/", { recursive: true })).toMatchObject({ code: "denied" });
      expect([fleet.refs, fleet.lists, fleet.feeds.size]).toEqual([[], [], 0]);
      expect(await send(peer, { action: "connections" })).toEqual({
        type: "connections",
        connections: ["nas1"],
      });
    });

    it("taken away end the subscription, and leave the others", async () => {
      tokens.set("t", { rights: grants("/a", "/b") });
      const peer = open({ rights: grants("/a", "/b") }, "t");
      await subscribe(peer, "/a");
      await subscribe(peer, "/b");
      tokens.set("t", { rights: grants("/b") });
      await peer.recheck();
      expect(socket.last).toMatchObject({ type: "error", code: "denied", connection_id: "nas1", path: "/a" });
      expect(fleet.held.map(({ target }) => target.path)).toEqual(["/b"]);
      const before = socket.frames.length;
      fleet.changes("nas1", "/a", "secret");
      expect(socket.frames).toHaveLength(before);
      fleet.changes("nas1", "/b", "x");
      expect(socket.last).toMatchObject({ type: "directory_changed", path: "/b" });
    });

    it("taken away while arming or listing answer that request", async () => {
      fleet.autoLive = false;
      tokens.set("t", { rights: grants("/a") });
      const peer = open({ rights: grants("/a") }, "t");
      await subscribe(peer, "/a", { id: 1 });
      let listed: (listing: { entries: [] }) => void = () => undefined;
      fleet.listing = () => new Promise((resolve) => (listed = resolve));
      await send(peer, { action: "list", connection_id: "nas1", path: "/a", id: 2 });
      tokens.set("t", { rights: grants("/b") });
      await peer.recheck();
      expect(socket.last).toMatchObject({ code: "denied", id: 1 });
      listed({ entries: [] });
      await clock.advance(0);
      expect(socket.last).toMatchObject({ code: "denied", id: 2 });
    });

    it("run out on time, and can be renewed before", async () => {
      tokens.set("next", { rights: Rights.all(), expiresAt: clock.now() + 2 * HOUR });
      const peer = open({ rights: Rights.all(), expiresAt: clock.now() + HOUR }, "first");
      await clock.advance(HOUR - 1);
      await send(peer, { action: "auth", token: "next", id: 1 });
      await clock.advance(HOUR);
      expect(peer.state).toBe("open");
      await clock.advance(2);
      await clock.advance(20);
      expect(socket.frames.at(-1)).toMatchObject({ type: "error", code: "expired" });
      expect(socket.closed).toEqual({ code: 4401, reason: "expired" });
    });

    it("stay while the issuer is away", async () => {
      tokens.set("t", new TokenError("unavailable", "x"));
      const peer = open(ANONYMOUS, "t");
      await peer.recheck();
      expect(peer.state).toBe("open");
    });
  });

  describe("serving", () => {
    let peer: Peer;
    beforeEach(() => {
      peer = new Peer(host, socket, { identity: ANONYMOUS, credential: { token: "all" } }, CALLER);
    });

    it("says how it sees the client, to the client and to operators", async () => {
      await send(peer, { action: "whoami", id: 5 });
      expect(socket.last).toEqual({
        type: "whoami",
        client: CALLER.id,
        address: "192.0.2.7",
        origin: "https://files.example",
        host: "gw.example",
        grants: [{ connection: "*", path: "/**" }],
        id: 5,
      });
      await subscribe(peer, "/a");
      socket.bufferedAmount = 7;
      expect(peer.info()).toEqual({
        client: CALLER.id,
        address: "192.0.2.7",
        origin: "https://files.example",
        userAgent: "UA",
        since: "1970-01-01T00:00:00.000Z",
        connections: ["nas1"],
        subscriptions: 1,
        unsentBytes: 7,
      });
    });

    it.each([
      ["not_found", "not_found"],
      ["not_a_directory", "not_a_directory"],
      ["unreachable", "unreachable"],
      ["internal", "internal"],
    ] as const)("says %s, and can be asked again", async (failure, code) => {
      fleet.autoLive = false;
      await subscribe(peer, "/a", { id: 1 });
      fleet.ref("/a").fail(new FleetError(failure, "//nas/secret-share said so"));
      await clock.advance(0);
      expect(socket.last).toMatchObject({ type: "error", code, path: "/a", id: 1 });
      expect(JSON.stringify(socket.last)).not.toContain("secret");
      expect([peer.subscriptions, fleet.held.length]).toEqual([0, 0]);
      fleet.autoLive = true;
      expect(await subscribe(peer, "/a")).toMatchObject({ type: "subscribed" });
    });

    it("gives a worker that never answers a deadline", async () => {
      fleet.autoLive = false;
      await subscribe(peer, "/a");
      await clock.advance(30_000);
      expect(socket.frames.at(-1)).toMatchObject({ code: "unreachable", path: "/a" });
    });

    it("answers every request that waits for the same directory", async () => {
      fleet.autoLive = false;
      await subscribe(peer, "/a", { id: 1 });
      await subscribe(peer, "/a", { id: 2 });
      fleet.ref("/a").become("live");
      await clock.advance(0);
      expect(socket.frames.map(({ type, id }) => [type, id])).toEqual([
        ["subscribed", 1],
        ["subscribed", 2],
      ]);
      await subscribe(peer, "/b", { id: 3 });
      await send(peer, { action: "unsubscribe", connection_id: "nas1", path: "b/", id: 4 });
      expect(socket.frames.slice(2)).toEqual([
        { type: "unsubscribed", connection_id: "nas1", path: "/b", id: 3 },
        { type: "unsubscribed", connection_id: "nas1", path: "b/", id: 4 },
      ]);
      fleet.refs[1]?.become("live");
      await clock.advance(0);
      expect(socket.frames).toHaveLength(4);
      fleet.autoLive = true;
      await subscribe(peer, "/C");
      await send(peer, { action: "unsubscribe", connection_id: "nas1", path: "c/" });
      expect(socket.frames.slice(5)).toEqual([
        { type: "unsubscribed", connection_id: "nas1", path: "/C" },
        { type: "unsubscribed", connection_id: "nas1", path: "c/" },
      ]);
    });

    it("keeps to the number of subscriptions, and to that of messages", async () => {
      for (const path of ["/1", "/2", "/3"])
        expect(await subscribe(peer, path)).toMatchObject({ type: "subscribed" });
      expect(await subscribe(peer, "/4")).toMatchObject({ code: "limit", path: "/4" });
      for (let n = 0; n < 6; n++) expect(await send(peer, { action: "ping" })).toEqual({ type: "pong" });
      expect(await send(peer, { action: "ping", id: "over" })).toMatchObject({ code: "limit", id: "over" });
      await clock.advance(1_000);
      expect(await send(peer, { action: "ping" })).toEqual({ type: "pong" });
      for (let n = 0; n < 100; n++) await send(peer, { action: "ping" });
      expect(socket.closed?.code).toBe(4429);
      const told = socket.frames.length;
      await send(peer, { action: "ping" });
      expect(socket.frames).toHaveLength(told);
    });

    it("lists a page, a few at a time", async () => {
      fleet.listing = async () => ({
        entries: [{ name: "a", type: "file", size: 1, modified: "2026-01-01T00:00:00.000Z" }],
        next: "a",
      });
      expect(
        await send(peer, { action: "list", connection_id: "nas1", path: "d/", after: "A", id: 1 }),
      ).toEqual({
        type: "listing",
        connection_id: "nas1",
        path: "d/",
        entries: [{ name: "a", type: "file", size: 1, modified: "2026-01-01T00:00:00.000Z" }],
        next: "a",
        id: 1,
      });
      expect(fleet.lists).toEqual([{ connection: "nas1", path: "/d", after: "A" }]);
      fleet.listing = () => new Promise(() => undefined);
      for (let n = 0; n < 4; n++) await send(peer, { action: "list", connection_id: "nas1", path: "/" });
      expect(await send(peer, { action: "list", connection_id: "nas1", path: "/" })).toMatchObject({
        code: "limit",
      });
      await clock.advance(30_000);
      expect(socket.frames.filter(({ code }) => code === "unreachable")).toHaveLength(4);
    });

    it("tells states, and the trouble a new subscription begins with", async () => {
      await subscribe(peer, "/a");
      fleet.ref("/a").become("unreachable", "notify", "away");
      expect(socket.last).toEqual({
        type: "state",
        connection_id: "nas1",
        path: "/a",
        state: "unreachable",
        mode: "notify",
        error: "away",
      });
      fleet.autoLive = false;
      await subscribe(peer, "/b");
      fleet.ref("/b").become("live", "poll");
      await clock.advance(0);
      expect(socket.frames.slice(-2)).toMatchObject([
        { type: "subscribed", path: "/b" },
        { type: "state", path: "/b", state: "live", mode: "poll" },
      ]);
    });

    it("says what comes late with `subscribed`, and when that changes", async () => {
      fleet.autoLive = false;
      const late = { names: 120, contents: 600 };
      await subscribe(peer, "/a");
      fleet.ref("/a").become("live", "notify", undefined, late);
      await clock.advance(0);
      expect(socket.frames).toMatchObject([{ type: "subscribed", path: "/a", late }]);
      fleet.ref("/a").become("live", "notify", undefined, { ...late, names: 180 });
      fleet.ref("/a").become("live");
      expect(socket.frames.slice(1)).toMatchObject([
        { type: "state", state: "live", mode: "notify", late: { names: 180, contents: 600 } },
        { type: "state", state: "live", mode: "notify" },
      ]);
      expect(socket.last).not.toHaveProperty("late");
    });

    it("lets a recursive subscription know which directory it was", async () => {
      await subscribe(peer, "media", { recursive: true, detail: "changes" });
      fleet.changes("nas1", "/Media/Photos", "x");
      expect(socket.last).toMatchObject({
        path: "media",
        directory: "/Media/Photos",
        changes: [{ name: "x" }],
      });
    });

    it("drops everything when the socket is gone", async () => {
      await subscribe(peer, "/a");
      peer.onClosed(1006);
      peer.onClosed(1006);
      expect([fleet.held.length, fleet.feeds.size, clock.pending]).toEqual([0, 0, 0]);
    });
  });

  describe("resuming", () => {
    let peer: Peer;
    beforeEach(async () => {
      peer = new Peer(host, socket, { identity: ANONYMOUS, credential: { token: "all" } }, CALLER);
      for (const name of ["1", "2", "3"]) fleet.changes("nas1", "/a", name);
    });
    const heard = (): unknown[] =>
      socket.frames.flatMap(({ changes, reason }) =>
        reason === undefined ? ((changes ?? []) as { name: string }[]).map(({ name }) => name) : [reason],
      );

    it("replays what came after the cursor, then what comes", async () => {
      await subscribe(peer, "/a", { since: "s:1", detail: "changes" });
      fleet.changes("nas1", "/a", "4");
      await clock.advance(1_000);
      expect(socket.frames[0]).toMatchObject({ type: "subscribed", cursor: "s:1" });
      expect(heard()).toEqual(["2", "3", "4"]);
    });

    it("tells what arrives during the replay once, and after it", async () => {
      let busy = true;
      fleet.onReplay = async () => {
        if (busy) fleet.changes("nas1", "/a", "live");
        busy = false;
      };
      await subscribe(peer, "/a", { since: "s:0", detail: "changes" });
      await clock.advance(1_000);
      expect(heard()).toEqual(["1", "2", "3", "live"]);
    });

    it.each([["s:1"], ["other:5"], ["nonsense"]])(
      "announces the gap when %s is out of reach",
      async (since) => {
        fleet.firstSequence = 3;
        await subscribe(peer, "/a", { since, detail: "changes" });
        await clock.advance(1_000);
        expect(heard()).toEqual(["retention"]);
        fleet.changes("nas1", "/a", "4");
        await clock.advance(1_000);
        expect(heard()).toEqual(["retention", "4"]);
      },
    );

    it("announces the gap when there is too much to replay", async () => {
      host = { ...host, limits: { ...host.limits, replayMessages: 2 } };
      peer = new Peer(host, socket, { identity: ANONYMOUS, credential: { token: "all" } }, CALLER);
      await subscribe(peer, "/a", { since: "s:0", detail: "changes" });
      await clock.advance(1_000);
      expect(heard()).toEqual(["1", "2", "slow-consumer"]);
    });
  });

  describe("keeping alive", () => {
    it("pings, and cuts a socket that does not answer", async () => {
      const peer = new Peer(host, socket, { identity: ANONYMOUS }, CALLER);
      await clock.advance(30_000);
      expect(socket.calls).toEqual(["ping"]);
      peer.onPong();
      await clock.advance(30_000);
      expect(socket.calls).toEqual(["ping", "ping"]);
      await clock.advance(30_000);
      expect(socket.calls).toEqual(["ping", "ping", "terminate"]);
    });

    it("cuts a client that does not answer a close", async () => {
      const peer = new Peer(host, socket, { identity: ANONYMOUS }, CALLER);
      peer.close(1001, "going away");
      await clock.advance(2_000);
      expect(socket.calls).toEqual(["terminate"]);
      peer.onClosed(1006);
      expect(clock.pending).toBe(0);
    });
  });
});
