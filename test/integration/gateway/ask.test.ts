import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { askFacts, authFailureFacts, noGrantsFacts } from "../../../src/gateway/facts.ts";
import type { AskOptions } from "../../../src/gateway/options.ts";
import { type Answer, type Application, json, startApplication } from "../../support/servers/application.ts";
import {
  type Bench,
  type ConnectOptions,
  startGateway,
  type TestClient,
} from "../../support/servers/gateway.ts";
import { until } from "../../support/until.ts";

const MINUTE = 60_000;

let application: Application | undefined;
let bench: Bench | undefined;
afterEach(async () => {
  await bench?.close();
  await application?.stop().catch(() => undefined);
  bench = undefined;
  application = undefined;
});

const by = (token: string): ConnectOptions => ({ headers: { authorization: `Bearer ${token}` } });

/** Asks as Sambee is to be asked. */
async function start(
  options: Partial<AskOptions> = {},
  ports: Parameters<typeof startGateway>[1] = {},
): Promise<{ readonly app: Application; readonly gate: Bench }> {
  application ??= await startApplication();
  const { url } = application;
  bench = await startGateway(
    {
      auth: { mode: "ask", url, grants: { list: "", connection: "/id" }, ...options },
      limits: { connectionsPerAddress: 10_000 },
    },
    ports,
  );
  return { app: application, gate: bench };
}

