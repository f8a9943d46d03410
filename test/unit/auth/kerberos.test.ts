import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { AuthError } from "../../../src/auth/errors.ts";
import { createKerberosProvider, type KerberosOptions } from "../../../src/auth/kerberos.ts";
import type { AuthExchange } from "../../../src/auth/provider.ts";
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeMechTypeList,
  encodeNegTokenResp,
  MECH,
  type NegTokenResp,
} from "../../../src/auth/spnego.ts";
import { deferred } from "../../../src/base/async.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { hex } from "../crypto/vectors.ts";
import { FakeGssApi } from "./fake-gssapi.ts";

const NOW = 1_700_000_000_000;
const word = (text: string): Uint8Array => Buffer.from(text);

function begin(api: FakeGssApi, options: KerberosOptions = {}): AuthExchange {
  const provider = createKerberosProvider({ gssapi: async () => api, now: () => NOW, ...options });
  return provider.begin({ host: "nas.lab.example", serverToken: new Uint8Array(0) });
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

const ACCEPTED: NegTokenResp = {
  negState: "accept-completed",
  supportedMech: MECH.KERBEROS,
  responseToken: word("proof"),
};

describe("a Kerberos logon", () => {
  it("takes one round trip, and gives the whole session key", async () => {
    const api = new FakeGssApi();
    const exchange = begin(api);
    const init = decodeNegTokenInit((await exchange.next(undefined, { final: false }))!);
    expect(init.mechTypes).toEqual([MECH.KERBEROS]);
    expect(Buffer.from(init.mechToken!).toString()).toBe("hello");
    expect(() => exchange.sessionKey()).toThrow(AuthError);
    expect(await exchange.next(encodeNegTokenResp(ACCEPTED), { final: true })).toBeUndefined();
    expect(hex(exchange.sessionKey())).toBe("d7".repeat(32));
    expect(exchange.expiresAt).toBe(NOW + 500_000);
    expect(api.open).toBe(0);
    const key = exchange.sessionKey();
    exchange.close();
    exchange.close();
    expect(hex(key)).toBe("d7".repeat(32));
    expect(() => exchange.sessionKey()).toThrow(AuthError);
  });

  it("takes more where the server wants more, and then signs the list of mechanisms", async () => {
    const exchange = begin(new FakeGssApi());
    await exchange.next(undefined, { final: false });
    const more = encodeNegTokenResp({ negState: "accept-incomplete", responseToken: word("more") });
    const second = decodeNegTokenResp((await exchange.next(more, { final: false }))!);
    expect(Buffer.from(second.responseToken!).toString()).toBe("again");
    expect(second.mechListMic).toBeUndefined();
    const proof = encodeNegTokenResp({ negState: "request-mic", responseToken: word("proof") });
    const third = decodeNegTokenResp((await exchange.next(proof, { final: false }))!);
    const list = encodeMechTypeList([MECH.KERBEROS]);
    expect(hex(third.mechListMic!)).toBe(hex(Uint8Array.of(0x6d, list.length)));
    const last = encodeNegTokenResp({ negState: "accept-completed", mechListMic: third.mechListMic });
    await exchange.next(last, { final: true });
    expect(exchange.sessionKey().length).toBe(32);
    expect(exchange.expiresAt).toBe(NOW + 500_000);
  });

  it("accepts the arc that Windows got wrong as the same mechanism", async () => {
    const exchange = begin(new FakeGssApi());
    await exchange.next(undefined, { final: false });
    await exchange.next(encodeNegTokenResp({ ...ACCEPTED, supportedMech: MECH.MS_KERBEROS }), {
      final: true,
    });
    expect(exchange.sessionKey().length).toBe(32);
  });
});

describe("credentials", () => {
  it.each<readonly [KerberosOptions, object]>([
    [{}, { host: "nas.lab.example", principal: undefined, password: undefined, ccache: undefined }],
    [{ spnHost: "other" }, { host: "other" }],
    [
      { principal: "u", realm: "R" },
      { principal: "u@R", realm: "R" },
    ],
    [
      { principal: "u@S", realm: "R" },
      { principal: "u@S", realm: "R" },
    ],
    [{ realm: "R" }, { principal: undefined, realm: "R" }],
    [
      { principal: "u", password: () => "p" },
      { principal: "u", password: "p" },
    ],
    [{ ccache: "FILE:/tmp/cc" }, { ccache: "FILE:/tmp/cc" }],
    [{ keytab: "/k" }, { keytab: "/k", ccache: expect.stringMatching(/^MEMORY:smb2nats-/) }],
  ])("%j", async (options, request) => {
    const api = new FakeGssApi();
    await begin(api, options).next(undefined, { final: false });
    expect(api.requests).toEqual([expect.objectContaining(request)]);
  });

  it("keep the tickets of a keytab from one exchange to the next, and apart from other providers'", async () => {
    const api = new FakeGssApi();
    const options = { keytab: "/k", gssapi: async () => api };
    const one = createKerberosProvider(options);
    const target = { host: "h", serverToken: new Uint8Array(0) };
    await one.begin(target).next(undefined, { final: false });
    await one.begin(target).next(undefined, { final: false });
    await createKerberosProvider(options).begin(target).next(undefined, { final: false });
    const [first, second, third] = api.requests.map(({ ccache }) => ccache);
    expect(first).toBe(second);
    expect(first).not.toBe(third);
  });

  it("leave those of a keytab behind that have run out, and others' alone", async () => {
    for (const [options, same] of [
      [{ keytab: "/k" }, false],
      [{ ccache: "FILE:/c" }, true],
    ] as const) {
      const api = new FakeGssApi();
      const provider = createKerberosProvider({ ...options, gssapi: async () => api });
      const target = { host: "h", serverToken: new Uint8Array(0) };
      api.silence = Promise.reject(new AuthError("AUTH_KERBEROS_NO_TICKET", "Ticket expired"));
      const late = [1, 2].map(() => failure(provider.begin(target).next(undefined, { final: false })));
      await Promise.all(late);
      api.silence = undefined;
      await provider.begin(target).next(undefined, { final: false });
      await provider.begin(target).next(undefined, { final: false });
      const [first, second, third, fourth] = api.requests.map(({ ccache }) => ccache);
      expect([second, fourth]).toEqual([first, third]);
      expect(third === first).toBe(same);
    }
  });

  it.each<KerberosOptions>([
    { keytab: "/k", password: "p", principal: "u" },
    { keytab: "/k", ccache: "FILE:/c" },
    { password: "p" },
  ])("%j contradict each other", (options) => {
    expect(() => createKerberosProvider(options)).toThrow(AuthError);
  });

  it("show in no view of provider and exchange", async () => {
    const options = { principal: "u", password: "hunter2", gssapi: async () => new FakeGssApi() };
    const provider = createKerberosProvider(options);
    const exchange = provider.begin({ host: "h", serverToken: new Uint8Array(0) });
    await exchange.next(undefined, { final: false });
    await exchange.next(encodeNegTokenResp(ACCEPTED), { final: true });
    for (const each of [provider, exchange]) {
      const views = inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each);
      expect(views).not.toMatch(/hunter2|d7 d7|215, 215/);
    }
  });
});

