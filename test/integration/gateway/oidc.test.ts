import { randomBytes } from "node:crypto";
import { decodeProtectedHeader } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  type Client,
  connect,
  type Status,
  type WebSocketConstructor,
} from "../../../src/client/browser/client.ts";
import type { JwtOptions } from "../../../src/gateway/options.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";
import {
  AUDIENCE,
  newKey,
  type OidcLab,
  type SigningAlgorithm,
  startOidc,
  type TokenForm,
} from "../../support/servers/oidc.ts";

let lab: OidcLab | undefined;
let bench: Bench | undefined;
let client: Client | undefined;
afterEach(async () => {
  client?.close();
  await bench?.close();
  await lab?.close();
  lab = bench = client = undefined;
});

const [first, second] = [newKey("1"), newKey("2")];

/** `signing`: the provider's keys; the rest is the gateway's. */
async function start(
  options: Partial<Omit<JwtOptions, "keys">> & { signing?: readonly object[]; form?: TokenForm },
): Promise<{ lab: OidcLab; bench: Bench }> {
  const { signing = [first], form, ...more } = options;
  lab = await startOidc(signing, form);
  const jwt = { issuer: lab.issuer, audience: AUDIENCE, keys: { jwksUrl: lab.jwksUrl }, ...more };
  bench = await startGateway({ auth: { mode: "jwt", ...jwt } });
  await expect.poll(() => bench?.gateway.ready).toBe(true);
  return { lab, bench };
}

const bearer = (token: string): { headers: { authorization: string } } => ({
  headers: { authorization: `Bearer ${token}` },
});

/** What a socket is told whose first frame brings this token. */
async function firstFrame(
  on: Bench,
  token: string,
): Promise<{ code: unknown; message: unknown; closed: number }> {
  const socket = await on.connect();
  socket.send({ action: "auth", token });
  const { code, message } = await socket.nextOf("error");
  return { code, message, closed: (await socket.closing()).code };
}

describe("tokens of an OpenID provider", () => {
  it.each<SigningAlgorithm>(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])(
    "signed with %s are believed (at+jwt)",
    async (alg) => {
      const { lab, bench } = await start({ signing: [newKey("1", alg)], form: { format: "jwt", alg } });
      const token = await lab.token();
      expect(decodeProtectedHeader(token)).toMatchObject({ alg, typ: "at+jwt", kid: "1" });
      const socket = await bench.connect(bearer(token));
      expect(await socket.subscribe("/Media/x")).toMatchObject({ type: "subscribed" });
      expect(await socket.subscribe("/Other")).toMatchObject({ code: "denied" });
    },
  );

  it.each<[string, TokenForm, Partial<Omit<JwtOptions, "keys">>, RegExp]>([
    ["encrypted", { format: "jwt", encryptFor: randomBytes(32) }, {}, /encrypted \(JWE\)/],
    ["opaque", { format: "opaque" }, {}, /opaque \(no JWT\).*mode ask/],
    ["of another algorithm", { format: "jwt" }, { algorithms: ["ES256"] }, /algorithm RS256 is not accepted/],
    ["for another audience", { format: "jwt" }, { audience: "x" }, /aud is not .*gateway\.auth\.audience/],
    ["of another issuer", { format: "jwt" }, { issuer: "x" }, /iss is not .*gateway\.auth\.issuer/],
  ])("that are %s are refused for good, with the reason", async (_what, form, more, why) => {
    const { lab, bench } = await start({ form, ...more });
    const token = await lab.token();
    expect(await bench.refused(bearer(token))).toBe(401);
    const told = await firstFrame(bench, token);
    expect(told).toMatchObject({ code: "unauthenticated", closed: 1008 });
    expect(told.message).toMatch(why);
  });
});

describe("key rotation at an OpenID provider", () => {
  it("a token of a key that nobody knows yet: come back; and it is right once it may be looked for", async () => {
    const { lab, bench } = await start({ signing: [first], cooldownMs: 3_000, refreshMs: 600_000 });
    lab.restart([second, first]);
    const token = await lab.token();
    expect(await bench.refused(bearer(token))).toBe(503);
    expect(await firstFrame(bench, token)).toMatchObject({ code: "internal", closed: 1013 });
    expect(lab.fetched).toBe(1);
    const statuses: Status[] = [];
    client = connect(new URL("ws", bench.url).href, {
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      backoff: { initialMs: 100, maxMs: 500 },
      token: () => lab.token(),
      onStatus: (status) => statuses.push(status),
    });
    await expect.poll(() => client?.status.state, { timeout: 15_000 }).toBe("open");
    expect(statuses).toContainEqual(expect.objectContaining({ state: "waiting", code: 1013 }));
    expect(lab.fetched).toBe(2);
  });

  it("a token whose key has gone: come back with a fresh one, and the client does", async () => {
    const { lab, bench } = await start({ signing: [first], cooldownMs: 600_000, refreshMs: 300 });
    let asked = 0;
    const statuses: Status[] = [];
    client = connect(new URL("ws", bench.url).href, {
      WebSocket: WebSocket as unknown as WebSocketConstructor,
      backoff: { initialMs: 50, maxMs: 200 },
      token: () => {
        asked++;
        return lab.token();
      },
      onStatus: (status) => statuses.push(status),
    });
    await client.subscribe("nas1", "/Media/x").ready;
    const old = await lab.token();
    const socket = await bench.connect(bearer(old));
    lab.restart([second]);
    expect(await socket.nextOf("error")).toMatchObject({ code: "expired" });
    expect(await socket.closing()).toMatchObject({ code: 4401 });
    expect(await bench.refused(bearer(old))).toBe(401);
    expect(await firstFrame(bench, old)).toMatchObject({ code: "expired", closed: 4401 });
    await expect.poll(() => [asked, client?.status.state], { timeout: 15_000 }).toEqual([2, "open"]);
    expect(statuses).toContainEqual(expect.objectContaining({ state: "waiting", code: 4401 }));
    await expect.poll(() => bench.fleet.held.length).toBe(1);
  });

  it("a token of a key that the issuer has not, after a look: come back with a fresh one", async () => {
    const { lab, bench } = await start({ signing: [second], cooldownMs: 0, refreshMs: 600_000 });
    const other = await startOidc([first]);
    try {
      const forged = await other.token();
      const { fetched } = lab;
      expect(await bench.refused(bearer(forged))).toBe(401);
      expect(lab.fetched).toBeGreaterThan(fetched);
      expect(await firstFrame(bench, forged)).toMatchObject({ code: "expired", closed: 4401 });
    } finally {
      await other.close();
    }
  });
});
