import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AuthError, type AuthErrorCode } from "../../../src/auth/errors.ts";
import { type FallbackFact, fallbackFacts } from "../../../src/auth/facts.ts";
import { createNegotiateProvider } from "../../../src/auth/negotiate.ts";
import type { AuthExchange, AuthProvider } from "../../../src/auth/provider.ts";
import { encodeNegTokenInit, MECH } from "../../../src/auth/spnego.ts";

/** Says its own name, or fails. */
function provider(mechanism: "ntlm" | "kerberos", failure?: AuthError): AuthProvider & { closed: number } {
  const made = {
    mechanism,
    closed: 0,
    begin: (): AuthExchange => ({
      mechanism,
      expiresAt: mechanism === "kerberos" ? 99 : undefined,
      next: async () => {
        if (failure !== undefined) throw failure;
        return Buffer.from(mechanism);
      },
      sessionKey: () => Buffer.from(`key of ${mechanism}`),
      close: () => {
        made.closed++;
      },
    }),
  };
  return made;
}

const target = { host: "nas", serverToken: new Uint8Array(0) };
const facts: FallbackFact[] = [];
let stop: () => void;
beforeEach(() => {
  facts.length = 0;
  stop = fallbackFacts.subscribe((fact) => facts.push(fact));
});
afterEach(() => stop());

describe("negotiate", () => {
  it("takes Kerberos, and says nothing", async () => {
    const both = { kerberos: provider("kerberos"), ntlm: provider("ntlm") };
    const exchange = createNegotiateProvider({ connection: "nas1", ...both }).begin(target);
    expect(String(await exchange.next(undefined, { final: false }))).toBe("kerberos");
    expect(String(await exchange.next(Uint8Array.of(1), { final: true }))).toBe("kerberos");
    expect(exchange).toMatchObject({ mechanism: "kerberos", expiresAt: 99 });
    expect(String(Buffer.from(exchange.sessionKey()))).toBe("key of kerberos");
    expect(facts).toEqual([]);
  });

  it.each([
    "AUTH_KERBEROS_UNAVAILABLE",
    "AUTH_KERBEROS_UNREACHABLE",
    "AUTH_KERBEROS_NO_TICKET",
    "AUTH_KERBEROS_FAILED",
  ] as const satisfies readonly AuthErrorCode[])(
    "takes NTLM on %s where allowed, and says so",
    async (code) => {
      const error = new AuthError(code, "no ticket");
      const kerberos = provider("kerberos", error);
      const options = { connection: "nas1", kerberos, ntlm: provider("ntlm") };
      const exchange = createNegotiateProvider(options).begin(target);
      expect(String(await exchange.next(undefined, { final: false }))).toBe("ntlm");
      expect(exchange).toMatchObject({ mechanism: "ntlm", expiresAt: undefined });
      expect(String(Buffer.from(exchange.sessionKey()))).toBe("key of ntlm");
      expect(facts).toEqual([{ connection: "nas1", error, allowed: true }]);
      expect(kerberos.closed).toBe(1);
    },
  );

  it("fails where NTLM is not allowed, by the code of Kerberos", async () => {
    const error = new AuthError("AUTH_KERBEROS_NO_TICKET", "no ticket");
    const options = { connection: "nas1", kerberos: provider("kerberos", error) };
    const exchange = createNegotiateProvider(options).begin(target);
    await expect(exchange.next(undefined, { final: false })).rejects.toMatchObject({
      code: "AUTH_KERBEROS_NO_TICKET",
      message: "no ticket (and the configuration does not allow NTLM instead)",
    });
    expect(facts).toEqual([{ connection: "nas1", error, allowed: false }]);
  });

  it.each(["AUTH_KERBEROS_REFUSED", "AUTH_BAD_CREDENTIALS", "AUTH_PASSWORD_UNAVAILABLE"] as const)(
    "does not try a secret a second time after %s",
    async (code) => {
      const both = { kerberos: provider("kerberos", new AuthError(code, "no")), ntlm: provider("ntlm") };
      const exchange = createNegotiateProvider({ connection: "nas1", ...both }).begin(target);
      await expect(exchange.next(undefined, { final: false })).rejects.toMatchObject({ code });
      expect(facts).toEqual([]);
    },
  );

  it("never changes its mind once it has spoken", async () => {
    let calls = 0;
    const kerberos = provider("kerberos");
    const late: AuthProvider = {
      mechanism: "kerberos",
      begin: () => ({
        ...kerberos.begin(target),
        next: async () => {
          if (calls++ > 0) throw new AuthError("AUTH_KERBEROS_FAILED", "the server's answer");
          return Buffer.from("first");
        },
      }),
    };
    const exchange = createNegotiateProvider({
      connection: "n",
      kerberos: late,
      ntlm: provider("ntlm"),
    }).begin(target);
    await exchange.next(undefined, { final: false });
    await expect(exchange.next(Uint8Array.of(1), { final: false })).rejects.toMatchObject({
      code: "AUTH_KERBEROS_FAILED",
    });
    expect(facts).toEqual([]);
  });

  it.each([
    [[MECH.NTLMSSP], "ntlm"],
    [[MECH.MS_KERBEROS, MECH.NTLMSSP], "kerberos"],
    [[MECH.KERBEROS], "kerberos"],
  ] as const)("of a server that offers %s it takes %s", async (mechanisms, taken) => {
    const both = { kerberos: provider("kerberos"), ntlm: provider("ntlm") };
    const exchange = createNegotiateProvider({ connection: "nas1", ...both }).begin({
      host: "nas",
      serverToken: encodeNegTokenInit(mechanisms),
    });
    expect(String(await exchange.next(undefined, { final: false }))).toBe(taken);
    expect(facts).toHaveLength(taken === "ntlm" ? 1 : 0);
  });
});