describe("what is refused", () => {
  it.each<readonly [string, NegTokenResp, boolean, string]>([
    ["reject", { negState: "reject" }, false, "AUTH_REJECTED"],
    ["NTLM", { ...ACCEPTED, supportedMech: MECH.NTLMSSP }, true, "AUTH_MECHANISM_REFUSED"],
    ["success without proof", { negState: "accept-completed" }, true, "AUTH_UNEXPECTED_TOKEN"],
    ["success in the middle", { ...ACCEPTED, responseToken: word("more") }, true, "AUTH_UNEXPECTED_TOKEN"],
    [
      "success with an answer due",
      { responseToken: word("proof, but answer") },
      true,
      "AUTH_UNEXPECTED_TOKEN",
    ],
    ["success of two minds", { ...ACCEPTED, negState: "request-mic" }, true, "AUTH_UNEXPECTED_TOKEN"],
    ["SPNEGO success alone", ACCEPTED, false, "AUTH_UNEXPECTED_TOKEN"],
    ["a wrong MIC", { ...ACCEPTED, mechListMic: new Uint8Array(2) }, true, "AUTH_BAD_MIC"],
    [
      "a MIC before the context stands",
      { responseToken: word("more"), mechListMic: Uint8Array.of(0x6d, 13) },
      false,
      "AUTH_BAD_MIC",
    ],
  ])("%s", async (_, response, final, code) => {
    const api = new FakeGssApi();
    const exchange = begin(api);
    await exchange.next(undefined, { final: false });
    const error = await failure(exchange.next(encodeNegTokenResp(response), { final }));
    expect(error).toMatchObject({ name: "AuthError", code });
    expect(api.open).toBe(0);
    expect(await failure(exchange.next(undefined, { final: false }))).toMatchObject({ code: "AUTH_OVER" });
  });

  it("tokens at the wrong time", async () => {
    const early = begin(new FakeGssApi());
    const token = encodeNegTokenResp(ACCEPTED);
    expect(await failure(early.next(token, { final: false }))).toMatchObject({
      code: "AUTH_UNEXPECTED_TOKEN",
    });
    const late = begin(new FakeGssApi());
    await late.next(undefined, { final: false });
    await late.next(token, { final: true });
    expect(await failure(late.next(token, { final: true }))).toMatchObject({ code: "AUTH_UNEXPECTED_TOKEN" });
    const again = begin(new FakeGssApi());
    await again.next(undefined, { final: false });
    await again.next(encodeNegTokenResp({ negState: "request-mic", responseToken: word("proof") }), {
      final: false,
    });
    expect(await failure(again.next(token, { final: true }))).toMatchObject({
      code: "AUTH_UNEXPECTED_TOKEN",
    });
  });
});

