import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeAvPairs, encodeAvPairs } from "../../../src/auth/av-pairs.ts";
import { contextTag, DerReader, der, derOid, oidFromDer, TAG } from "../../../src/auth/der.ts";
import { AUTH_ERROR_CODES, AuthError } from "../../../src/auth/errors.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import {
  decodeAuthenticate,
  decodeChallenge,
  decodeNegotiate,
  encodeAuthenticate,
  encodeChallenge,
  encodeNegotiate,
} from "../../../src/auth/ntlm-messages.ts";
import { decodeNtlmV2Response } from "../../../src/auth/ntlmv2.ts";
import {
  decodeNegTokenInit,
  decodeNegTokenResp,
  encodeNegTokenInit,
  encodeNegTokenResp,
  MECH,
} from "../../../src/auth/spnego.ts";
import { bytes, hex, vectors } from "../crypto/vectors.ts";
import { published } from "./tokens.ts";

type Parser = (input: Uint8Array) => unknown;

const challengeMessage = decodeNegTokenResp(published.challenge).responseToken!;
const authenticateMessage = decodeNegTokenResp(published.authenticate).responseToken!;
const samples: Readonly<Record<string, readonly [parse: Parser, good: Uint8Array]>> = {
  NegTokenInit: [decodeNegTokenInit, published.init],
  "NegTokenInit2 of Windows": [decodeNegTokenInit, published.windowsHint],
  "NegTokenInit2 of Samba": [decodeNegTokenInit, bytes(vectors.spnego.samba417_negTokenInit2)],
  "NegTokenResp with CHALLENGE": [decodeNegTokenResp, published.challenge],
  "NegTokenResp with AUTHENTICATE": [decodeNegTokenResp, published.authenticate],
  "NegTokenResp with MIC": [decodeNegTokenResp, published.final],
  NEGOTIATE: [
    decodeNegotiate,
    encodeNegotiate({ flags: 1 }, { major: 10, minor: 0, build: 0 }).subarray(0, 16),
  ],
  CHALLENGE: [decodeChallenge, challengeMessage],
  AUTHENTICATE: [decodeAuthenticate, authenticateMessage],
  "AV pairs": [decodeAvPairs, decodeChallenge(challengeMessage).targetInfo!],
  "NTLMv2 response": [
    decodeNtlmV2Response,
    bytes(vectors.ntlmv2.NTProofStr + vectors.ntlmv2.temp).subarray(0, -4),
  ],
};

/** Runs a parser that may only return or throw an AuthError. */
function onlyAuthErrors(parse: Parser, input: Uint8Array): void {
  try {
    parse(input);
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    expect(error.code).toBe("AUTH_MALFORMED_TOKEN");
  }
}

describe.each(Object.entries(samples))("%s", (_, [parse, good]) => {
  it("is read whole", () => {
    expect(() => parse(good)).not.toThrow();
  });

  it("cut anywhere is malformed", () => {
    for (let length = 0; length < good.length; length++) {
      let caught: unknown;
      try {
        parse(good.subarray(0, length));
      } catch (error) {
        caught = error;
      }
      expect(caught, `cut at ${length}`).toMatchObject({ name: "AuthError", code: "AUTH_MALFORMED_TOKEN" });
    }
  });

  it("with anything wrong is read or malformed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const input = Uint8Array.from(good);
          for (const [at, value] of changes) input[at] = value;
          onlyAuthErrors(parse, input);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("of any bytes is read or malformed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (input) => onlyAuthErrors(parse, input)),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.nat(good.length), fc.uint8Array({ maxLength: 100 }), (keep, rest) =>
        onlyAuthErrors(parse, Uint8Array.from([...good.subarray(0, keep), ...rest])),
      ),
      { numRuns: 300 },
    );
  });
});

