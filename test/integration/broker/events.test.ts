import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { startTcpProxy, type TcpProxy } from "../../../scripts/lab/tcp-proxy.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { connectionFacts, feedFacts, outboxFacts, publishFacts } from "../../../src/broker/facts.ts";
import { NatsEventFeed } from "../../../src/broker/feed/feed.ts";
import { NatsLink } from "../../../src/broker/link/link.ts";
import { encodeMessage } from "../../../src/broker/message/message-codec.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import type {
  Broker,
  EventPublisher,
  FeedMessage,
  FeedSubscription,
  PublisherOptions,
  WatchPublisher,
} from "../../../src/broker/port.ts";
import { Subjects, watchName } from "../../../src/broker/subjects.ts";
import { until } from "../../support/until.ts";

const subjects = new Subjects();

interface Follow {
  readonly subscription: FeedSubscription;
  readonly messages: FeedMessage[];
  readonly gaps: string[];
}

function follow(broker: Broker, connection: string): Follow {
  const messages: FeedMessage[] = [];
  const gaps: string[] = [];
  const subscription = broker.feed.follow(connection, {
    onMessage: (message) => messages.push(message),
    onGap: (reason) => gaps.push(reason),
  });
  return { subscription, messages, gaps };
}

function names(messages: readonly FeedMessage[], path?: string): string[] {
  return messages.flatMap(({ message }) =>
    message.type === "changes" && (path === undefined || message.body.path === path)
      ? message.body.changes.map(({ name }) => name)
      : [],
  );
}

function add(watch: WatchPublisher, path: string, name: string): void {
  watch.changes({ type: "changes", path, via: "notify", changes: [{ action: "added", name }] });
}

const sequence = (count: number, prefix = "f"): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);

