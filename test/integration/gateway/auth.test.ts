import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { exportJWK, SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { noGrantsFacts } from "../../../src/gateway/facts.ts";
import type { AuthOptions } from "../../../src/gateway/options.ts";
import { createGateway } from "../../../src/gateway/server.ts";
import { FakeFleet } from "../../support/fakes/fake-fleet.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const jwtAuth: AuthOptions = { mode: "jwt", keys: { secret: SECRET } };
const everything = [{ connection: "*", path: "/**" }];

async function sign(
  claims: object = {},
  key: KeyObject | Uint8Array = Buffer.from(SECRET),
  kid = "",
): Promise<string> {
  const alg = key instanceof Uint8Array ? "HS256" : "ES256";
  return new SignJWT({ smb: everything, ...claims }).setProtectedHeader({ alg, kid }).sign(key);
}

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

describe("a token", () => {
  it("comes by header, subprotocol, query or first frame", async () => {
    bench = await startGateway({ auth: jwtAuth });
    const token = await sign();
    const ways = [
      { headers: { authorization: `Bearer ${token}` } },
      { protocols: ["smb2nats.v1", `bearer.${token}`] },
      { path: `/ws?token=${token}` },
    ];
    for (const way of ways) {
      const client = await bench.connect(way);
      expect(await client.subscribe("/a")).toMatchObject({ type: "subscribed" });
      expect(client.socket.protocol).toBe(way.protocols === undefined ? "" : "smb2nats.v1");
    }
    const client = await bench.connect();
    client.send({ action: "auth", token });
    expect(await client.subscribe("/a")).toMatchObject({ type: "subscribed" });
    expect(bench.gateway.stats).toMatchObject({ connections: 4, pending: 0, subscriptions: 4, watches: 1 });
  });

  it("that is wrong is refused before the upgrade, or by a close that says stay away", async () => {
    bench = await startGateway({ auth: jwtAuth });
    expect(await bench.refused({ headers: { authorization: "Bearer wrong" } })).toBe(401);
    expect(await bench.refused({ protocols: ["smb2nats.v1", "bearer.wrong"] })).toBe(401);
    expect(await bench.refused({ path: "/ws?token=wrong" })).toBe(401);
    const client = await bench.connect();
    client.send({ action: "auth", token: "wrong" });
    expect(await client.next()).toMatchObject({ type: "error", code: "unauthenticated" });
    expect(await client.closing()).toMatchObject({ code: 1008 });
    const { gateway } = bench;
    await expect.poll(() => gateway.stats).toMatchObject({ connections: 0, pending: 0 });
  });

  it("is refused in the handshake where no frame may bring it", async () => {
    bench = await startGateway({ auth: { ...jwtAuth, firstFrame: false } });
    expect(await bench.refused()).toBe(401);
    const client = await bench.connect({ headers: { authorization: `Bearer ${await sign()}` } });
    // It may be renewed by a frame all the same.
    client.send({ action: "auth", token: await sign(), id: 1 });
    expect(await client.next()).toMatchObject({ type: "authenticated", id: 1 });
  });

  it.each([
    [undefined, "your token is believed, but has no claim smb"],
    [[], "your token is believed, but its claim smb is empty"],
  ])("that is believed with a claim of %j is told so, and counted once for its socket", async (smb, why) => {
    bench = await startGateway({ auth: jwtAuth });
    const facts: unknown[] = [];
    const stop = noGrantsFacts.subscribe((fact) => facts.push(fact));
    const token = await sign({ smb, sub: "anna" });
    const client = await bench.connect({ headers: { authorization: `Bearer ${token}` } });
    for (const connection of ["nas1", "nowhere"]) {
      expect(await client.subscribe("/a", { id: 1 }, connection)).toMatchObject({
        code: "denied",
        message: why,
      });
    }
    await bench.gateway.updateAuth(jwtAuth);
    stop();
    expect(facts).toEqual([{ subject: "anna", reason: why }]);
    expect(bench.fleet.refs).toEqual([]);
  });

  it("that never comes ends the connection", async () => {
    bench = await startGateway({ auth: jwtAuth, times: { authMs: 100 } });
    const client = await bench.connect();
    expect(await client.next()).toMatchObject({ type: "error", code: "unauthenticated" });
    expect(await client.closing()).toMatchObject({ code: 1008 });
  });

  it("that runs out ends the connection with a code that says come back", async () => {
    bench = await startGateway({ auth: { ...jwtAuth, clockToleranceSeconds: 0 } });
    const token = await sign({ exp: Math.floor(Date.now() / 1_000) + 2 });
    const client = await bench.connect({ headers: { authorization: `Bearer ${token}` } });
    expect(await client.next()).toMatchObject({ type: "error", code: "expired" });
    expect(await client.closing()).toEqual({ code: 4401, reason: "expired" });
  });
});

describe("a right taken away", () => {
  it("ends the subscription within a second, for every socket that loses it", async () => {
    const tokens = (path: string): AuthOptions => ({
      mode: "tokens",
      tokens: [
        {
          token: "t",
          grants: [
            { connection: "nas1", path },
            { connection: "nas1", path: "/keep" },
          ],
        },
      ],
    });
    bench = await startGateway({ auth: tokens("/Media/**"), limits: { connectionsPerAddress: 1_000 } });
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => bench?.connect({ headers: { authorization: "Bearer t" } })),
    );
    for (const client of clients) {
      await client?.subscribe("/Media/Photos");
      await client?.subscribe("/keep");
    }
    const startedAt = performance.now();
    await bench.gateway.updateAuth(tokens("/Other/**"));
    for (const client of clients) {
      expect(await client?.next()).toMatchObject({ type: "error", code: "denied", path: "/Media/Photos" });
    }
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    bench.fleet.changes("nas1", "/Media/Photos", "secret");
    bench.fleet.changes("nas1", "/keep", "x");
    for (const client of clients) expect(await client?.next()).toMatchObject({ path: "/keep" });
    expect(bench.gateway.stats).toMatchObject({ connections: 50, subscriptions: 50, watches: 1 });
    await bench.gateway.updateAuth({ mode: "tokens", tokens: [] });
    for (const client of clients) expect(await client?.closing()).toMatchObject({ code: 1008 });
  });

  it("with a connection that is no longer served ends its subscriptions", async () => {
    bench = await startGateway();
    const client = await bench.connect();
    await client.subscribe("/a");
    await client.subscribe("/a", { detail: "none" }, "unix");
    await bench.gateway.updateConnections([{ name: "unix", caseSensitive: true }]);
    expect(await client.next()).toMatchObject({
      type: "error",
      code: "unknown_connection",
      connection_id: "nas1",
    });
    await bench.gateway.updateConnections([{ name: "unix", caseSensitive: false }]);
    expect(await client.next()).toMatchObject({ type: "error", code: "unreachable", connection_id: "unix" });
    expect(await client.subscribe("/A", {}, "unix")).toMatchObject({ type: "subscribed" });
  });
});

