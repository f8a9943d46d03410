import { SignJWT } from "jose";
import { afterEach, describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import type { HeadersOptions } from "../../../src/gateway/options.ts";
import { createGateway } from "../../../src/gateway/server.ts";
import { FakeFleet } from "../../support/fakes/fake-fleet.ts";
import { type Bench, startGateway } from "../../support/servers/gateway.ts";
import { until } from "../../support/until.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const auth: HeadersOptions = {
  mode: "headers",
  user: "X-Forwarded-User",
  grants: "X-Grants",
  sessionMs: 60_000,
};
const trustedProxies = ["127.0.0.1"];
const grants = JSON.stringify([{ connection: "nas1", path: "/Übung/**" }]);
/** As Node and every proxy write what is not ASCII: byte by byte. */
const bytes = (text: string): string => Buffer.from(text).toString("latin1");
const said = { "x-forwarded-user": "anna", "x-grants": bytes(grants) };

let bench: Bench | undefined;
afterEach(async () => {
  await bench?.close();
  bench = undefined;
});

describe("mode headers", () => {
  it("believes a trusted proxy, for as long as a session may last", async () => {
    const clock = new ManualClock();
    bench = await startGateway({ auth, trustedProxies }, { clock });
    const client = await bench.connect({ headers: said });
    expect(await client.subscribe("/Übung/a", { id: 1 })).toMatchObject({ type: "subscribed" });
    expect(await client.subscribe("/Other", { id: 2 })).toMatchObject({ code: "denied" });
    // A token says nothing here, whoever brings it.
    client.send({ action: "auth", token: grants });
    expect(await client.next()).toMatchObject({ code: "unauthenticated" });
    expect(await client.closing()).toMatchObject({ code: 1008 });
    const other = await bench.connect({ headers: said });
    await clock.advance(60_100);
    expect(await other.next()).toMatchObject({ code: "expired" });
    expect(await other.closing()).toMatchObject({ code: 4401 });
  });

  it.each([
    ["a missing user", { "x-grants": grants }],
    ["missing grants", { "x-forwarded-user": "anna" }],
    ["an empty user", { ...said, "x-forwarded-user": "" }],
    ["grants that are not JSON", { ...said, "x-grants": "nas1:/" }],
    ["grants of another form", { ...said, "x-grants": '{"connection":"nas1"}' }],
    ["a token instead", { authorization: `Bearer ${grants}` }],
  ] as [string, Record<string, string>][])("refuses %s", async (_, headers) => {
    bench = await startGateway({ auth, trustedProxies });
    expect(await bench.refused({ headers })).toBe(401);
  });

  it("refuses a header that is there twice: one may be the client's own", async () => {
    bench = await startGateway({ auth, trustedProxies });
    const twice = { ...said, "x-grants": [grants, '[{"connection":"*","path":"/**"}]'] } as never;
    expect(await bench.refused({ headers: twice })).toBe(401);
  });

  it("believes nobody else, and does not begin where that could not be told", async () => {
    bench = await startGateway({ auth, trustedProxies: ["10.0.0.0/8"] });
    expect(await bench.refused({ headers: said })).toBe(401);
    const make = (more: object) => () =>
      createGateway({ auth, connections: [], ...more }, { fleet: new FakeFleet() });
    expect(make({})).toThrow(/proxies/);
    expect(make({ trustedProxies, allowedOrigins: ["*"] })).toThrow(/origins/);
  });

  it("sends sockets back through the proxy at a push", async () => {
    bench = await startGateway({ auth, trustedProxies });
    const client = await bench.connect({ headers: said });
    bench.gateway.recheckAuth();
    expect(await client.closing()).toMatchObject({ code: 4401 });
    await bench.connect({ headers: said });
  });

  it("ends sessions that were let in by a proxy when it is believed no more", async () => {
    bench = await startGateway({ auth, trustedProxies });
    const client = await bench.connect({ headers: said });
    await bench.gateway.updateAuth({ mode: "tokens", tokens: [] });
    expect(await client.closing()).toMatchObject({ code: 1008 });
  });

  it("checks a signed header, and takes nothing from the others", async () => {
    const clock = new ManualClock();
    const jwt = { mode: "jwt", keys: { secret: SECRET }, audience: "smb2nats" } as const;
    const signed = { mode: "headers", assertion: { header: "X-Assertion", jwt } } as const;
    bench = await startGateway({ auth: signed, trustedProxies }, { clock });
    const sign = (key: string): Promise<string> =>
      new SignJWT({ sub: "anna", aud: "smb2nats", smb: [{ connection: "nas1", path: "/**" }] })
        .setProtectedHeader({ alg: "HS256" })
        .setExpirationTime(Math.floor(clock.now() / 1_000) + 30)
        .sign(Buffer.from(key));
    const client = await bench.connect({ headers: { "x-assertion": await sign(SECRET) } });
    expect(await client.subscribe("/a", { id: 1 })).toMatchObject({ type: "subscribed" });
    expect(await bench.refused({ headers: { "x-assertion": await sign(`${SECRET}!`) } })).toBe(401);
    expect(await bench.refused({ headers: said })).toBe(401);
    await until("the end", async () => {
      await clock.advance(1_000);
      return client.closed?.code === 4401;
    });
  });
});
