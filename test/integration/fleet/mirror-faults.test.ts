import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Role, type Stack, startStack } from "../../../scripts/lab/stack.ts";
import { startTcpProxy } from "../../../scripts/lab/tcp-proxy.ts";
import { diskTruth } from "../../../scripts/torture/truth.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { Broker, CoreMessage } from "../../../src/broker/port.ts";
import { connectWatchClient, type WatchClient } from "../../../src/client/watch-client.ts";
import type { LiveMirror } from "../../../src/watch/mirror/index.ts";
import { differences } from "../../support/oracles/unlisting.ts";
import { until } from "../../support/until.ts";

const TTL_MS = 3_000;
const WORKER = { SMB2NATS_WORKER_LEASE_TTL_MS: String(TTL_MS), SMB2NATS_WORKER_CHECKPOINT_SECONDS: "1" };
/** Of a directory whose snapshot takes many messages. */
const MANY = 40_000;
const SLOW = { timeoutMs: 60_000 };

/** Real processes, a real share, a real broker: a mirror that never lists comes right whatever happens to those it hears of. */
describe("a mirror", { timeout: 180_000 }, () => {
  let stack: Stack;
  const workers: Role[] = [];
  const closers: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    stack = await startStack({ workers: 0, gateways: 0, connection: { cover: "directory" } });
    mkdirSync(disk("/many"));
    for (let i = 0; i < MANY; i++)
      writeFileSync(disk(`/many/document-${String(i).padStart(7, "0")}.pdf`), "");
  }, 120_000);
  afterAll(() => stack?.close());
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await Promise.all(workers.splice(0).map((role) => role.stop("SIGKILL")));
  });

  const disk = (path: string): string => join(stack.samba.path(), path);
  const start = async (): Promise<Role> => {
    const role = await stack.startRole("worker", WORKER);
    workers.push(role);
    return role;
  };
  const brokerAt = async (port = stack.nats.port): Promise<Broker> => {
    const broker = await connectBroker({ name: "consumer", servers: [`nats://127.0.0.1:${port}`] });
    closers.push(() => broker.close());
    return broker;
  };
  const clientOf = async (broker: Broker): Promise<WatchClient> => {
    const client = await connectWatchClient({ broker, ttlMs: 60_000, lingerMs: 0 });
    closers.push(() => client.close());
    return client;
  };
  const mirrorOf = (client: WatchClient, path: string, recursive = true): LiveMirror =>
    client.mirror("lab", path, { recursive }) as LiveMirror;

  async function agrees(mirror: LiveMirror, timeoutMs = 60_000): Promise<void> {
    const wrong = (): string[] =>
      mirror.position === undefined
        ? ["no picture"]
        : differences(mirror, diskTruth(stack.samba.path(), mirror.path, mirror.recursive));
    await until("a picture that is right", () => wrong().length === 0, { timeoutMs }).catch(() =>
      expect(wrong().slice(0, 20)).toEqual([]),
    );
  }

  /** As it is, but for the first message of a snapshot, which `act` is told of before it is passed on; all of that stream. */
  function interrupted(broker: Broker, act: () => void): { broker: Broker; first: CoreMessage[] } {
    const first: CoreMessage[] = [];
    let inbox: string | undefined;
    const link = new Proxy(broker.link, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (key !== "subscribe") return typeof value === "function" ? value.bind(target) : value;
        return (subject: string, listener: (message: CoreMessage) => void, ...rest: []) => {
          if (!subject.includes("INBOX")) return target.subscribe(subject, listener, ...rest);
          return target.subscribe(
            subject,
            (message) => {
              inbox ??= subject;
              if (inbox === subject && first.push(message) === 1) act();
              listener(message);
            },
            ...rest,
          );
        };
      },
    });
    const wrapped = new Proxy(broker, {
      get: (target, key) => {
        if (key === "link") return link;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    return { broker: wrapped, first };
  }
  const isLast = ({ data }: CoreMessage): boolean => Buffer.from(data).subarray(-64).includes('"last":true');

  it("is right without listing where NATS was away while its tree was renamed, and names were used again", async () => {
    for (const sub of ["a/x", "a/y", "b", "c"]) mkdirSync(disk(`/away/${sub}`), { recursive: true });
    for (const file of ["a/1", "a/x/2", "b/3", "c/4"]) writeFileSync(disk(`/away/${file}`), "x");
    await start();
    const client = await clientOf(await brokerAt());
    const mirror = mirrorOf(client, "/away");
    await mirror.ready;
    await agrees(mirror);
    expect(mirror.get("a/x")?.type).toBe("directory");
    await stack.nats.shutdown();
    renameSync(disk("/away/a"), disk("/away/old"));
    mkdirSync(disk("/away/a"));
    writeFileSync(disk("/away/a/new"), "x");
    renameSync(disk("/away/b"), disk("/away/a/b"));
    renameSync(disk("/away/old/x"), disk("/away/b"));
    rmSync(disk("/away/c"), { recursive: true });
    writeFileSync(disk("/away/c"), "a file by now");
    await delay(1_500);
    renameSync(disk("/away/a"), disk("/away/d"));
    renameSync(disk("/away/old"), disk("/away/a"));
    await stack.nats.start();
    writeFileSync(disk("/away/after"), "x");
    await agrees(mirror);
    expect(mirror.get("c")?.type).not.toBe("directory");
    // What had been told in an order with it, it could go on from.
    expect(Object.keys(mirror.snapshots).filter((reason) => !/first|takeover/.test(reason))).toEqual([]);
  });

  it("is right where its owner is killed between two messages of a snapshot", async () => {
    const first = await start();
    const watcher = await clientOf(await brokerAt());
    await mirrorOf(watcher, "/many", false).ready;
    await start();
    let stopped = false;
    // Frozen first, so that nothing it may still have sent comes after the test has looked.
    const cut = interrupted(await brokerAt(), () => {
      stopped = true;
      first.process.signal("SIGSTOP");
    });
    const mirror = mirrorOf(await clientOf(cut.broker), "/many", false);
    await until("the first message", () => stopped, SLOW);
    await delay(500);
    expect(cut.first.some(isLast)).toBe(false);
    const heard = cut.first.length;
    await first.stop("SIGKILL");
    writeFileSync(disk("/many/meanwhile"), "x");
    rmSync(disk("/many/document-0000007.pdf"));
    await until("a whole picture", () => mirror.position !== undefined, SLOW);
    await agrees(mirror);
    expect(cut.first.length).toBe(heard);
    expect(mirror.entries().length).toBe(MANY);
  });

  it("is right where the watch is handed over in the middle of a snapshot", async () => {
    const first = await start();
    const watcher = await clientOf(await brokerAt());
    await mirrorOf(watcher, "/many", false).ready;
    await start();
    let leaving: Promise<void> | undefined;
    const cut = interrupted(await brokerAt(), () => {
      leaving = first.stop("SIGTERM");
      writeFileSync(disk("/many/handed"), "x");
    });
    const mirror = mirrorOf(await clientOf(cut.broker), "/many", false);
    await until("the first message", () => leaving !== undefined, SLOW);
    for (let i = 0; i < 50; i++) {
      writeFileSync(disk(`/many/during-${i}`), "x");
      await delay(20);
    }
    await leaving;
    await until("a whole picture", () => mirror.position !== undefined, SLOW);
    await agrees(mirror);
    expect(mirror.get("handed")).toBeDefined();
  });

  it("takes a new snapshot where the stream no longer has what it missed", async () => {
    for (const sub of ["a", "b"]) mkdirSync(disk(`/kept/${sub}`), { recursive: true });
    writeFileSync(disk("/kept/a/1"), "x");
    await start();
    const proxy = await startTcpProxy({ port: stack.nats.port });
    closers.push(() => proxy.close());
    const mirror = mirrorOf(await clientOf(await brokerAt(proxy.port)), "/kept");
    await mirror.ready;
    await agrees(mirror);
    proxy.refuse(true);
    proxy.cut();
    const nats = await connect({ servers: stack.nats.url });
    closers.push(() => nats.close());
    const manager = await jetstreamManager(nats);
    const stored = async (): Promise<number> => (await manager.streams.info("SMB")).state.last_seq;
    const before = await stored();
    renameSync(disk("/kept/a"), disk("/kept/c"));
    writeFileSync(disk("/kept/b/2"), "x");
    await until("it is stored", async () => (await stored()) > before + 1);
    await delay(300);
    await manager.streams.purge("SMB");
    writeFileSync(disk("/kept/b/3"), "x");
    proxy.refuse(false);
    await agrees(mirror);
    expect(mirror.snapshots).toEqual({ first: 1, retention: 1 });
  });

  it("follows a tree of 500 directories that is copied into it by what it is told alone", async () => {
    for (let d = 0; d < 500; d++) {
      mkdirSync(disk(`/source/${d % 20}/${d}`), { recursive: true });
      for (let f = 0; f < 10; f++) writeFileSync(disk(`/source/${d % 20}/${d}/f${f}`), "x");
    }
    rmSync(disk("/copy"), { recursive: true, force: true });
    mkdirSync(disk("/copy"));
    await start();
    const client = await clientOf(await brokerAt());
    const mirror = mirrorOf(client, "/copy");
    await mirror.ready;
    const resyncs: (string | undefined)[] = [];
    const stop = new AbortController();
    let live = false;
    const listening = (async () => {
      for await (const event of client.watch("lab", "/copy", { recursive: true, signal: stop.signal })) {
        if (event.type === "live") live = true;
        if (event.type === "resync") resyncs.push(event.picture);
      }
    })().catch(() => undefined);
    await until("who lists by himself", () => live);
    execFileSync("cp", ["-r", disk("/source"), disk("/copy/tree")]);
    await agrees(mirror);
    expect([...mirror.walk()].length).toBe(500 * 11 + 21);
    expect(mirror.snapshots).toEqual({ first: 1 });
    // Who lists by himself is told to, and a mirror is not.
    await until("a resync", () => resyncs.length > 0);
    expect(resyncs.filter((picture) => picture !== "kept")).toEqual([]);
    stop.abort();
    await listening;
  });
});
