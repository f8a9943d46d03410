import { createHmac, generateKeyPairSync, type KeyObject } from "node:crypto";
import { exportJWK, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { TokenVerifier } from "../../../../src/gateway/auth/identity.ts";
import { createVerifier } from "../../../../src/gateway/auth/tokens.ts";
import type { AuthOptions, JwtOptions } from "../../../../src/gateway/options.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const GRANTS = [{ connection: "nas1", path: "/Media/**" }];
const folded = { recursive: false, caseSensitive: false };

describe("tokens", () => {
  const clock = new ManualClock();
  const now = Math.floor(clock.now() / 1_000);
  let rsa: { publicKey: KeyObject; privateKey: KeyObject };
  beforeAll(() => {
    rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  });

  const jwt = (options: Partial<JwtOptions> = {}): TokenVerifier =>
    createVerifier({ mode: "jwt", keys: { secret: SECRET }, ...options }, clock);
  const sign = (
    claims: object,
    alg = "HS256",
    key: KeyObject | Uint8Array = Buffer.from(SECRET),
  ): Promise<string> => new SignJWT({ smb: GRANTS, ...claims }).setProtectedHeader({ alg }).sign(key);
  const reasonOf = (verifier: TokenVerifier, token: string): Promise<unknown> =>
    verifier.verify(token).then(
      () => "ok",
      (error: { reason?: string }) => error.reason,
    );
  const pem = (): string => String(rsa.publicKey.export({ type: "spki", format: "pem" }));

  it("carry grants and an end", async () => {
    const identity = await jwt().verify(await sign({ exp: now + 60 }));
    expect(identity.rights.allows("nas1", "/Media/x", folded)).toBe(true);
    expect(identity.rights.allows("nas1", "/", folded)).toBe(false);
    expect(identity.expiresAt).toBe((now + 65) * 1_000);
  });

  it("without the claim grant nothing", async () => {
    const token = await new SignJWT({}).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(SECRET));
    const identity = await jwt().verify(token);
    expect(identity.rights.knows("nas1")).toBe(false);
  });

  it.each([
    ["text", "all"],
    ["an object", {}],
    ["a list of text", ["/Media"]],
    ["a grant without a path", [{ connection: "nas1" }]],
    ["a path that climbs", [{ connection: "nas1", path: "/a/../.." }]],
    ["more grants than fit", Array.from({ length: 1_001 }, () => GRANTS[0])],
  ])("whose claim is %s are not believed", async (_what, smb) => {
    expect(await reasonOf(jwt(), await sign({ smb }))).toBe("invalid");
  });

  it("are believed within their time", async () => {
    expect(await reasonOf(jwt(), await sign({ exp: now - 4 }))).toBe("ok");
    expect(await reasonOf(jwt(), await sign({ exp: now - 6 }))).toBe("expired");
    // One of two clocks may be wrong: whoever comes back later is let in.
    expect(await reasonOf(jwt(), await sign({ nbf: now + 60 }))).toBe("unavailable");
    expect(await reasonOf(jwt(), await sign({ nbf: "soon" }))).toBe("invalid");
  });

  it("are believed from the right issuer, for us", async () => {
    const strict = jwt({ issuer: "https://id.example.org", audience: "smb2nats" });
    const right = { iss: "https://id.example.org", aud: "smb2nats" };
    expect(await reasonOf(strict, await sign(right))).toBe("ok");
    expect(await reasonOf(strict, await sign({ ...right, iss: "https://evil.example.org" }))).toBe("invalid");
    expect(await reasonOf(strict, await sign({ ...right, aud: "other" }))).toBe("invalid");
    expect(await reasonOf(strict, await sign({}))).toBe("invalid");
  });

  it("are checked with a public key, as PEM or JWK", async () => {
    const token = await sign({}, "RS256", rsa.privateKey);
    const jwk = JSON.stringify(await exportJWK(rsa.publicKey));
    for (const publicKey of [pem(), jwk, `{"keys":[${jwk}]}`]) {
      expect(await reasonOf(jwt({ keys: { publicKey } }), token)).toBe("ok");
    }
  });

  it("cannot make a public key a shared secret, nor do without a signature", async () => {
    const verifier = jwt({ keys: { publicKey: pem() } });
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const forged = `${part({ alg: "HS256" })}.${part({ smb: GRANTS })}`;
    const signature = createHmac("sha256", pem()).update(forged).digest("base64url");
    expect(await reasonOf(verifier, `${forged}.${signature}`)).toBe("invalid");
    expect(await reasonOf(verifier, `${part({ alg: "none" })}.${part({ smb: GRANTS })}.`)).toBe("invalid");
    expect(await reasonOf(jwt(), `${part({ alg: "none" })}.${part({ smb: GRANTS })}.`)).toBe("invalid");
  });

  it.each(["", "x", "a.b.c", "..", "é.é.é", "a".repeat(20_000)])(
    "that are none are refused: %j",
    async (token) => {
      expect(await reasonOf(jwt(), token)).toBe("invalid");
      expect(await reasonOf(jwt({ keys: { publicKey: pem() } }), token)).toBe("invalid");
    },
  );

  it("never show in errors", async () => {
    const token = await sign({ exp: 1 }, "HS512");
    const error = await jwt({ algorithms: ["HS256"] })
      .verify(token)
      .catch((reason: unknown) => reason);
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain(token.slice(0, 10));
  });

  it.each<[string, AuthOptions]>([
    ["a short secret", { mode: "jwt", keys: { secret: "short" } }],
    ["a key that is none", { mode: "jwt", keys: { publicKey: "-----BEGIN PUBLIC KEY-----" } }],
    ["an algorithm for other keys", { mode: "jwt", keys: { secret: SECRET }, algorithms: ["RS256"] }],
  ])("refuses %s", (_what, options) => {
    expect(() => createVerifier(options, clock)).toThrow(
      expect.objectContaining({ code: "GATEWAY_OPTIONS" }),
    );
  });

  it("may be fixed ones", async () => {
    const verifier = createVerifier(
      { mode: "tokens", tokens: ["one", "two"].map((token) => ({ token, grants: GRANTS })) },
      clock,
    );
    expect(await reasonOf(verifier, "two")).toBe("ok");
    expect(await reasonOf(verifier, "three")).toBe("invalid");
    expect(await reasonOf(verifier, "")).toBe("invalid");
  });
});
