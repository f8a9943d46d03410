import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { AV } from "../../../src/auth/av-pairs.ts";
import { AuthError } from "../../../src/auth/errors.ts";
import { createNtlmProvider, type NtlmExchange, type NtlmOptions } from "../../../src/auth/ntlm.ts";
import { decodeAuthenticate, NTLMSSP, utf16 } from "../../../src/auth/ntlm-messages.ts";
import { decodeNtlmV2Response, fileTime } from "../../../src/auth/ntlmv2.ts";
import {
  decodeNegTokenResp,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
} from "../../../src/auth/spnego.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { hex } from "../crypto/vectors.ts";
import {
  LogonFailure,
  NtlmServer,
  type NtlmServerOptions,
  SERVER_FLAGS,
  SERVER_PAIRS,
} from "./ntlm-server.ts";
import { published } from "./tokens.ts";

const USER = { username: "watcher", password: "S3cret-Pässwörd" } as const;

/** Bytes that differ from call to call, the same in every run. */
function countingRandom(): (length: number) => Uint8Array {
  let next = 0;
  return (length) => Uint8Array.from({ length }, () => next++ & 0xff);
}

function exchange(
  options: Partial<NtlmOptions> = {},
  serverToken: Uint8Array = new Uint8Array(0),
): NtlmExchange {
  const provider = createNtlmProvider({ ...USER, random: countingRandom(), now: () => 0, ...options });
  return provider.begin({ host: "nas.lab.example", serverToken });
}

interface Logon {
  readonly client: NtlmExchange;
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly authenticate: Uint8Array;
}

type Tamper = (token: Uint8Array) => Uint8Array;