describe("without authentication", () => {
  it("the gateway stays on this machine, unless forced", () => {
    const make = (host: string, allowAnonymous?: boolean): unknown =>
      createGateway(
        {
          host,
          auth: { mode: "none", ...(allowAnonymous === undefined ? {} : { allowAnonymous }) },
          connections: [],
        },
        { fleet: new FakeFleet() },
      );
    expect(() => make("0.0.0.0")).toThrow(expect.objectContaining({ code: "GATEWAY_OPTIONS" }));
    expect(() => make("::")).toThrow(expect.objectContaining({ code: "GATEWAY_OPTIONS" }));
    for (const host of ["127.0.0.1", "::1", "localhost"]) make(host);
    make("0.0.0.0", true);
  });

  it("a page that rebinds its name to us is kept out", async () => {
    bench = await startGateway();
    const headers = { host: "rebound.example.org", origin: "http://rebound.example.org" };
    expect(await bench.refused({ headers })).toBe(403);
    expect(await bench.refused({ headers: { origin: "https://evil.example.org" } })).toBe(403);
  });

  it.each([
    [{ origin: "https://evil.example.org" }, "gateway.allowedOrigins"],
    [{ host: "rebound.example.org" }, "gateway.auth.allowAnonymous"],
  ])("the answer to %j names the setting", async (claims, setting) => {
    bench = await startGateway();
    const headers = {
      ...claims,
      connection: "upgrade",
      upgrade: "websocket",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      "sec-websocket-version": "13",
    };
    const asked = request({ host: "127.0.0.1", port: bench.port, path: "/ws", headers }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    expect([answer.statusCode, await text(answer)]).toEqual([403, expect.stringContaining(setting)]);
  });
});

describe("keys behind a URL", () => {
  interface Issuer {
    readonly server: Server;
    readonly url: string;
    keys: object[];
    down: boolean;
    fetched: number;
  }

  async function startIssuer(keys: object[]): Promise<Issuer> {
    const server = createServer((_request, response) => {
      issuer.fetched++;
      if (issuer.down) response.writeHead(500).end();
      else response.writeHead(200).end(JSON.stringify({ keys: issuer.keys }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const issuer: Issuer = { server, url: `http://127.0.0.1:${port}/jwks`, keys, down: false, fetched: 0 };
    return issuer;
  }

  const pair = (): { publicKey: KeyObject; privateKey: KeyObject } =>
    generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = async (key: KeyObject, kid: string): Promise<object> => ({
    ...(await exportJWK(key)),
    kid,
    alg: "ES256",
  });

  it("rotate: new ones are found, old ones are withdrawn, an issuer that is away harms nobody", async () => {
    const [first, second] = [pair(), pair()];
    const issuer = await startIssuer([await jwk(first.publicKey, "1")]);
    try {
      bench = await startGateway({
        auth: { mode: "jwt", keys: { jwksUrl: issuer.url }, cooldownMs: 0, refreshMs: 100 },
      });
      const [oldToken, newToken] = [
        await sign({}, first.privateKey, "1"),
        await sign({}, second.privateKey, "2"),
      ];
      const early = await bench.connect({ headers: { authorization: `Bearer ${oldToken}` } });
      expect(bench.gateway.ready).toBe(true);
      expect(await early.subscribe("/a")).toMatchObject({ type: "subscribed" });
      expect(await bench.refused({ headers: { authorization: `Bearer ${newToken}` } })).toBe(401);

      issuer.keys = [await jwk(first.publicKey, "1"), await jwk(second.publicKey, "2")];
      const late = await bench.connect({ headers: { authorization: `Bearer ${newToken}` } });

      issuer.down = true;
      const { fetched } = issuer;
      await expect.poll(() => issuer.fetched, { timeout: 10_000 }).toBeGreaterThan(fetched + 1);
      expect(await early.subscribe("/b")).toMatchObject({ type: "subscribed" });

      issuer.keys = [await jwk(second.publicKey, "2")];
      issuer.down = false;
      expect(await early.next()).toMatchObject({ type: "error", code: "expired" });
      expect(await early.closing()).toMatchObject({ code: 4401 });
      expect(await late.subscribe("/a")).toMatchObject({ type: "subscribed" });
    } finally {
      issuer.server.closeAllConnections();
      issuer.server.close();
    }
  });

  it("are not fetched anew for each token that names one nobody knows", async () => {
    const known = pair();
    const issuer = await startIssuer([await jwk(known.publicKey, "1")]);
    try {
      bench = await startGateway({
        auth: { mode: "jwt", keys: { jwksUrl: issuer.url }, cooldownMs: 60_000 },
      });
      const good = await sign({}, known.privateKey, "1");
      await bench.connect({ headers: { authorization: `Bearer ${good}` } });
      const { fetched } = issuer;
      for (let n = 0; n < 20; n++) {
        const forged = await sign({}, pair().privateKey, `unknown-${n}`);
        expect(await bench.refused({ headers: { authorization: `Bearer ${forged}` } })).toBe(503);
      }
      expect(issuer.fetched - fetched).toBeLessThanOrEqual(1);
      await bench.connect({ headers: { authorization: `Bearer ${good}` } });
    } finally {
      issuer.server.closeAllConnections();
      issuer.server.close();
    }
  });

  it("that were never there make the gateway not ready, and tokens worth a later try", async () => {
    const issuer = await startIssuer([]);
    issuer.down = true;
    try {
      bench = await startGateway({ auth: { mode: "jwt", keys: { jwksUrl: issuer.url } } });
      const token = await sign({}, pair().privateKey, "1");
      expect(bench.gateway.ready).toBe(false);
      expect(await bench.refused({ headers: { authorization: `Bearer ${token}` } })).toBe(503);
      const client = await bench.connect();
      client.send({ action: "auth", token });
      expect(await client.closing()).toMatchObject({ code: 1013 });
    } finally {
      issuer.server.closeAllConnections();
      issuer.server.close();
    }
  });
});