describe("waiting for a KDC", () => {
  it("ends at the deadline", async () => {
    const api = new FakeGssApi();
    const silence = deferred<void>();
    api.silence = silence.promise;
    const exchange = begin(api, { deadlineMs: 5 });
    expect(await failure(exchange.next(undefined, { final: false }))).toMatchObject({
      code: "AUTH_KERBEROS_UNREACHABLE",
      conclusion: "silent",
      retryable: true,
    });
    expect(api.open).toBe(0);
    silence.resolve();
  });

  it("ends with the signal", async () => {
    const api = new FakeGssApi();
    api.silence = deferred<void>().promise;
    const stop = new AbortController();
    const exchange = begin(api);
    const waiting = failure(exchange.next(undefined, { final: false, signal: stop.signal }));
    stop.abort();
    expect(await waiting).toBeInstanceOf(AbortedError);
    expect(api.open).toBe(0);
  });

  it("closes a context that comes after the deadline", async () => {
    const api = new FakeGssApi();
    const library = deferred<FakeGssApi>();
    const provider = createKerberosProvider({ gssapi: () => library.promise, deadlineMs: 5 });
    const exchange = provider.begin({ host: "h", serverToken: new Uint8Array(0) });
    expect(await failure(exchange.next(undefined, { final: false }))).toBeInstanceOf(AuthError);
    library.resolve(api);
    await expect.poll(() => api.initiators.length).toBe(1);
    await expect.poll(() => api.open).toBe(0);
  });

  it("ends when the exchange is closed meanwhile, which stays closed", async () => {
    const api = new FakeGssApi();
    const silence = deferred<void>();
    api.silence = silence.promise;
    const exchange = begin(api);
    const waiting = failure(exchange.next(undefined, { final: false }));
    exchange.close();
    silence.resolve();
    expect(await waiting).toMatchObject({ code: "AUTH_OVER" });
    expect(api.open).toBe(0);
    expect(() => exchange.sessionKey()).toThrow(AuthError);
  });
});