describe("events", () => {
  let nats: Nats;
  let proxy: TcpProxy;
  let writer: Broker;
  let reader: Broker;
  let connections = 0;
  /** A connection name of its own per test. */
  const fresh = (): string => `c${++connections}`;

  beforeAll(async () => {
    nats = await startNats();
    proxy = await startTcpProxy({ port: nats.port });
    writer = await connectBroker({ servers: [nats.url], name: "writer", requestTimeoutMs: 500 });
    reader = await connectBroker({
      servers: [`nats://127.0.0.1:${proxy.port}`],
      name: "reader",
      requestTimeoutMs: 500,
      pingIntervalMs: 500,
    });
  });
  afterAll(async () => {
    await writer.close();
    await reader.close();
    await proxy.close();
    await nats.stop();
  });

  function open(
    connection: string,
    options: Partial<PublisherOptions> = {},
    resyncTargets: readonly string[] = [],
  ): { publisher: EventPublisher; watch: WatchPublisher } {
    const publisher = writer.publisher({ mayPublish: () => true, ackTimeoutMs: 500, ...options });
    const watch = publisher.open({
      connection,
      path: "/",
      recursive: true,
      caseSensitive: false,
      source: "smb://nas/share",
      epoch: `e-${connection}`,
      resyncTargets: () => resyncTargets,
    });
    return { publisher, watch };
  }

  it("delivers to followers what was handed in, odd names and all", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection);
    const paths = [
      "/",
      "/My Documents/v1.2",
      "/Übung/日本語/😀",
      "/a*b/>/$x/100%/=y",
      "/lone\ud800",
      `/${"é".repeat(255)}/${"ü".repeat(255)}`,
    ];
    for (const path of paths) add(watch, path, "späße \ud83d.txt");
    watch.state({ type: "state", path: "/", state: "live", mode: "notify" });
    await watch.flush({ deadlineMs: 45_000 });
    await until("all", () => messages.length === paths.length + 1);
    for (const [index, path] of paths.entries()) {
      const { subject, message } = messages[index]!;
      expect(subject).toBe(subjects.event(watchName(connection, path, false)));
      expect(message.body).toMatchObject({ path, connection, epoch: `e-${connection}` });
      expect(names([messages[index]!])).toEqual(["späße \ud83d.txt"]);
    }
    expect(messages.map(({ message }) => message.body.seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    subscription.close();
    await publisher.close();
  });

  it("keeps one publish in flight per directory and batches what comes meanwhile", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection, { maxChanges: 100 });
    const all = sequence(1_000);
    for (const name of all) {
      add(watch, "/a", name);
      add(watch, "/b", name);
      if (Number(name.slice(1)) % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await watch.flush({ deadlineMs: 45_000 });
    await until("all", () => names(messages).length === 2_000);
    expect(names(messages, "/a")).toEqual(all);
    expect(names(messages, "/b")).toEqual(all);
    expect(messages.length).toBeLessThan(200);
    expect(
      Math.max(
        ...messages.map(({ message }) => (message.type === "changes" ? message.body.changes.length : 0)),
      ),
    ).toBeLessThanOrEqual(100);
    subscription.close();
    await publisher.close();
  });

  it("neither loses nor repeats anything across a kill of the server", async () => {
    const connection = fresh();
    const { subscription, messages, gaps } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection, { maxChanges: 1, maxInFlight: 8 });
    const failures: string[] = [];
    const off = publishFacts.subscribe((fact) => fact.type === "failed" && failures.push(fact.code));
    const all = sequence(3_000);
    let handed = 0;
    const hand = (count: number): void => {
      for (const name of all.slice(handed, handed + count))
        add(watch, `/d${Number(name.slice(1)) % 20}`, name);
      handed += count;
    };
    hand(1_000);
    await until("some", () => messages.length > 50);
    await nats.kill();
    hand(1_000);
    await nats.start();
    hand(1_000);
    await watch.flush({ deadlineMs: 45_000 });
    await until("all", () => new Set(names(messages)).size === all.length, { timeoutMs: 30_000 });
    off();
    for (let d = 0; d < 20; d++) {
      expect(names(messages, `/d${d}`)).toEqual(all.filter((name) => Number(name.slice(1)) % 20 === d));
    }
    expect(messages.map(({ message }) => message.body.seq).sort((a, b) => a! - b!)).toEqual(
      all.map((_, index) => index + 1),
    );
    expect(gaps).toEqual([]);
    subscription.close();
    await publisher.close();
  });

  it("answers an overflow during an outage with one resync per directory of interest", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection, { maxMessages: 50 }, ["/d1", "/d2"]);
    const small = publisher.open({
      connection,
      path: "/quiet",
      recursive: false,
      caseSensitive: false,
      source: "smb://nas/share",
      epoch: "quiet",
    });
    add(watch, "/d1", "before");
    await watch.flush({ deadlineMs: 45_000 });
    const overflows: number[] = [];
    const off = outboxFacts.subscribe((fact) => fact.type === "overflow" && overflows.push(fact.dropped));
    await nats.shutdown();
    await until("the outage", () => !writer.link.connected);
    add(small, "/quiet", "kept");
    for (let d = 0; d < 500; d++) add(watch, `/d${d}`, "dropped");
    watch.state({ type: "state", path: "/", state: "degraded", mode: "notify" });
    expect(overflows).toEqual([50]);
    await nats.start();
    await watch.flush({ deadlineMs: 45_000 });
    add(watch, "/d1", "after");
    await watch.flush({ deadlineMs: 45_000 });
    off();
    await until("the change after", () => names(messages).includes("after"));
    const resyncs = messages.filter(({ message }) => message.type === "resync");
    expect(resyncs.map(({ subject }) => subject).sort()).toEqual([
      `smb.${connection}`,
      `smb.${connection}.d1`,
      `smb.${connection}.d2`,
    ]);
    for (const { message } of resyncs) {
      expect(message.body).toMatchObject({ path: "/", scope: "subtree", reason: "outbox-full" });
    }
    expect(names(messages)).toEqual(["before", "kept", "after"]);
    expect(messages.filter(({ message }) => message.type === "state")).toHaveLength(1);
    subscription.close();
    await publisher.close();
  });

  it("holds everything while the fence is closed", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    let may = false;
    const fences: boolean[] = [];
    const { publisher, watch } = open(connection, {
      mayPublish: () => may,
      onFence: (held) => fences.push(held),
    });
    add(watch, "/a", "held");
    await until("the fence", () => fences.length === 1);
    expect(publisher.depth).toMatchObject({ messages: 1, inFlight: 0 });
    may = true;
    publisher.resume();
    await until("the message", () => messages.length === 1);
    expect(fences).toEqual([true, false]);
    may = false;
    add(watch, "/a", "never");
    expect(await watch.close()).toBe(false);
    subscription.close();
    await publisher.close();
  });

  it("replays the stream after cuts of the wire, in order, once", async () => {
    const connection = fresh();
    const { subscription, messages, gaps } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection, { maxChanges: 1 });
    const replays: number[] = [];
    const off = feedFacts.subscribe((fact) => fact.type === "caught-up" && replays.push(fact.replayed));
    // Counted, not looked at: on loopback the line may be back before anybody looks.
    let cuts = 0;
    const uncount = connectionFacts.subscribe(({ type }) => type === "disconnected" && cuts++);
    const all = sequence(400);
    for (const [index, name] of all.entries()) {
      add(watch, "/x", name);
      if (index % 100 === 50) {
        await until("the line", () => reader.link.connected);
        const before = cuts;
        proxy.cut();
        await until("the cut", () => cuts > before);
      }
    }
    uncount();
    await watch.flush({ deadlineMs: 45_000 });
    await until("all", () => names(messages).length >= all.length);
    // Said behind the last message of a replay.
    await until("a replay told", () => replays.length > 0);
    off();
    expect(names(messages)).toEqual(all);
    expect(gaps).toEqual([]);
    subscription.close();
    await publisher.close();
  });

  it("keeps the order of a directory and those below it, whenever the stream is read meanwhile", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const { publisher, watch } = open(connection, { maxChanges: 1 });
    const all = sequence(1_500);
    for (const [index, name] of all.entries()) {
      add(watch, index % 3 === 0 ? "/" : "/x", name);
      // What reads the root and what reads the rest do not end at the same message.
      if (index % 15 === 0) (reader.feed as NatsEventFeed).recheck();
      if (index % 5 === 0) await delay(1);
    }
    await watch.flush({ deadlineMs: 45_000 });
    await until("all", () => messages.length >= all.length);
    const cursors = messages.map(({ cursor }) => Number(cursor.split(":")[1]));
    expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
    expect(new Set(names(messages)).size).toBe(all.length);
    subscription.close();
    await publisher.close();
  });

  it("loses nothing when the server cuts a slow consumer", async () => {
    const slow = await startNats({ config: 'max_pending: 4MB\nwrite_deadline: "300ms"' });
    const wire = await startTcpProxy({ port: slow.port });
    const to = await connectBroker({ servers: [slow.url], name: "to", requestTimeoutMs: 1_000 });
    const from = await connectBroker({
      servers: [`nats://127.0.0.1:${wire.port}`],
      name: "from",
      requestTimeoutMs: 1_000,
      // Longer than the freeze: the server, not the client, has to end it.
      pingIntervalMs: 60_000,
    });
    try {
      const { subscription, messages, gaps } = follow(from, "slow");
      await subscription.ready;
      const publisher = to.publisher({ mayPublish: () => true });
      const watch = publisher.open({
        connection: "slow",
        path: "/",
        recursive: true,
        caseSensitive: false,
        source: "smb://nas/share",
        epoch: "slow",
      });
      wire.freeze();
      const all = sequence(4_000);
      for (const name of all) {
        const changes = Array.from({ length: 20 }, (_, n) => ({
          action: "added" as const,
          name: `${name}-${n}-${"x".repeat(150)}`,
        }));
        watch.changes({ type: "changes", path: `/d${Number(name.slice(1)) % 200}`, via: "rescan", changes });
      }
      await watch.flush({ deadlineMs: 45_000 });
      await until("the server to give up", () => slow.log().includes("Slow Consumer"), { timeoutMs: 30_000 });
      wire.thaw();
      wire.cut();
      await until("all", () => names(messages).length >= all.length * 20, { timeoutMs: 30_000 });
      expect(new Set(names(messages)).size).toBe(all.length * 20);
      expect(names(messages)).toHaveLength(all.length * 20);
      expect(gaps).toEqual([]);
      subscription.close();
    } finally {
      await from.close();
      await to.close();
      await wire.close();
      await slow.stop();
    }
  });

  it("finds a hole by the next message of the directory", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const forged: EventMessage = {
      type: "changes",
      body: {
        connection,
        path: "/h",
        epoch: "e",
        seq: 9,
        time: new Date().toISOString(),
        via: "notify",
        changes: [],
      },
    };
    // A message that says one was stored before it which nobody saw: what a lost one looks like from here.
    const { headers, payload } = encodeMessage(forged, "smb://nas/share");
    const causes: string[] = [];
    const off = feedFacts.subscribe(
      (fact) => fact.type === "caught-up" && fact.connection === connection && causes.push(fact.cause),
    );
    const end = Number((await reader.feed.end()).split(":")[1]);
    writer.link.publish(subjects.event(`${connection}.h`), payload, {
      ...headers,
      "Nats-Stream": "SMB",
      "Nats-Sequence": `${end + 2}`,
      "Nats-Last-Sequence": `${end + 1}`,
    });
    await until("the hole", () => causes.includes("hole"));
    off();
    expect(messages.length).toBeLessThanOrEqual(1);
    subscription.close();
  });

  it("follows a connection once, however many listen", async () => {
    const connection = fresh();
    const { watch } = open(connection);
    const subscribe = vi.spyOn(NatsLink.prototype, "subscribe");
    const follows = Array.from({ length: 5 }, () => follow(reader, connection));
    await Promise.all(follows.map(({ subscription }) => subscription.ready));
    expect(subscribe).toHaveBeenCalledTimes(2);
    subscribe.mockRestore();
    add(watch, "/", "a");
    await until("all to hear", () => follows.every(({ messages }) => names(messages).join() === "a"));
    const [first, ...rest] = follows;
    first?.subscription.close();
    add(watch, "/", "b");
    await until("the others to hear", () => rest.every(({ messages }) => names(messages).join() === "a,b"));
    expect(names(first?.messages ?? [])).toEqual(["a"]);
    for (const { subscription } of rest) subscription.close();
    const again = follow(reader, connection);
    await again.subscription.ready;
    add(watch, "/", "c");
    await until("a later one to hear", () => names(again.messages).join() === "c");
    again.subscription.close();
  });

  it("finds by audit what no later message gives away", async () => {
    const connection = fresh();
    const link = await NatsLink.connect({ servers: [nats.url], name: "deaf" });
    const deaf = new Proxy(link, {
      get(target, property) {
        if (property === "subscribe") return () => ({ ready: Promise.resolve(), close: () => undefined });
        const value: unknown = Reflect.get(target, property, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const feed = new NatsEventFeed(deaf, "SMB", { auditMs: 100 });
    const found: FeedMessage[] = [];
    const causes: string[] = [];
    const off = feedFacts.subscribe((fact) => fact.type === "caught-up" && causes.push(fact.cause));
    const subscription = feed.follow(connection, {
      onMessage: (message) => found.push(message),
      onGap: () => undefined,
    });
    await subscription.ready;
    const { publisher, watch } = open(connection);
    for (const path of ["/", "/a", "/b"]) add(watch, path, "unheard");
    // The fact comes when all that was missed is handed on.
    await until("the audit", () => found.length === 3 && causes.includes("audit"));
    off();
    expect(found.map(({ message }) => message.body.path)).toEqual(["/", "/a", "/b"]);
    feed.close();
    await publisher.close();
    await link.close();
  });

  it("tells a message that breaks the contract as a resync of its directory", async () => {
    const connection = fresh();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const since = await reader.feed.end();
    const link = await NatsLink.connect({ servers: [nats.url], name: "raw" });
    await link.js.publish(`smbin.${connection}.a=20b`, "not ours");
    await link.js.publish(`smbin.${connection}.=zz`, "not ours");
    await until("both", () => messages.length === 2);
    const expected = [
      { path: "/a b", scope: "self" },
      { path: "/", scope: "subtree" },
    ];
    expect(messages.map(({ message }) => message)).toMatchObject(
      expected.map((body) => ({ type: "resync", body })),
    );
    const scope = { connection, path: "/", recursive: true, caseSensitive: false };
    const replayed: FeedMessage[] = [];
    for await (const message of reader.feed.replay(scope, since)) replayed.push(message);
    expect(replayed.map(({ message }) => message.body)).toMatchObject(expected);
    subscription.close();
    await link.close();
  });

  it("announces a gap when the stream was made anew", async () => {
    const own = await startNats();
    const link = await NatsLink.connect({ servers: [own.url], name: "raw" });
    const broker = await connectBroker({ servers: [own.url], name: "own", requestTimeoutMs: 500 });
    try {
      const { subscription, gaps } = follow(broker, "nas1");
      await subscription.ready;
      const since = await broker.feed.end();
      const { config } = await link.jsm.streams.info("SMB");
      await link.jsm.streams.delete("SMB");
      await link.jsm.streams.add(config);
      await own.restart();
      await until("the gap", () => gaps.length === 1);
      const scope = { connection: "nas1", path: "/", recursive: true, caseSensitive: false };
      const replay = broker.feed.replay(scope, since);
      await expect(replay[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "BROKER_RETENTION" });
    } finally {
      await broker.close();
      await link.close();
      await own.stop();
    }
  });

  it("announces a gap when the stream was removed, and goes on with the new one", async () => {
    const own = await startNats();
    const link = await NatsLink.connect({ servers: [own.url], name: "raw" });
    const broker = await connectBroker({ servers: [own.url], name: "own", lookMs: 200 });
    const causes: string[] = [];
    const off = feedFacts.subscribe((fact) => fact.type === "caught-up" && causes.push(fact.cause));
    try {
      const { subscription, messages, gaps } = follow(broker, "nas1");
      await subscription.ready;
      const publisher = broker.publisher({ mayPublish: () => true });
      const watch = publisher.open({
        connection: "nas1",
        path: "/",
        recursive: true,
        caseSensitive: false,
        source: "smb://nas/x",
        epoch: "first-1",
      });
      for (const name of ["a", "b", "c"]) add(watch, "/", name);
      await until("three names", () => names(messages).length === 3);
      await link.jsm.streams.delete("SMB");
      await until("the gap", () => gaps.length === 1);
      // Not by an audit, which may be a minute away.
      await until("its cause", () => causes.includes("reconnect"));
      // Its sequences begin anew: none may be taken for one that was seen.
      add(watch, "/", "d");
      await until("the next name", () => names(messages).includes("d"));
    } finally {
      off();
      await broker.close();
      await link.close();
      await own.stop();
    }
  });

  it("announces a gap, and refuses a replay, when retention has passed", async () => {
    const connection = fresh();
    const { subscription, messages, gaps } = follow(reader, connection);
    await subscription.ready;
    const link = await NatsLink.connect({ servers: [nats.url], name: "raw" });
    const { publisher, watch } = open(connection);
    const since = await reader.feed.end();
    proxy.refuse(true);
    proxy.cut();
    await until("the cut", () => !reader.link.connected);
    add(watch, "/x", "lost");
    await watch.flush({ deadlineMs: 45_000 });
    await link.jsm.streams.purge("SMB");
    proxy.refuse(false);
    await until("the gap", () => gaps.length === 1);
    add(watch, "/x", "next");
    await until("the next message", () => names(messages).includes("next"));
    const scope = { connection, path: "/", recursive: true, caseSensitive: false };
    await expect(reader.feed.replay(scope, since)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: "BROKER_RETENTION",
    });
    subscription.close();
    await link.close();
    await publisher.close();
  });

  it("replays a directory, a tree, and a directory below a cut", async () => {
    const connection = fresh();
    const since = await reader.feed.end();
    const { publisher, watch } = open(connection);
    const long = `/${"é".repeat(255)}`;
    const paths = ["/", "/a", "/a/b", "/ab", "/A", long, `${long}/x`];
    for (const path of paths) add(watch, path, "f");
    await watch.flush({ deadlineMs: 45_000 });
    const replay = async (path: string, recursive: boolean): Promise<string[]> => {
      const found: FeedMessage[] = [];
      const scope = { connection, path, recursive, caseSensitive: false };
      for await (const message of reader.feed.replay(scope, since)) found.push(message);
      return found.map(({ message }) => message.body.path);
    };
    // `/A` shares its subject with `/a`, so it waits for that; between directories there is no order.
    expect((await replay("/", true)).sort()).toEqual([...paths].sort());
    expect(await replay("/", false)).toEqual(["/"]);
    expect(await replay("/a", true)).toEqual(["/a", "/a/b", "/A"]);
    expect(await replay("/a", false)).toEqual(["/a", "/A"]);
    expect(await replay(long, true)).toEqual([long, `${long}/x`]);
    expect(await replay(`${long}/x`, false)).toEqual([`${long}/x`]);
    expect(await replay("/none", true)).toEqual([]);
    await publisher.close();
  });

  it("replays without a hole up to where it ends, while more is stored", async () => {
    const connection = fresh();
    const { publisher, watch } = open(connection, { maxChanges: 1 });
    const since = await reader.feed.end();
    const { subscription, messages } = follow(reader, connection);
    await subscription.ready;
    const all = sequence(900);
    const write = async (): Promise<void> => {
      for (const [index, name] of all.entries()) {
        add(watch, index % 3 === 0 ? "/" : "/x", name);
        if (index % 5 === 0) await delay(2);
      }
      await watch.flush({ deadlineMs: 45_000 });
    };
    const number = ({ cursor }: FeedMessage): number => Number(cursor.split(":")[1]);
    const replays: number[][] = [];
    const writing = write();
    for (let round = 0; round < 20; round++) {
      const replayed: number[] = [];
      const scope = { connection, path: "/", recursive: true, caseSensitive: false };
      for await (const message of reader.feed.replay(scope, since)) replayed.push(number(message));
      replays.push(replayed);
    }
    await writing;
    await until("all", () => messages.length >= all.length);
    const order = messages.map(number);
    for (const replayed of replays) expect(replayed).toEqual(order.slice(0, replayed.length));
    subscription.close();
    await publisher.close();
  });

  it("replays more than one window of flow control to a slow taker", async () => {
    const connection = fresh();
    const since = await reader.feed.end();
    const { publisher, watch } = open(connection, { maxChanges: 1 });
    const all = sequence(5_000);
    for (const name of all) add(watch, `/d${Number(name.slice(1)) % 500}`, `${name}-${"x".repeat(200)}`);
    await watch.flush({ deadlineMs: 45_000 });
    let count = 0;
    const scope = { connection, path: "/", recursive: true, caseSensitive: false };
    for await (const _ of reader.feed.replay(scope, since)) {
      if (++count % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(count).toBe(all.length);
    await publisher.close();
  });

  it("goes on when the stream is away for a while", async () => {
    const own = await startNats();
    const link = await NatsLink.connect({ servers: [own.url], name: "raw" });
    const broker = await connectBroker({ servers: [own.url], name: "own", requestTimeoutMs: 500 });
    try {
      const publisher = broker.publisher({ mayPublish: () => true, ackTimeoutMs: 300 });
      const watch = publisher.open({
        connection: "nas1",
        path: "/",
        recursive: false,
        caseSensitive: false,
        source: "smb://nas/share",
        epoch: "e",
      });
      const failures: string[] = [];
      const off = publishFacts.subscribe((fact) => fact.type === "failed" && failures.push(fact.code));
      const { config } = await link.jsm.streams.info("SMB");
      await link.jsm.streams.delete("SMB");
      add(watch, "/", "kept");
      await until("a failure", () => failures.includes("BROKER_NO_JETSTREAM"));
      await link.jsm.streams.add(config);
      await watch.flush({ deadlineMs: 45_000 });
      off();
      const stored = await link.jsm.streams.getMessage("SMB", { last_by_subj: subjects.ingest("nas1") });
      expect(stored?.string()).toContain("kept");
    } finally {
      await broker.close();
      await link.close();
      await own.stop();
    }
  });
});