describe("mode ask", () => {
  it("lets a token's holder see what the application says, and nothing else", async () => {
    const { app, gate } = await start();
    app.users.set("anna", ["nas1"]).set("nobody", []);
    const client = await gate.connect(by("anna"));
    expect(await client.subscribe("/deep/down", { id: 1 })).toMatchObject({ type: "subscribed" });
    expect(await client.subscribe("/", { id: 2, recursive: true })).toMatchObject({ type: "subscribed" });
    expect(await client.subscribe("/a", { id: 3 }, "unix")).toMatchObject({ code: "denied" });
    expect(await gate.refused(by("guess"))).toBe(401);
    const nobody = await gate.connect(by("nobody"));
    expect(await nobody.subscribe("/a", { id: 1 })).toMatchObject({
      code: "denied",
      message: "the application grants you nothing",
    });
    const frame = await gate.connect();
    frame.send({ action: "auth", token: "anna", id: 1 });
    expect(await frame.next()).toEqual({ type: "authenticated", id: 1 });
    expect(app.asked).toEqual(["anna", "guess", "nobody"]);
  });

  it("reads grants from where the answer has them, with a header of one's own", async () => {
    application = await startApplication({ header: "x-session" });
    application.answer = (request, response) =>
      json(response, {
        user: { "may/see": [{ on: { share: request.method === "POST" && "nas1" }, dir: "/Media/**" }] },
      });
    const grants = { list: "/user/may~1see", connection: "/on/share", path: "/dir" };
    const { app, gate } = await start({ method: "POST", header: "X-Session", grants });
    const client = await gate.connect(by("t"));
    expect(await client.subscribe("/Media/x", { id: 1 })).toMatchObject({ type: "subscribed" });
    expect(await client.subscribe("/Other", { id: 1 })).toMatchObject({ code: "denied" });
    expect(app.asked).toEqual(["t"]);
  });

  const cases: [string, number, Answer][] = [
    ["401", 401, (_, response) => response.writeHead(401).end()],
    ["403", 401, (_, response) => response.writeHead(403).end()],
    ["500", 503, (_, response) => response.writeHead(500).end("[]")],
    ["a redirection", 503, (_, response) => response.writeHead(302, { location: "/login" }).end()],
    ["no JSON", 503, (_, response) => response.end("<html>")],
    ["no list", 503, (_, response) => json(response, { id: "nas1" })],
    ["an item without a name", 503, (_, response) => json(response, [{ id: "nas1" }, { name: "x" }])],
    ["a connection named *", 503, (_, response) => json(response, [{ id: "nas1" }, { id: "*" }])],
    ["a list without end", 503, (_, response) => json(response, "x".repeat(1_100_000))],
    ["nothing in time", 503, () => undefined],
    ["half an answer", 503, (_, response) => response.writeHead(200).write("[{", () => response.destroy())],
  ];
  it.each(cases)("answers a handshake where the application says %s with %i", async (_, status, answer) => {
    const facts: unknown[] = [];
    const stop = [askFacts, authFailureFacts, noGrantsFacts].map((channel) =>
      channel.subscribe((fact) => facts.push(fact)),
    );
    const { app, gate } = await start({ timeoutMs: 300 });
    app.answer = answer;
    expect(await gate.refused(by("s3cret-token"))).toBe(status);
    // Whoever comes back at once does not reach the application again.
    expect(await gate.refused(by("s3cret-token"))).toBe(status);
    expect(app.asked).toHaveLength(1);
    for (const off of stop) off();
    expect(JSON.stringify(facts)).not.toContain("s3cret");
    expect(gate.gateway.stats).toMatchObject({ connections: 0, pending: 0 });
  });

  it("speaks TLS with the authority that is named, and with no other", async () => {
    const dir = mkdtempSync(join(tmpdir(), "ask-"));
    try {
      const at = (name: string): string => join(dir, name);
      const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=app -addext subjectAltName=IP:127.0.0.1`;
      execFileSync("openssl", [...args.split(" "), "-keyout", at("key"), "-out", at("cert")], {
        stdio: "ignore",
      });
      const tls = { key: readFileSync(at("key"), "utf8"), cert: readFileSync(at("cert"), "utf8") };
      application = await startApplication({ tls });
      application.users.set("anna", ["nas1"]);
      const stranger = await start();
      expect(await stranger.gate.refused(by("anna"))).toBe(503);
      expect(application.asked).toEqual([]);
      await stranger.gate.close();
      const { gate } = await start({ ca: tls.cert });
      expect(await (await gate.connect(by("anna"))).subscribe("/a", { id: 1 })).toMatchObject({
        type: "subscribed",
      });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it("does not send what cannot be a header", async () => {
    const { app, gate } = await start();
    const client = await gate.connect();
    client.send({ action: "auth", token: "a\r\nX-Admin: yes" });
    expect(await client.next()).toMatchObject({ code: "unauthenticated" });
    expect(app.asked).toEqual([]);
  });
});

describe("rights that the application takes away", () => {
  const subscribed = async (gate: Bench, token: string, connection = "nas1"): Promise<TestClient> => {
    const client = await gate.connect(by(token));
    expect(await client.subscribe("/a", { id: 1 }, connection)).toMatchObject({ type: "subscribed" });
    return client;
  };

  it("end within a second of a push", async () => {
    const { app, gate } = await start();
    app.users.set("anna", ["nas1", "unix"]).set("ben", ["nas1"]);
    const anna = await subscribed(gate, "anna");
    const ben = await subscribed(gate, "ben");
    app.users.set("anna", ["unix"]).delete("ben");
    const pushed = performance.now();
    gate.gateway.recheckAuth();
    expect(await anna.next()).toMatchObject({ type: "error", code: "denied", path: "/a" });
    expect(await ben.next()).toMatchObject({ type: "error", code: "unauthenticated" });
    expect(await ben.closing()).toMatchObject({ code: 1008 });
    expect(performance.now() - pushed).toBeLessThan(1_000);
    // What was given meanwhile holds as well.
    expect(await anna.subscribe("/b", { id: 2 }, "unix")).toMatchObject({ type: "subscribed" });
    // Pushes without end do not reach the application without end.
    const before = app.asked.length;
    for (let n = 0; n < 50; n++) gate.gateway.recheckAuth();
    expect(app.asked.length - before).toBeLessThanOrEqual(2);
  });

  it("end without a push within 61 s, and asking costs one question for each token and minute", async () => {
    const clock = new ManualClock();
    const { app, gate } = await start({}, { clock });
    const tokens = Array.from({ length: 50 }, (_, n) => `token-${n}`);
    for (const token of tokens) app.users.set(token, ["nas1"]);
    const clients: TestClient[] = [];
    for (let n = 0; n < 20; n++) {
      clients.push(...(await Promise.all(tokens.map((token) => subscribed(gate, token)))));
    }
    expect(clients).toHaveLength(1_000);
    expect(app.asked).toHaveLength(50);
    for (const minute of [2, 3]) {
      await clock.advance(MINUTE);
      await until("the questions of a minute", async () => {
        await clock.advance(20);
        return app.asked.length >= 50 * minute;
      });
      expect(app.asked).toHaveLength(50 * minute);
    }
    app.users.set("token-7", []);
    await clock.advance(MINUTE + 1_000);
    await until(
      "the denials",
      () => clients.filter(({ frames }) => frames.at(-1)?.["code"] === "denied").length === 20,
    );
    expect(app.asked.length).toBeLessThanOrEqual(200);
    const lost = clients.filter(({ frames }) => frames.at(-1)?.["code"] === "denied");
    expect(new Set(lost.map((client) => clients.indexOf(client) % 50))).toEqual(new Set([7]));
  }, 180_000);

  it("hold for a bounded time while the application is away, and are never more than before", async () => {
    const clock = new ManualClock();
    const { app, gate } = await start({ keepMs: 5 * MINUTE }, { clock });
    app.users.set("anna", ["nas1"]);
    const anna = await subscribed(gate, "anna");
    await app.stop();
    await clock.advance(4 * MINUTE);
    await until("questions", () => anna.frames.length === 1);
    // Who is known may come in, too, and gets what he had.
    const again = await subscribed(gate, "anna");
    expect(await again.subscribe("/a", { id: 2 }, "unix")).toMatchObject({ code: "denied" });
    expect(await gate.refused(by("ben"))).toBe(503);
    await clock.advance(2 * MINUTE);
    for (const client of [anna, again]) {
      await until("the end", async () => {
        await clock.advance(100);
        return client.closed !== undefined;
      });
      expect(client.frames.at(-1)).toMatchObject({ type: "error", code: "unauthenticated" });
      expect(client.closed).toMatchObject({ code: 1008 });
    }
    expect(await gate.refused(by("anna"))).toBe(503);
    await app.start();
    await clock.advance(10_000);
    await subscribed(gate, "anna");
  });
});