async function logon(
  server: Partial<NtlmServerOptions> = {},
  client: Partial<NtlmOptions> = {},
  tamper: { [token in "init" | "challenge" | "authenticate" | "final"]?: Tamper } = {},
): Promise<Logon> {
  const same: Tamper = (token) => token;
  const peer = new NtlmServer({ ...USER, ...server });
  const own = exchange(client, peer.hint());
  const init = await own.next(undefined, { final: false });
  const challenge = peer.challenge((tamper.init ?? same)(init!));
  const authenticate = await own.next((tamper.challenge ?? same)(challenge), { final: false });
  const last = peer.authenticate((tamper.authenticate ?? same)(authenticate!));
  const nothing = await own.next((tamper.final ?? same)(last.token), { final: true });
  expect(nothing).toBeUndefined();
  return {
    client: own,
    clientKey: own.sessionKey(),
    serverKey: last.sessionKey,
    authenticate: authenticate!,
  };
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

/** Takes an exchange to where CHALLENGE is due. */
async function negotiated(options: Partial<NtlmOptions> = {}): Promise<NtlmExchange> {
  const client = exchange(options);
  await client.next(undefined, { final: false });
  return client;
}

describe("a logon", () => {
  it("agrees on a key with a server that checks everything", async () => {
    const { clientKey, serverKey, client } = await logon();
    expect(clientKey.length).toBe(16);
    expect(hex(clientKey)).toBe(hex(serverKey));
    expect(client.expiresAt).toBeUndefined();
  });

  it("tells what the server says about itself", async () => {
    const { client } = await logon();
    expect(client.peer).toEqual({
      version: { major: 6, minor: 1, build: 0 },
      netbiosComputer: "NAS",
      netbiosDomain: "LAB",
      dnsComputer: "nas.lab.example",
      dnsDomain: "lab.example",
    });
  });

  it("holds a key of its own without key exchange", async () => {
    const { clientKey, serverKey, authenticate } = await logon({
      flags: (SERVER_FLAGS & ~NTLMSSP.NEGOTIATE_KEY_EXCH) >>> 0,
    });
    expect(hex(clientKey)).toBe(hex(serverKey));
    const message = decodeAuthenticate(decodeNegTokenResp(authenticate).responseToken!);
    expect(message.encryptedRandomSessionKey.length).toBe(0);
    expect(message.flags & NTLMSSP.NEGOTIATE_KEY_EXCH).toBe(0);
  });

  it("without a server timestamp: own clock, LMv2, no MIC", async () => {
    const avPairs = SERVER_PAIRS.filter(({ id }) => id !== AV.TIMESTAMP);
    const { clientKey, serverKey, authenticate } = await logon({ avPairs }, { now: () => 1_700_000_000_000 });
    expect(hex(clientKey)).toBe(hex(serverKey));
    const message = decodeAuthenticate(decodeNegTokenResp(authenticate).responseToken!);
    expect(hex(message.mic)).toBe("00".repeat(16));
    expect(hex(decodeNtlmV2Response(message.ntChallengeResponse).time)).toBe(
      hex(fileTime(1_700_000_000_000)),
    );
  });

  it("with a server timestamp: that time, no LM response, a MIC", async () => {
    const { authenticate } = await logon();
    const message = decodeAuthenticate(decodeNegTokenResp(authenticate).responseToken!);
    expect(hex(message.lmChallengeResponse)).toBe("00".repeat(24));
    expect(hex(message.mic)).not.toBe("00".repeat(16));
    expect(hex(decodeNtlmV2Response(message.ntChallengeResponse).time)).toBe("0102030405060708");
  });

  it.each([
    [{ username: "LAB\\watcher" }, "watcher", "LAB"],
    [{ username: "watcher", domain: "LAB" }, "watcher", "LAB"],
    [{ username: "watcher@lab.example" }, "watcher@lab.example", ""],
    [{ username: "a\\b", domain: "LAB" }, "a\\b", "LAB"],
  ])("%j is user %j in domain %j", async (options, username, domain) => {
    const { clientKey, serverKey, authenticate } = await logon({ username, domain }, options);
    expect(hex(clientKey)).toBe(hex(serverKey));
    const message = decodeAuthenticate(decodeNegTokenResp(authenticate).responseToken!);
    expect([message.userName, message.domainName]).toEqual([username, domain]);
  });

  it("asks a password function once per exchange", async () => {
    const passwords = ["first", "second"];
    const provider = createNtlmProvider({
      username: "watcher",
      password: () => passwords.shift()!,
      random: countingRandom(),
    });
    for (const password of ["first", "second"]) {
      const server = new NtlmServer({ username: "watcher", password });
      const client = provider.begin({ host: "nas", serverToken: new Uint8Array(0) });
      const init = await client.next(undefined, { final: false });
      const answer = await client.next(server.challenge(init!), { final: false });
      await client.next(server.authenticate(answer!).token, { final: true });
    }
    expect(passwords).toEqual([]);
  });

  it("draws fresh random bytes for each exchange by default", async () => {
    const first = await logon({}, { random: undefined });
    const second = await logon({}, { random: undefined });
    expect(hex(first.clientKey)).not.toBe(hex(second.clientKey));
  });

  it("accepts a last answer without a token or without a MIC", async () => {
    const emptied = await logon({}, {}, { final: () => new Uint8Array(0) });
    expect(hex(emptied.clientKey)).toBe(hex(emptied.serverKey));
    const bare = await logon({}, {}, { final: () => encodeNegTokenResp({ negState: "accept-completed" }) });
    expect(hex(bare.clientKey)).toBe(hex(bare.serverKey));
  });

  it("is refused by the server for a wrong password", async () => {
    expect(await failure(logon({ password: "other" }))).toBeInstanceOf(LogonFailure);
  });
});

describe("what is refused", () => {
  const without = (flag: number): number => (SERVER_FLAGS & ~flag) >>> 0;

  it.each<readonly [name: string, server: Partial<NtlmServerOptions>, code: string]>([
    ["no Unicode", { flags: without(NTLMSSP.NEGOTIATE_UNICODE) }, "AUTH_WEAK_CHALLENGE"],
    [
      "NTLMv1 session security",
      { flags: without(NTLMSSP.NEGOTIATE_EXTENDED_SESSIONSECURITY) },
      "AUTH_WEAK_CHALLENGE",
    ],
    ["56-bit keys", { flags: without(NTLMSSP.NEGOTIATE_128) }, "AUTH_WEAK_CHALLENGE"],
    ["no target info flag", { flags: without(NTLMSSP.NEGOTIATE_TARGET_INFO) }, "AUTH_WEAK_CHALLENGE"],
    ["no target info", { avPairs: null }, "AUTH_WEAK_CHALLENGE"],
    ["no names", { avPairs: [] }, "AUTH_MISSING_NAMES"],
    ["empty names", { avPairs: [{ id: AV.NB_DOMAIN_NAME, value: utf16("") }] }, "AUTH_MISSING_NAMES"],
    [
      "a timestamp of four bytes",
      { avPairs: [...SERVER_PAIRS.slice(0, 2), { id: AV.TIMESTAMP, value: new Uint8Array(4) }] },
      "AUTH_MALFORMED_TOKEN",
    ],
    ["two timestamps", { avPairs: [...SERVER_PAIRS, ...SERVER_PAIRS.slice(-1)] }, "AUTH_MALFORMED_TOKEN"],
    [
      "half a letter",
      { avPairs: [{ id: AV.NB_DOMAIN_NAME, value: new Uint8Array(3) }] },
      "AUTH_MALFORMED_TOKEN",
    ],
  ])("%s", async (_, server, code) => {
    expect(await failure(logon(server))).toMatchObject({ name: "AuthError", code });
  });

  it.each([
    ["another mechanism", { supportedMech: MECH.KERBEROS }, "AUTH_MECHANISM_REFUSED"],
    ["reject", { negState: "reject" }, "AUTH_REJECTED"],
    ["success before our proof", { negState: "accept-completed" }, "AUTH_UNEXPECTED_TOKEN"],
    ["no challenge", { responseToken: undefined }, "AUTH_UNEXPECTED_TOKEN"],
    ["our own NEGOTIATE back", { responseToken: new Uint8Array(40) }, "AUTH_MALFORMED_TOKEN"],
  ] as const)("first answer: %s", async (_, overrides, code) => {
    const server = new NtlmServer(USER);
    const client = exchange();
    const init = await client.next(undefined, { final: false });
    const error = await failure(client.next(server.challenge(init!, overrides), { final: false }));
    expect(error).toMatchObject({ name: "AuthError", code });
  });

  it.each([
    ["a state that is not success", { negState: "accept-incomplete" }, "AUTH_UNEXPECTED_TOKEN"],
    ["reject", { negState: "reject" }, "AUTH_REJECTED"],
    [
      "another mechanism",
      { negState: "accept-completed", supportedMech: MECH.KERBEROS },
      "AUTH_MECHANISM_REFUSED",
    ],
    [
      "one more NTLM message",
      { negState: "accept-completed", responseToken: new Uint8Array(1) },
      "AUTH_UNEXPECTED_TOKEN",
    ],
    ["a MIC of zeros", { negState: "accept-completed", mechListMic: new Uint8Array(16) }, "AUTH_BAD_MIC"],
    ["half a MIC", { negState: "accept-completed", mechListMic: new Uint8Array(8) }, "AUTH_BAD_MIC"],
    ["an empty MIC", { negState: "accept-completed", mechListMic: new Uint8Array(0) }, "AUTH_BAD_MIC"],
  ] as const)("last answer: %s", async (_, response, code) => {
    const error = await failure(logon({}, {}, { final: () => encodeNegTokenResp(response) }));
    expect(error).toMatchObject({ name: "AuthError", code });
  });

  it("our own MIC reflected", async () => {
    const server = new NtlmServer(USER);
    const client = exchange();
    const answer = await client.next(server.challenge((await client.next(undefined, { final: false }))!), {
      final: false,
    });
    const { mechListMic } = decodeNegTokenResp(answer!);
    const token = encodeNegTokenResp({ negState: "accept-completed", mechListMic });
    expect(await failure(client.next(token, { final: true }))).toMatchObject({ code: "AUTH_BAD_MIC" });
  });

  it("success without a challenge, as a guest logon would be", async () => {
    const client = await negotiated();
    const token = encodeNegTokenResp({ negState: "accept-completed" });
    expect(await failure(client.next(token, { final: true }))).toMatchObject({
      code: "AUTH_UNEXPECTED_TOKEN",
    });
    const silent = await negotiated();
    expect(await failure(silent.next(undefined, { final: true }))).toMatchObject({
      code: "AUTH_MALFORMED_TOKEN",
    });
    const genuine = await negotiated();
    const error = await failure(genuine.next(published.challenge, { final: true }));
    expect(error).toMatchObject({ code: "AUTH_UNEXPECTED_TOKEN" });
  });

  it("a token before our first, and a round after our proof", async () => {
    const early = exchange();
    const error = await failure(early.next(published.challenge, { final: false }));
    expect(error).toMatchObject({ code: "AUTH_UNEXPECTED_TOKEN" });
    const late = await negotiated();
    await late.next(published.challenge, { final: false });
    expect(await failure(late.next(published.final, { final: false }))).toMatchObject({
      code: "AUTH_UNEXPECTED_TOKEN",
    });
  });

  it("a server that offers only Kerberos, before anything is sent", async () => {
    const client = exchange({}, encodeNegTokenInit([MECH.KERBEROS]));
    const error = await failure(client.next(undefined, { final: false }));
    expect(error).toMatchObject({ code: "AUTH_MECHANISM_REFUSED" });
    expect((error as Error).message).toContain(MECH.KERBEROS);
  });

  it("not a hint that cannot be read: it proves nothing", async () => {
    const client = exchange({}, Uint8Array.of(0x60, 0x80, 1));
    expect(await client.next(undefined, { final: false })).toBeDefined();
  });

  it("an empty user name, a failing password, a short random source", async () => {
    expect(() => createNtlmProvider({ username: "", password: "x" })).toThrow(AuthError);
    expect(() => createNtlmProvider({ username: "LAB\\", password: "x" })).toThrow(AuthError);
    const locked = await negotiated({
      password: () => {
        throw new Error("vault is sealed");
      },
    });
    expect(await failure(locked.next(published.challenge, { final: false }))).toMatchObject({
      code: "AUTH_PASSWORD_UNAVAILABLE",
      retryable: true,
    });
    const short = await negotiated({ random: () => new Uint8Array(3) });
    expect(await failure(short.next(published.challenge, { final: false }))).toMatchObject({
      code: "AUTH_BAD_CREDENTIALS",
    });
    const long = await negotiated({ username: "u".repeat(40_000) });
    expect(await failure(long.next(published.challenge, { final: false }))).toMatchObject({
      code: "AUTH_BAD_CREDENTIALS",
    });
  });
});

describe("life of an exchange", () => {
  it("has no key before the end, nor after close", async () => {
    const client = await negotiated();
    expect(() => client.sessionKey()).toThrow(AuthError);
    await client.next(published.challenge, { final: false });
    expect(() => client.sessionKey()).toThrow(AuthError);
    const done = await logon();
    done.client.close();
    done.client.close();
    expect(() => done.client.sessionKey()).toThrow(AuthError);
    expect(await failure(done.client.next(undefined, { final: false }))).toMatchObject({ code: "AUTH_OVER" });
  });

  it("gives copies of the key, which outlive it", async () => {
    const { client, clientKey, serverKey } = await logon();
    client.sessionKey().fill(0);
    expect(hex(client.sessionKey())).toBe(hex(serverKey));
    client.close();
    expect(hex(clientKey)).toBe(hex(serverKey));
  });

  it("is over after a failure, an abort and a token too many", async () => {
    const failed = await negotiated();
    await failure(failed.next(Uint8Array.of(1), { final: false }));
    expect(await failure(failed.next(published.challenge, { final: false }))).toMatchObject({
      code: "AUTH_OVER",
    });

    const aborted = await negotiated();
    const signal = AbortSignal.abort(new Error("shutdown"));
    expect(await failure(aborted.next(published.challenge, { final: false, signal }))).toBeInstanceOf(
      AbortedError,
    );
    expect(await failure(aborted.next(published.challenge, { final: false }))).toMatchObject({
      code: "AUTH_OVER",
    });

    const { client } = await logon();
    expect(await failure(client.next(published.final, { final: true }))).toMatchObject({
      code: "AUTH_UNEXPECTED_TOKEN",
    });
    expect(() => client.sessionKey()).toThrow(AuthError);
  });
});

describe("secrets", () => {
  it("show in no view of provider, exchange or error", async () => {
    const password = "hunter2-hunter2";
    const provider = createNtlmProvider({ username: "watcher", password, random: countingRandom() });
    const server = new NtlmServer({ username: "watcher", password });
    const client = provider.begin({ host: "nas", serverToken: new Uint8Array(0) });
    const views = (): string =>
      [provider, client]
        .flatMap((each) => [
          inspect(each, { depth: 9, showHidden: true }),
          JSON.stringify(each),
          String(each),
        ])
        .join("\n");
    const init = await client.next(undefined, { final: false });
    const answer = await client.next(server.challenge(init!), { final: false });
    const { token, sessionKey } = server.authenticate(answer!);
    await client.next(token, { final: true });
    expect(views()).not.toContain("hunter2");
    const key = Buffer.from(sessionKey);
    const spellings = [key.toString("hex"), key.toString("base64"), [...key].join(","), [...key].join(", ")];
    const spaced = [...key.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    for (const spelling of [...spellings, spaced]) expect(views()).not.toContain(spelling);

    const error = await failure(client.next(token, { final: true }));
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("hunter2");
  });
});

describe("tampering", () => {
  /**
   * One bit of every byte of every token. Some side must refuse. What both let pass is listed: the optional
   * fields of NegTokenResp whose tag became an unknown one, to be skipped (RFC 4178 4.2.2), and the state that
   * a client sends, which means nothing.
   */
  it.each([
    ["init", []],
    ["challenge", [6]],
    ["authenticate", [8, 12]],
    ["final", [4, 9]],
  ] as const)("of %s is seen by one of the two sides", async (name, harmless) => {
    let length = 0;
    const measure: Tamper = (token) => {
      length = token.length;
      return token;
    };
    await logon({}, {}, { [name]: measure });
    const accepted = new Set<number>();
    for (let at = 0; at < length; at++) {
      for (const bit of [0x01, 0x10, 0x80]) {
        const flip: Tamper = (token) => token.map((byte, index) => (index === at ? byte ^ bit : byte));
        try {
          const { clientKey, serverKey } = await logon({}, {}, { [name]: flip });
          accepted.add(at);
          expect(hex(clientKey)).toBe(hex(serverKey));
        } catch (error) {
          if (!(error instanceof AuthError || error instanceof LogonFailure)) throw error;
        }
      }
    }
    expect(length).toBeGreaterThan(20);
    expect([...accepted]).toEqual(harmless);
  });
});
