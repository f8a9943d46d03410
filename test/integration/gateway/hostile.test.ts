import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../../../src/base/async.ts";
import { type Bench, startGateway, type TestClient } from "../../support/servers/gateway.ts";

const HANDSHAKE = [
  "GET /ws HTTP/1.1",
  "Host: localhost",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/** A client frame, masked with zeros, whatever its first byte says. */
function frame(first: number, payload: Buffer): Buffer {
  const length = Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([Buffer.from([first]), length, Buffer.alloc(4), payload]);
}

/** The same for a control frame, whose length must fit its first form. */
function controlFrame(first: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length]), Buffer.alloc(4), payload]);
}

describe("a hostile client", () => {
  let bench: Bench;
  let raw: Socket[];
  beforeEach(async () => {
    raw = [];
    bench = await startGateway({ limits: { messageBytes: 4_096 }, times: { headersMs: 300 } });
  });
  afterEach(async () => {
    for (const socket of raw) socket.destroy();
    await bench.close();
  });

  const tcp = async (): Promise<Socket> => {
    const socket = connect(bench.port, "127.0.0.1");
    socket.on("error", () => undefined);
    raw.push(socket);
    await once(socket, "connect");
    return socket;
  };
  /** All it was sent until the gateway hung up. */
  const untilClosed = async (socket: Socket): Promise<string> => {
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
    });
    await waitFor(once(socket, "close"), { deadlineMs: 10_000, what: "hanging up" });
    return text;
  };
  const isServed = async (client: TestClient): Promise<void> => {
    client.send({ action: "ping", id: "still" });
    expect(await client.next()).toEqual({ type: "pong", id: "still" });
  };

  it.each([
    ["one frame", false],
    ["fragments", true],
  ])("sending too much in %s is closed with 1009", async (_how, fragmented) => {
    const client = await bench.connect();
    if (!fragmented) client.socket.send("x".repeat(4_097));
    else for (let n = 0; n < 5; n++) client.socket.send("x".repeat(1_000), { fin: n === 4 });
    expect(await client.closing()).toMatchObject({ code: 1009 });
  });

  it("may send its message in pieces", async () => {
    const client = await bench.connect();
    const text = '{"action":"ping"}';
    for (const [at, character] of [...text].entries())
      client.socket.send(character, { fin: at === text.length - 1 });
    expect(await client.next()).toEqual({ type: "pong" });
  });

  it("sending binary is told so and stays", async () => {
    const client = await bench.connect();
    client.socket.send(Buffer.from('{"action":"ping"}'), { binary: true });
    expect(await client.next()).toMatchObject({ type: "error", code: "bad_message" });
    await isServed(client);
  });

  it.each([
    ["text that is not UTF-8", frame(0x81, Buffer.from([0xc3, 0x28])), 1007],
    ["a reserved opcode", frame(0x83, Buffer.from("x")), 1002],
    ["a reserved bit", frame(0xc1, Buffer.from("x")), 1002],
    ["an unmasked frame", Buffer.from([0x81, 0x01, 0x78]), 1002],
  ])("sending %s is closed with its code", async (_what, bytes, code) => {
    const socket = await tcp();
    socket.write(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
    socket.write(bytes);
    const answer = await untilClosed(socket);
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    expect(answer).toContain(String.fromCharCode(code >> 8, code & 0xff));
  });

  it.each([
    ["depth", `{"action":"ping","x":${"[".repeat(2_000)}${"]".repeat(2_000)}}`],
    ["a prototype", '{"action":"ping","__proto__":{"id":"x"},"constructor":1}'],
    ["numbers beyond number", '{"action":"ping","x":1e999999}'],
    ["half a surrogate pair", '{"action":"ping","x":"\\ud800"}'],
  ])("sending %s gets its answer", async (_what, text) => {
    const client = await bench.connect();
    client.send(text);
    expect(await client.next()).toEqual({ type: "pong" });
  });

  it("sending 50,000 subscribes is limited, then closed, and others are served meanwhile", async () => {
    const other = await bench.connect();
    await other.subscribe("/mine");
    const client = await bench.connect();
    for (let n = 0; n < 50_000; n++) {
      client.socket.send(`{"action":"subscribe","connection_id":"nas1","path":"/${n}"}`);
    }
    expect(await client.closing()).toMatchObject({ code: 4429 });
    const subscribed = client.frames.filter(({ type }) => type === "subscribed");
    // Others' directories need not wait for all of these: most are still before their turn when it is over.
    expect(subscribed.length).toBeGreaterThan(0);
    expect(subscribed.length).toBeLessThanOrEqual(1_000);
    expect(client.frames.filter(({ code }) => code === "limit").length).toBeGreaterThan(1_000);
    await expect.poll(() => bench.gateway.stats.watches).toBe(1);
    await isServed(other);
    bench.fleet.changes("nas1", "/mine", "x");
    expect(await other.next()).toMatchObject({ type: "directory_changed" });
  });

  it.each([
    ["pinging", 0x89, true],
    ["sending pongs", 0x8a, false],
  ])("%s at full speed without reading makes us hold nothing for it", async (_how, first, isCut) => {
    const other = await bench.connect();
    const socket = await tcp();
    socket.pause();
    socket.write(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
    await expect.poll(() => bench.gateway.stats.connections).toBe(2);
    const batch = Buffer.concat(Array.from({ length: 1_000 }, () => controlFrame(first, Buffer.alloc(125))));
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    // 25 MB of them, each asking for as much in return.
    for (let n = 0; n < 200 && !socket.destroyed; n++) {
      const ready = Promise.race([once(socket, "drain"), once(socket, "close")]).catch(() => undefined);
      if (!socket.write(batch)) await ready;
    }
    if (isCut) await expect.poll(() => bench.gateway.stats.connections, { timeout: 10_000 }).toBe(1);
    const after = process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    expect(after - before).toBeLessThan(16 * 1_048_576);
    await isServed(other);
  });

  it("may ping now and then, and gets back what it sent", async () => {
    const client = await bench.connect();
    const pong = once(client.socket, "pong");
    client.socket.ping("are you there");
    expect(String(await waitFor(pong, { deadlineMs: 10_000, what: "pong" }))).toBe("are you there");
  });

  it("that takes its time over the request is cut", async () => {
    const socket = await tcp();
    const startedAt = performance.now();
    socket.write("GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
    const drip = setInterval(() => socket.write("a"), 50);
    try {
      await untilClosed(socket);
    } finally {
      clearInterval(drip);
    }
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });

  it.each([
    ["garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"],
    ["a head without end", `GET / HTTP/1.1\r\nX: ${"a".repeat(40_000)}\r\n`],
    ["a bad version", `${HANDSHAKE.join("\r\n").replace("13", "99")}\r\n\r\n`],
    ["a bad key", `${HANDSHAKE.join("\r\n").replace("dGhl", "x")}\r\n\r\n`],
  ])("sending %s instead of a handshake is answered 4xx and let go", async (_what, text) => {
    const socket = await tcp();
    socket.write(text, "latin1");
    expect(await untilClosed(socket)).toMatch(/^HTTP\/1.1 4\d\d /);
    expect(bench.gateway.stats).toMatchObject({ connections: 0, pending: 0 });
  });

  it("that resets in the middle of anything leaves nothing behind", async () => {
    for (let n = 0; n < 20; n++) {
      const socket = await tcp();
      socket.write(`${HANDSHAKE.join("\r\n")}\r\n\r\n`);
      if (n % 2 === 0) await once(socket, "data");
      socket.resetAndDestroy();
    }
    await expect.poll(() => bench.gateway.stats).toMatchObject({ connections: 0, pending: 0 });
  });
});

describe("limits", () => {
  let bench: Bench;
  afterEach(() => bench.close());

  it("of connections, in all and per address behind a proxy", async () => {
    bench = await startGateway({
      trustedProxies: ["127.0.0.1"],
      limits: { connections: 3, connectionsPerAddress: 2 },
    });
    const from = (address: string): { headers: { "x-forwarded-for": string } } => ({
      headers: { "x-forwarded-for": address },
    });
    const first = await bench.connect(from("192.0.2.1"));
    await bench.connect(from("192.0.2.1"));
    expect(await bench.refused(from("192.0.2.1"))).toBe(429);
    await bench.connect(from("192.0.2.2"));
    expect(await bench.refused(from("192.0.2.3"))).toBe(503);
    first.socket.close();
    await expect.poll(() => bench.gateway.stats.connections).toBe(2);
    await bench.connect(from("192.0.2.3"));
  });

  it("of handshakes that wait for a token", async () => {
    bench = await startGateway({
      auth: { mode: "tokens", tokens: [{ token: "t", grants: [] }] },
      limits: { pendingHandshakes: 1 },
    });
    const waiting = await bench.connect();
    expect(await bench.refused()).toBe(503);
    waiting.send({ action: "auth", token: "t", id: 1 });
    expect(await waiting.next()).toEqual({ type: "authenticated", id: 1 });
    expect(bench.gateway.stats.pending).toBe(0);
    await bench.connect();
  });

  it("of silence: a half-open connection is cut", async () => {
    bench = await startGateway({ times: { pingMs: 50 } });
    const dead = await bench.connect({ autoPong: false });
    const alive = await bench.connect();
    expect(await dead.closing()).toMatchObject({ code: 1006 });
    expect(alive.closed).toBeUndefined();
  });

  it("of slowness: a reader that stays behind is closed, and the others miss nothing", async () => {
    bench = await startGateway({ limits: { bufferBytes: 131_072, slowReaderMs: 500 } });
    const slow = await bench.connect();
    const quick = await bench.connect();
    await slow.subscribe("/a", { detail: "changes" });
    await quick.subscribe("/a", { detail: "changes" });
    slow.socket.pause();
    const added = Array.from({ length: 100 }, (_, n) => ({
      action: "added" as const,
      name: `${n}`.padEnd(200, "x"),
    }));
    let told = 0;
    const pump = setInterval(() => {
      bench.fleet.changes("nas1", "/a", added);
      told += added.length;
    }, 5);
    try {
      await expect.poll(() => bench.gateway.stats.connections, { timeout: 30_000 }).toBe(1);
    } finally {
      clearInterval(pump);
    }
    slow.socket.resume();
    expect([1006, 1013]).toContain((await slow.closing()).code);
    const heard = (): number =>
      quick.frames.reduce((sum, { changes }) => sum + (Array.isArray(changes) ? changes.length : 0), 0);
    await quick.until(() => heard() === told, "all changes");
    expect(quick.frames.some(({ resync }) => resync === true)).toBe(false);
  });
});