describe("an exchange", () => {
  it("answers any challenge or throws an AuthError", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(published.challenge.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.uint8Array({ maxLength: 60 }),
        async (changes, last) => {
          const provider = createNtlmProvider({ username: "u", password: "p" });
          const exchange = provider.begin({ host: "h", serverToken: last });
          const challenge = Uint8Array.from(published.challenge);
          for (const [at, value] of changes) challenge[at] = value;
          try {
            await exchange.next(undefined, { final: false });
            await exchange.next(challenge, { final: false });
            await exchange.next(last, { final: true });
          } catch (error) {
            if (!(error instanceof AuthError)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("round trips", () => {
  const text = fc.string({ maxLength: 20, unit: "binary" });
  const blob = fc.uint8Array({ maxLength: 40 });

  it("AV pairs", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ id: fc.integer({ min: 11, max: 0xffff }), value: blob }), {
          selector: ({ id }) => id,
          maxLength: 6,
        }),
        (pairs) => {
          expect(hex(encodeAvPairs(decodeAvPairs(encodeAvPairs(pairs))))).toBe(hex(encodeAvPairs(pairs)));
          expect(decodeAvPairs(encodeAvPairs(pairs)).map(({ id }) => id)).toEqual(pairs.map(({ id }) => id));
        },
      ),
    );
  });

  it("CHALLENGE and AUTHENTICATE", () => {
    fc.assert(
      fc.property(text, text, text, blob, blob, (a, b, c, d, e) => {
        const challenge = {
          flags: 0xe2898215,
          targetName: a,
          serverChallenge: new Uint8Array(8).fill(7),
          targetInfo: Uint8Array.from(d),
          version: { major: 6, minor: 1, build: 0xabcd },
        };
        expect(decodeChallenge(encodeChallenge(challenge))).toEqual(challenge);
        const authenticate = {
          flags: 0xe2888215,
          lmChallengeResponse: Uint8Array.from(d),
          ntChallengeResponse: Uint8Array.from(e),
          domainName: a,
          userName: b,
          workstation: c,
          encryptedRandomSessionKey: Uint8Array.from(d),
          version: { major: 10, minor: 0, build: 0 },
          mic: new Uint8Array(16).fill(9),
        };
        expect(decodeAuthenticate(encodeAuthenticate(authenticate))).toEqual(authenticate);
      }),
    );
  });

  it("NegTokenInit and NegTokenResp, of any size", () => {
    const mechs = fc.subarray(Object.values(MECH), { minLength: 1 });
    fc.assert(
      fc.property(mechs, fc.constantFrom(0, 1, 100, 127, 128, 255, 256, 40_000), (mechTypes, size) => {
        const token = new Uint8Array(size).fill(0x30);
        const init = decodeNegTokenInit(encodeNegTokenInit(mechTypes, token));
        expect(init.mechTypes).toEqual(mechTypes);
        expect(hex(init.mechToken!)).toBe(hex(token));
        const response = {
          negState: "request-mic",
          supportedMech: mechTypes[0],
          responseToken: token,
          mechListMic: token.subarray(0, 16),
        } as const;
        expect(decodeNegTokenResp(encodeNegTokenResp(response))).toEqual(response);
      }),
    );
  });
});

describe("DER", () => {
  const reader = (text: string) => new DerReader(bytes(text));

  it.each([
    ["04 00", ""],
    ["04 03 010203", "010203"],
    ["04 81 03 010203", "010203"],
    ["04 84 00000003 010203", "010203"],
  ])("reads %s", (text, value) => {
    expect(hex(reader(text.replaceAll(" ", "")).expect(TAG.OCTET_STRING, "it").value)).toBe(value);
  });

  it.each([
    ["an indefinite length", "0480010000"],
    ["a length of five bytes", "0485000000000101"],
    ["a length beyond the end", "040201"],
    ["a length of 4 GiB", "0484ffffffff00"],
    ["a cut length", "048201"],
    ["a multi-byte tag", "1f0100"],
    ["another tag", "0500"],
    ["nothing", ""],
  ])("refuses %s", (_, text) => {
    expect(() => reader(text).expect(TAG.OCTET_STRING, "it")).toThrow(AuthError);
  });

  it("refuses to go deeper than sixteen", () => {
    let nested: Uint8Array = der(TAG.OCTET_STRING);
    for (let i = 0; i < 20; i++) nested = der(TAG.SEQUENCE, nested);
    let at = new DerReader(nested);
    let depth = 0;
    expect(() => {
      for (; ; depth++) at = at.enter(TAG.SEQUENCE, "it");
    }).toThrow(/deeper/);
    expect(depth).toBe(16);
  });

  it("refuses what follows", () => {
    const two = reader("04000400");
    two.expect(TAG.OCTET_STRING, "it");
    expect(() => two.end("it")).toThrow(AuthError);
  });

  it.each([
    ["2b0601050502", MECH.SPNEGO],
    ["2b06010401823702020a", MECH.NTLMSSP],
    ["2a864886f712010202", MECH.KERBEROS],
    ["2a864882f712010202", MECH.MS_KERBEROS],
    ["2b06010401823702021e", MECH.NEGOEX],
    ["883703", "2.999.3"],
    ["00", "0.0"],
  ])("object identifier %s is %s", (content, dotted) => {
    expect(oidFromDer(bytes(content))).toBe(dotted);
    expect(hex(derOid(dotted))).toBe(`06${(content.length / 2).toString(16).padStart(2, "0")}${content}`);
  });

  it.each(["", "2b86", "2bffffffffff7f"])("refuses object identifier %j", (content) => {
    expect(() => oidFromDer(bytes(content))).toThrow(AuthError);
  });
});

describe("SPNEGO refuses", () => {
  const sequence = (...fields: Uint8Array[]) => der(contextTag(1), der(TAG.SEQUENCE, ...fields));
  const state = (value: number) => der(contextTag(0), der(TAG.ENUMERATED, Uint8Array.of(value)));
  const token = der(contextTag(2), der(TAG.OCTET_STRING, Uint8Array.of(1)));

  it.each([
    ["an unknown state", sequence(state(4))],
    ["a state of two bytes", sequence(der(contextTag(0), der(TAG.ENUMERATED, Uint8Array.of(0, 1))))],
    ["fields out of order", sequence(token, state(1))],
    ["a field twice", sequence(state(1), state(0))],
    [
      "something behind a field's value",
      sequence(der(contextTag(0), der(TAG.ENUMERATED, Uint8Array.of(0)), token)),
    ],
    ["something behind the token", Uint8Array.from([...sequence(state(1)), 0])],
    ["a token of 64 KiB", sequence(der(contextTag(2), der(TAG.OCTET_STRING, new Uint8Array(65_536))))],
    ["NegTokenInit in place of NegTokenResp", published.init],
  ])("%s", (_, input) => {
    expect(() => decodeNegTokenResp(input)).toThrow(AuthError);
  });

  it("a frame of another mechanism, and one without mechanisms", () => {
    const empty = der(contextTag(0), der(TAG.SEQUENCE));
    expect(() => decodeNegTokenInit(der(TAG.APPLICATION_0, derOid(MECH.KERBEROS), empty))).toThrow(
      /mechanism/,
    );
    expect(() => decodeNegTokenInit(der(TAG.APPLICATION_0, derOid(MECH.SPNEGO), empty))).toThrow(/mechTypes/);
  });

  it("not what it does not know", () => {
    const unknown = der(contextTag(9), der(TAG.OCTET_STRING));
    expect(decodeNegTokenResp(sequence(state(0), unknown))).toEqual({ negState: "accept-completed" });
  });
});

describe("AuthError", () => {
  it("has a meaning for each code, each its own", () => {
    expect(new Set(AUTH_ERROR_CODES).size).toBe(AUTH_ERROR_CODES.length);
    for (const code of AUTH_ERROR_CODES) {
      const error = new AuthError(code, "text");
      expect(error).toMatchObject({ name: "AuthError", code, message: "text" });
      expect(["malformed", "refused", "misuse", "never-sent", "silent"]).toContain(error.conclusion);
    }
  });
});
