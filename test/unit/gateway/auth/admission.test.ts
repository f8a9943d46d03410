import { describe, expect, it } from "vitest";
import { AddressBook } from "../../../../src/gateway/auth/address.ts";
import {
  type Admission,
  Admissions,
  type Handshake,
  withoutQuery,
} from "../../../../src/gateway/auth/admission.ts";
import { resolveLimits } from "../../../../src/gateway/options.ts";

function admissions(
  options: { limits?: object; origins?: string[]; local?: boolean; proxies?: string[] } = {},
): Admissions {
  return new Admissions({
    limits: resolveLimits(options.limits),
    addresses: new AddressBook(options.proxies ?? []),
    allowedOrigins: options.origins ?? [],
    loopbackHostOnly: () => options.local ?? false,
  });
}

const handshake = (more: Partial<Handshake> = {}): Handshake => ({
  method: "GET",
  url: "/ws",
  remoteAddress: "192.0.2.1",
  ...more,
  headers: { host: "gw.example.org", ...more.headers },
});

const reason = (admission: Admission): string => (admission.ok ? "ok" : admission.fact.reason);

describe("admission", () => {
  it("tells of a trusted proxy that names no client, and of nobody else", () => {
    const proxied = admissions({ proxies: ["192.0.2.1"] });
    expect(proxied.decide(handshake())).toMatchObject({ ok: true, unreadable: "" });
    const headers = { "x-forwarded-for": "203.0.113.9" };
    expect(proxied.decide(handshake({ headers }))).not.toHaveProperty("unreadable");
    expect(admissions().decide(handshake())).not.toHaveProperty("unreadable");
  });

  it.each(["/", "/ws/", "/WS", "/api", "//ws", "http://x/ws", "*", "/ws/../admin", "/%77s"])(
    "knows no %s",
    (url) => {
      expect(admissions().decide(handshake({ url }))).toMatchObject({
        ok: false,
        status: 404,
        fact: { reason: "path" },
      });
    },
  );

  it.each([
    [undefined, [], "ok"],
    ["https://gw.example.org", [], "ok"],
    ["http://gw.example.org", [], "ok"],
    ["https://gw.example.org:8443", [], "origin"],
    ["https://evil.example.org", [], "origin"],
    ["https://gw.example.org.evil.org", [], "origin"],
    ["null", [], "origin"],
    ["", [], "origin"],
    ["https://app.example.org", ["https://app.example.org"], "ok"],
    ["https://app.example.org.evil.org", ["https://app.example.org"], "origin"],
    ["https://anywhere.example", ["*"], "ok"],
  ])("of origin %j with %j: %s", (origin, origins, expected) => {
    const headers = origin === undefined ? {} : { origin };
    expect(reason(admissions({ origins }).decide(handshake({ headers })))).toBe(expected);
  });

  const NAME = "https://gw.example.org";
  it.each([
    // nginx and others put their own name for us into Host.
    [NAME, { "x-forwarded-host": "gw.example.org" }, "ok"],
    [NAME, { "x-forwarded-host": "inner.example.org, GW.example.org" }, "ok"],
    [NAME, { "x-forwarded-host": "gw.example.org:443", "x-forwarded-proto": "https" }, "ok"],
    ["https://gw.example.org:8443", { "x-forwarded-host": "gw.example.org:8443" }, "ok"],
    [NAME, { forwarded: 'for=1.2.3.4;host="gw.example.org";proto=https' }, "ok"],
    [NAME, {}, "origin"],
    ["https://evil.example.org", { "x-forwarded-host": "gw.example.org" }, "origin"],
    [NAME, { "x-forwarded-host": "gw.example.org@evil.example.org" }, "origin"],
    // A page that anybody on the way could have written.
    [
      "http://gw.example.org",
      { "x-forwarded-host": "gw.example.org", "x-forwarded-proto": "https" },
      "origin",
    ],
    ["http://gw.example.org", { "x-forwarded-host": "gw.example.org", "x-forwarded-proto": "http" }, "ok"],
    // The next proxy in the row speaks plain HTTP to the one before us, and says so.
    [NAME, { "x-forwarded-host": "gw.example.org", "x-forwarded-proto": "http" }, "ok"],
  ])("behind a trusted proxy, of origin %s with %j: %s", (origin, more, expected) => {
    const headers = { host: "10.0.0.1:8080", origin, ...more };
    const gate = admissions({ proxies: ["192.0.2.0/24"] });
    expect(reason(gate.decide(handshake({ headers })))).toBe(expected);
    if (expected === "ok" && "x-forwarded-host" in more) {
      expect(reason(admissions().decide(handshake({ headers })))).toBe("origin");
    }
  });

  it("takes no Host without authentication from a header", () => {
    const headers = { host: "gw.example.org", "x-forwarded-host": "localhost" };
    const gate = admissions({ local: true, proxies: ["192.0.2.1"] });
    expect(reason(gate.decide(handshake({ headers })))).toBe("host");
  });

  it("tells an operator what was claimed, and no more than a log line bears", () => {
    const headers = {
      origin: `https://${"x".repeat(1_000)}`,
      host: "gw.example.org",
      "x-forwarded-host": "a\u001b[2J",
      "x-forwarded-for": "1.2.3.4:1001",
      cookie: "secret",
    };
    const admission = admissions({ proxies: ["192.0.2.1"] }).decide(
      handshake({ headers, url: "/ws?token=secret" }),
    );
    expect(admission).toEqual({
      ok: false,
      status: 403,
      fact: {
        reason: "origin",
        origin: `https://${"x".repeat(192)}`,
        host: "gw.example.org",
        forwardedHost: "a\u001b[2J",
        address: "1.2.3.4",
      },
    });
  });

  it.each([
    ["localhost:8080", "ok"],
    ["127.0.0.1:8080", "ok"],
    ["[::1]:8080", "ok"],
    ["rebound.example.org:8080", "host"],
    ["localhost.example.org", "host"],
  ])("without authentication, by the name %s: %s", (host, expected) => {
    expect(reason(admissions({ local: true }).decide(handshake({ headers: { host } })))).toBe(expected);
  });

  it.each([
    ["header", { headers: { authorization: "Bearer abc" } }],
    ["header in lower case", { headers: { authorization: "bearer abc" } }],
    ["subprotocol", { headers: { "sec-websocket-protocol": "smb2nats.v1, bearer.abc" } }],
    ["query", { url: "/ws?token=abc" }],
  ])("finds the token in the %s", (_where, more) => {
    expect(admissions().decide(handshake(more))).toMatchObject({ ok: true, token: "abc" });
  });

  it("finds none where there is none", () => {
    const headers = { authorization: "Basic abc", "sec-websocket-protocol": "smb2nats.v1" };
    expect(admissions().decide(handshake({ headers }))).toMatchObject({ ok: true, token: undefined });
    expect(withoutQuery("/ws?token=secret")).toBe("/ws");
  });

  it("counts seats in all, per address and waiting, and takes them back once", () => {
    const gate = admissions({ limits: { connections: 3, connectionsPerAddress: 2, pendingHandshakes: 2 } });
    const first = gate.enter("192.0.2.1");
    const second = gate.enter("192.0.2.1");
    expect(reason(gate.decide(handshake()))).toBe("pending");
    first.authenticated();
    first.authenticated();
    expect(reason(gate.decide(handshake()))).toBe("address");
    expect(reason(gate.decide(handshake({ remoteAddress: "192.0.2.2" })))).toBe("ok");
    const third = gate.enter("192.0.2.2");
    third.authenticated();
    expect(reason(gate.decide(handshake({ remoteAddress: "192.0.2.3" })))).toBe("connections");
    for (const seat of [first, second, third, first]) seat.leave();
    expect([gate.total, gate.pending]).toEqual([0, 0]);
    expect(reason(gate.decide(handshake()))).toBe("ok");
    gate.drain();
    expect(gate.decide(handshake())).toMatchObject({ ok: false, status: 503, fact: { reason: "draining" } });
  });
});
