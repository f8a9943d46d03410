import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { ConflictError } from "../../../src/broker/errors.ts";
import { NatsLink } from "../../../src/broker/link/link.ts";
import type { Broker } from "../../../src/broker/port.ts";
import { prepareStreams } from "../../../src/broker/streams/streams.ts";
import { until } from "../../support/until.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);

describe("streams", () => {
  let nats: Nats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(() => nats.stop());

  it("creates what is missing, and leaves alone and reports what differs", async () => {
    const link = await NatsLink.connect({ servers: [nats.url], name: "test" });
    try {
      const first = await prepareStreams(link, { maxBytes: 64 * 1_048_576 });
      expect(first.differences).toEqual([]);
      const again = await prepareStreams(link, { maxBytes: 64 * 1_048_576, maxAgeMs: 60_000 });
      expect(again.watchesNonce).toBe(first.watchesNonce);
      expect(again.differences).toEqual([
        { stream: "SMB", field: "max_age ms", expected: "60000", found: "21600000", fatal: false },
        {
          stream: "OBJ_SMB_CHECKPOINTS",
          field: "max_age ms",
          expected: "60000",
          found: "21600000",
          fatal: false,
        },
      ]);
      const info = await link.jsm.streams.info("SMB");
      await link.jsm.streams.update("SMB", { ...info.config, max_msgs_per_subject: 5 });
      await expect(prepareStreams(link, {})).rejects.toMatchObject({
        code: "BROKER_STREAM_DIFFERS",
        message: expect.stringContaining("max_msgs_per_subject is 5, expected unlimited"),
      });
    } finally {
      await link.close();
    }
  });

  it("creates nothing where only existing streams may be used", async () => {
    const link = await NatsLink.connect({ servers: [nats.url], name: "test" });
    try {
      const names = { events: "ABSENT", watches: "ABSENT", checkpoints: "ABSENT" };
      await expect(prepareStreams(link, { names, existingOnly: true })).rejects.toMatchObject({
        code: "BROKER_NO_STREAM",
      });
    } finally {
      await link.close();
    }
  });

  it("makes them again when the server lost its data, and names the new ones", async () => {
    const own = await startNats();
    const broker = await connectBroker({ servers: [own.url], name: "own", requestTimeoutMs: 500 });
    try {
      const before = broker.watches.nonce;
      await own.kill();
      rmSync(join(own.dir, "jetstream"), { recursive: true });
      await own.start();
      await until("other streams", () => broker.watches.nonce !== before);
      expect(await broker.watches.create("k", bytes("v"))).toBe(1);
      await broker.feed.end();
    } finally {
      await broker.close();
      await own.stop();
    }
  });

  it("refuses what no server answers, in time", async () => {
    await expect(
      NatsLink.connect({ servers: ["nats://127.0.0.1:1"], name: "test", firstConnectMs: 300 }),
    ).rejects.toMatchObject({ code: "BROKER_UNAVAILABLE" });
    const signal = AbortSignal.timeout(200);
    await expect(
      NatsLink.connect({ servers: ["nats://127.0.0.1:1"], name: "test", signal }),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("a server without JetStream", () => {
  it("is waited for, but not for ever", async () => {
    const silent = await startNats({ config: "accounts { A { users: [ { user: a, password: a } ] } }" });
    try {
      await expect(
        connectBroker({
          servers: [silent.url],
          name: "test",
          auth: { type: "user", user: "a", password: "a" },
          firstConnectMs: 500,
        }),
      ).rejects.toMatchObject({ code: "BROKER_NO_JETSTREAM" });
    } finally {
      await silent.stop();
    }
  });
});

describe("log in", () => {
  it("tells a wrong password at once, and takes the right one from a file", async () => {
    const nats = await startNats({ config: 'authorization { user: "a", password: "right" }' });
    try {
      const attempt = (password: string): Promise<NatsLink> =>
        NatsLink.connect({ servers: [nats.url], name: "test", auth: { type: "user", user: "a", password } });
      const refusal = await attempt("wrong-secret").catch((error: unknown) => error);
      expect(refusal).toMatchObject({ code: "BROKER_DENIED" });
      expect(String(refusal)).not.toContain("wrong-secret");
      const link = await attempt("right");
      expect(link.connected).toBe(true);
      await link.close();
      await link.close();
    } finally {
      await nats.stop();
    }
  });
});

describe("bucket and mirror", () => {
  let nats: Nats;
  let broker: Broker;
  beforeAll(async () => {
    nats = await startNats();
    broker = await connectBroker({ servers: [nats.url], name: "test", requestTimeoutMs: 500 });
  });
  afterAll(async () => {
    await broker.close();
    await nats.stop();
  });

  it("lets exactly one of many writers win", async () => {
    const { watches } = broker;
    const race = async (write: (n: number) => Promise<number>): Promise<number> => {
      const results = await Promise.allSettled(Array.from({ length: 30 }, (_, n) => write(n)));
      const lost = results.filter((result) => result.status === "rejected");
      for (const { reason } of lost) expect(reason).toBeInstanceOf(ConflictError);
      const won = results.filter((result) => result.status === "fulfilled");
      expect(won).toHaveLength(1);
      return won[0]!.value;
    };
    const created = await race((n) => watches.create("claim.race.=d", bytes(`${n}`)));
    const updated = await race((n) => watches.update("claim.race.=d", bytes(`${n}`), created));
    const deleted = await race(() => watches.delete("claim.race.=d", updated));
    expect(await watches.get("claim.race.=d")).toBeUndefined();
    const anew = await race((n) => watches.create("claim.race.=d", bytes(`${n}`)));
    expect(anew).toBeGreaterThan(deleted);
    await expect(watches.delete("claim.race.=d", deleted)).rejects.toBeInstanceOf(ConflictError);
  });

  it("answers the repetition of a stored write with its revision", async () => {
    const { watches } = broker;
    const first = await watches.create("lease.worker.one", bytes("1"), { msgId: "one:1" });
    const second = await watches.update("lease.worker.one", bytes("2"), first, { msgId: "one:2" });
    expect(await watches.update("lease.worker.one", bytes("2"), first, { msgId: "one:2" })).toBe(second);
    expect(text((await watches.get("lease.worker.one"))?.value)).toBe("2");
  });

  it("purges tombstones, and nothing that lives", async () => {
    const { watches } = broker;
    const gone = await watches.create("ref.x.nas1.a.=d", bytes("{}"));
    await watches.delete("ref.x.nas1.a.=d", gone);
    await watches.create("ref.x.nas1.b.=d", bytes("{}"));
    expect(await watches.purgeTombstones({ olderThanMs: 3_600_000 })).toBe(0);
    expect(await watches.purgeTombstones({ olderThanMs: -60_000 })).toBeGreaterThan(0);
    expect(await watches.get("ref.x.nas1.b.=d")).toBeDefined();
    expect(await watches.create("ref.x.nas1.a.=d", bytes("{}"))).toBeGreaterThan(gone);
  });

  it("refuses keys that would cut or break a subject", async () => {
    for (const key of ["", "a..b", ".a", "a b", "a\r\nb", "a.*", "x".repeat(4_000)]) {
      await expect(broker.watches.get(key)).rejects.toMatchObject({ code: "BROKER_BAD_NAME" });
    }
  });

  it("mirrors, and is right again after a restart of the server", async () => {
    const other = await connectBroker({ servers: [nats.url], name: "other", requestTimeoutMs: 500 });
    const mirror = broker.mirror();
    try {
      const batches: { restarted: boolean; keys: string[] }[] = [];
      mirror.onBatch(({ restarted, changes }) => {
        const keys = changes.map((change) =>
          change.type === "put" ? `+${change.entry.key}` : `-${change.key}`,
        );
        batches.push({ restarted, keys });
      });
      await mirror.synced;
      expect(batches[0]?.restarted).toBe(true);
      const revision = await other.watches.create("claim.m.=d", bytes("1"));
      mirror.expectEcho("claim.m.=d", revision);
      await until("the echo", () => mirror.lastEchoAt !== undefined);
      expect(mirror.get("claim.m.=d")?.revision).toBe(revision);

      const { generation } = mirror;
      await nats.restart({ signal: "SIGKILL", downMs: 200 });
      await until("the other to come back", () => other.link.connected);
      await other.watches.delete("claim.m.=d", revision, { msgId: "m:2" });
      await until("a full read", () => mirror.generation > generation && mirror.current);
      await until("the deletion", () => mirror.get("claim.m.=d") === undefined);
      await until("its batch", () => batches.some(({ keys }) => keys.includes("-claim.m.=d")));
      expect(batches.filter(({ restarted }) => restarted).length).toBeGreaterThan(1);
    } finally {
      await other.close();
      await mirror.close();
    }
  });

  it("reads anew when an own write does not come back", async () => {
    const mirror = broker.mirror({ echoMs: 50 });
    await mirror.synced;
    const { generation } = mirror;
    mirror.expectEcho("claim.never.=d", 1e9);
    await until("a full read", () => mirror.generation > generation && mirror.current);
    await mirror.close();
  });

  it("sweeps what vanished without a message", async () => {
    const link = await NatsLink.connect({ servers: [nats.url], name: "raw" });
    const mirror = broker.mirror();
    await mirror.synced;
    await broker.watches.create("claim.vanish.=d", bytes("1"));
    await until("the key", () => mirror.get("claim.vanish.=d"));
    await link.jsm.streams.purge("KV_SMB_WATCHES", { filter: "$KV.SMB_WATCHES.claim.vanish.=d" });
    mirror.refresh();
    await until("the sweep", () => mirror.get("claim.vanish.=d") === undefined);
    await mirror.close();
    await link.close();
  });

  it("keeps checkpoints", async () => {
    const { checkpoints } = broker;
    const picture = new Uint8Array(300_000).map((_, index) => index % 251);
    expect(await checkpoints?.get("nas1./a b")).toBeUndefined();
    await checkpoints?.put("nas1./a b", bytes("old"));
    await checkpoints?.put("nas1./a b", picture);
    expect(await checkpoints?.get("nas1./a b")).toEqual(picture);
    await checkpoints?.delete("nas1./a b");
    await checkpoints?.delete("nas1./a b");
    expect(await checkpoints?.get("nas1./a b")).toBeUndefined();
  });

  it("speaks core NATS: request, refusal, silence", async () => {
    const { link } = broker;
    const service = link.subscribe("test.echo", (message) => {
      message.respond(message.data, { "X-Kind": message.header("X-Kind") ?? "" });
    });
    await service.ready;
    const answer = await link.request("test.echo", bytes("hi"), { headers: { "X-Kind": "k" } });
    expect([text(answer.data), answer.header("X-Kind"), answer.header("X-Absent")]).toEqual([
      "hi",
      "k",
      undefined,
    ]);
    service.close();
    await expect(link.request("test.echo", bytes("hi"))).rejects.toMatchObject({
      code: "BROKER_NO_JETSTREAM",
    });
    const mute = link.subscribe("test.mute", () => undefined);
    await expect(link.request("test.mute", bytes("hi"), { timeoutMs: 50 })).rejects.toMatchObject({
      code: "BROKER_TIMEOUT",
    });
    mute.close();
  });
});
