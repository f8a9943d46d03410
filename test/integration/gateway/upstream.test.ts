import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { upstreamFacts } from "../../../src/gateway/facts.ts";
import type { GatewayOptions, UpstreamOptions } from "../../../src/gateway/options.ts";
import { type Bench, startGateway, type TestClient } from "../../support/servers/gateway.ts";
import { listening } from "../../support/servers/listening.ts";
import { until } from "../../support/until.ts";

interface Seen {
  readonly socket: WebSocket;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly frames: unknown[];
}

/** Another application with a WebSocket, as Sambee has one. */
class Application {
  readonly seen: Seen[] = [];
  readonly port: number;
  /** Handshakes, answered or not. */
  asked = 0;
  /** `mute` answers no handshake, `refuse` each with 403, `drop` closes what it has just taken in. */
  manner: "open" | "mute" | "refuse" | "drop" = "open";
  readonly #server: Server;
  readonly #raw = new Set<Duplex>();
  readonly #ws = new WebSocketServer({ noServer: true });

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on("upgrade", (request, socket, head) => {
      this.asked++;
      socket.on("error", () => undefined);
      this.#raw.add(socket);
      socket.once("close", () => this.#raw.delete(socket));
      // Nobody else closes our half of one that is not answered.
      socket.on("end", () => socket.destroy());
      if (this.manner === "mute") socket.resume();
      if (this.manner === "mute") return;
      if (this.manner === "refuse") {
        socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      this.#ws.handleUpgrade(request, socket, head, (accepted) => {
        const frames: unknown[] = [];
        accepted.on("message", (data) => frames.push(JSON.parse(String(data))));
        accepted.on("error", () => undefined);
        this.seen.push({ socket: accepted, url: request.url ?? "", headers: request.headers, frames });
        if (this.manner === "drop") accepted.close(1011);
      });
    });
  }

  static async start(port = 0, tls?: { readonly key: string; readonly cert: string }): Promise<Application> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    return new Application(server, await listening(server, port));
  }

  /** The nth socket, once it is open and has said so much. */
  async socket(nth = 0, frames = 0): Promise<Seen> {
    return until(`socket ${nth} with ${frames} frames`, () => {
      const seen = this.seen[nth];
      return seen !== undefined && seen.frames.length >= frames ? seen : undefined;
    });
  }

  /** Sockets, handshakes under way included. */
  get open(): number {
    return this.#raw.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#raw) socket.destroy();
    this.#server.closeAllConnections();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

let application: Application;
let bench: Bench;
const facts: unknown[] = [];
upstreamFacts.subscribe((fact) => facts.push(fact));
afterEach(async () => {
  await bench.close();
  await until("no socket to the application", () => application.open === 0);
  await application.stop();
  expect(JSON.stringify(facts)).not.toContain("s3cret");
  facts.length = 0;
});

async function start(
  upstream: Partial<UpstreamOptions> = {},
  options: Partial<GatewayOptions> = {},
): Promise<void> {
  application = await Application.start();
  const url = `ws://127.0.0.1:${application.port}/api/ws?v=1`;
  bench = await startGateway({ upstream: { url, types: [], timeoutMs: 5_000, ...upstream }, ...options });
}

const progress = (n: number, more: object = {}): string =>
  `{"type":"transfer_progress", "connection_id":"nas1","path":"a","bytes_transferred":${n}e0${JSON.stringify(more).replace("{", ",").replace(",}", "}")}`;
/** What comes next from the gateway itself: nothing was sent before it. */
const pong = async (client: TestClient): Promise<void> => {
  client.send({ action: "ping" });
  expect(await client.next()).toEqual({ type: "pong" });
};

describe("another application's socket", () => {
  it("has its frames merged, as they are, and ours kept", async () => {
    await start();
    const client = await bench.connect();
    const { socket, frames } = await application.socket();
    expect(await client.subscribe("a")).toMatchObject({ type: "subscribed", cursor: "s:0" });
    await application.socket(0, 1);
    const texts: string[] = [];
    client.socket.on("message", (data) => texts.push(String(data)));
    const ours =
      "subscribed unsubscribed pong directory_changed state error listing connections workers whoami";
    for (const type of [...ours.split(" "), "authenticated"]) {
      socket.send(JSON.stringify({ type, connection_id: "nas1", path: "a" }));
    }
    for (const text of ["no JSON", "[]", "null", '"x"', "{}", '{"type":7}', '{"type":"x","type":"error"}']) {
      socket.send(text);
    }
    socket.send(Buffer.from(progress(0)), { binary: true });
    socket.send(progress(1));
    await client.nextOf("transfer_progress");
    bench.fleet.changes("nas1", "/a", "x");
    expect(await client.next()).toMatchObject({ type: "directory_changed", cursor: "s:1" });
    expect(texts[0]).toBe(progress(1));
    expect(texts).toHaveLength(2);
    client.send({ action: "unsubscribe", connection_id: "nas1", path: "a" });
    expect(await client.next()).toMatchObject({ type: "unsubscribed" });
    await application.socket(0, 2);
    // In Sambee's words, whatever ours were; what is only ours stays here.
    await pong(client);
    expect(frames).toEqual([
      { action: "subscribe", connection_id: "nas1", path: "a" },
      { action: "unsubscribe", connection_id: "nas1", path: "a" },
    ]);
  });

  it("passes on the types that are named, of which none is ours", async () => {
    await start({ types: ["note", "error"] });
    const client = await bench.connect();
    const { socket } = await application.socket();
    for (const type of ["transfer_progress", "error", "note"]) socket.send(JSON.stringify({ type }));
    expect(await client.next()).toEqual({ type: "note" });
  });

  const tokens = { mode: "tokens", tokens: [{ token: "s3cret-of-anna-1", grants: [] }] } as const;
  it.each([
    ["?token=", { path: "/ws?token=s3cret-of-anna-1" }, undefined, "/api/ws?v=1&token=s3cret-of-anna-1"],
    [
      "a header",
      { headers: { authorization: "Bearer s3cret-of-anna-1" } },
      "Bearer s3cret-of-anna-1",
      "/api/ws?v=1",
    ],
    [
      "a subprotocol",
      { protocols: ["smb2nats.v1", "bearer.s3cret-of-anna-1"] },
      "Bearer s3cret-of-anna-1",
      "/api/ws?v=1",
    ],
  ])("gets the token that came in %s the same way", async (_, how, header, url) => {
    await start({}, { auth: tokens });
    await bench.connect(how);
    const seen = await application.socket();
    expect(seen.url).toBe(url);
    expect(seen.headers["authorization"]).toBe(header);
    expect(seen.headers["x-forwarded-for"]).toBe("127.0.0.1");
  });

  it("is opened only for who is let in, with the first frame's token", async () => {
    await start({}, { auth: tokens });
    expect(await bench.refused({ path: "/ws?token=guess" })).toBe(401);
    const client = await bench.connect();
    client.send({ action: "subscribe", connection_id: "nas1", path: "a" });
    expect(await client.next()).toMatchObject({ code: "unauthenticated" });
    expect(application.asked).toBe(0);
    client.send({ action: "auth", token: "s3cret-of-anna-1", id: 1 });
    expect(await client.next()).toMatchObject({ type: "authenticated" });
    expect((await application.socket()).headers["authorization"]).toBe("Bearer s3cret-of-anna-1");
    client.send({ action: "auth", token: "s3cret-of-anna-1", id: 2 });
    await client.next();
    expect(application.asked).toBe(1);
  });

  it("gets the token where the gateway itself needs none, and no other where there is none", async () => {
    await start();
    await bench.connect({ path: "/ws?token=s3cret%26x" });
    await bench.connect();
    await application.socket(1);
    expect(application.seen.map(({ url }) => url).sort()).toEqual([
      "/api/ws?v=1",
      "/api/ws?v=1&token=s3cret%26x",
    ]);
    expect(application.seen[1]?.headers["authorization"]).toBeUndefined();
  });

  it("sends its client away to come back where it was open and ends", async () => {
    await start();
    const client = await bench.connect();
    const { socket } = await application.socket();
    socket.send(progress(1));
    await client.next();
    socket.close(1011);
    expect(await client.closing()).toMatchObject({ code: 1001 });
    const again = await bench.connect();
    const second = await application.socket(1);
    second.socket.send(progress(2));
    await again.next();
    second.socket.terminate();
    expect(await again.closing()).toMatchObject({ code: 1001 });
    expect(facts).toEqual([
      { outcome: "open" },
      { outcome: "lost", code: 1011 },
      { outcome: "open" },
      { outcome: "lost", code: 1006 },
    ]);
  });

  it.each(["refuse", "mute", "drop"] as const)(
    "is tried again quietly where it was never open (%s), and hears then what is subscribed",
    async (manner) => {
      await start({ timeoutMs: 200 });
      application.manner = manner;
      const client = await bench.connect();
      await client.subscribe("a");
      await client.subscribe("b");
      client.send({ action: "unsubscribe", connection_id: "nas1", path: "b" });
      await client.next();
      await until("a second try", () => application.asked >= 2);
      await pong(client);
      bench.fleet.changes("nas1", "/a", "x");
      expect(await client.next()).toMatchObject({ type: "directory_changed" });
      application.manner = "open";
      const nth = application.seen.length;
      const { socket, frames } = await application.socket(nth, 1);
      expect(frames).toEqual([{ action: "subscribe", connection_id: "nas1", path: "a" }]);
      socket.send(progress(1));
      expect(await client.next()).toMatchObject({ type: "transfer_progress" });
      expect(client.closed).toBeUndefined();
    },
  );

  it("ends with a frame that is too large", async () => {
    await start();
    const client = await bench.connect();
    const { socket } = await application.socket();
    socket.send(progress(1, { more: "x".repeat(60_000) }));
    await client.next();
    socket.send(progress(2, { more: "x".repeat(70_000) }));
    expect(await client.closing()).toMatchObject({ code: 1001 });
    expect(client.frames).toHaveLength(1);
  });

  it("waits for a client that does not read, and loses nothing", async () => {
    await start();
    const client = await bench.connect();
    const { socket } = await application.socket();
    client.socket.pause();
    const more = "x".repeat(60_000);
    for (let n = 0; n < 300; n++) socket.send(progress(n, { more }));
    const unsent = (): number => bench.gateway.clients()[0]?.unsentBytes ?? 0;
    await until("bytes that wait here", () => unsent() > 262_144);
    // The next one, and what had been read already.
    const before = socket.bufferedAmount;
    expect(before).toBeGreaterThan(0);
    expect(unsent()).toBeLessThan(1_048_576);
    client.socket.resume();
    await client.until(() => client.frames.length === 300, "all of them");
    expect(client.frames.map((frame) => frame["bytes_transferred"])).toEqual([...Array(300).keys()]);
  });

  it("is read more slowly where it sends more than anybody needs", async () => {
    await start();
    const client = await bench.connect();
    const { socket } = await application.socket();
    const startedAt = performance.now();
    for (let n = 0; n < 700; n++) socket.send(progress(n));
    await client.until(() => client.frames.length >= 400, "the first ones");
    await pongAmong(client);
    // What one read brought comes at once, and is paid for before the next.
    socket.send(progress(700));
    await client.until(
      () => client.frames.some((frame) => frame["bytes_transferred"] === 700),
      "the last one",
    );
    expect(performance.now() - startedAt).toBeGreaterThan(500);
  });

  it("is as gone as its client, at every stage", async () => {
    await start({ timeoutMs: 60_000 });
    const client = await bench.connect();
    const { socket } = await application.socket();
    const closed = once(socket, "close");
    client.socket.close();
    expect((await closed)[0]).toBe(1000);
    application.manner = "mute";
    const early = await bench.connect();
    await until("the handshake", () => application.asked === 2);
    early.socket.terminate();
    await until("no client", () => bench.gateway.stats.connections === 0);
    expect(facts).toEqual([{ outcome: "open" }]);
  });

  it("speaks TLS with the authority that is named, and with no other", async () => {
    await start();
    const dir = mkdtempSync(join(tmpdir(), "upstream-"));
    try {
      const at = (name: string): string => join(dir, name);
      const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=app -addext subjectAltName=IP:127.0.0.1`;
      execFileSync("openssl", [...args.split(" "), "-keyout", at("key"), "-out", at("cert")], {
        stdio: "ignore",
      });
      const tls = { key: readFileSync(at("key"), "utf8"), cert: readFileSync(at("cert"), "utf8") };
      await bench.close();
      await application.stop();
      application = await Application.start(0, tls);
      const url = `wss://127.0.0.1:${application.port}/`;
      bench = await startGateway({ upstream: { url, types: [], timeoutMs: 5_000 } });
      await bench.connect();
      await until("a failure", () => facts.length > 0);
      expect(facts).toEqual([{ outcome: "failed", code: 1006 }]);
      expect(application.asked).toBe(0);
      await bench.close();
      bench = await startGateway({ upstream: { url, types: [], timeoutMs: 5_000, ca: tls.cert } });
      const client = await bench.connect();
      (await application.socket()).socket.send(progress(1));
      expect(await client.next()).toMatchObject({ type: "transfer_progress" });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("is not there unless it is configured", async () => {
    application = await Application.start();
    bench = await startGateway();
    const client = await bench.connect();
    await client.subscribe("a");
    await pong(client);
    expect(application.asked).toBe(0);
  });
});

/** Ours goes on while the application's frames wait. */
async function pongAmong(client: TestClient): Promise<void> {
  client.send({ action: "ping" });
  await client.until(() => client.frames.some(({ type }) => type === "pong"), "a pong");
}
