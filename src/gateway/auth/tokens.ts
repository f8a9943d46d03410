import { createHash, timingSafeEqual } from "node:crypto";
import { type JWTPayload, type JWTVerifyOptions, errors as joseErrors, jwtVerify } from "jose";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { TokenError } from "../errors.ts";
import { MAX_GRANTS, Rights } from "../grants.ts";
import type { AuthOptions, JwtOptions, StaticToken } from "../options.ts";
import { JwtKeySource } from "./keys.ts";

/** Who a socket belongs to. */
export interface Identity {
  readonly rights: Rights;
  /** Unix ms; absent where the token does not run out. */
  readonly expiresAt?: number;
}

/** Turns a token into an identity. Tokens never appear in errors. */
export interface TokenVerifier {
  /** Whether clients must show a token at all. */
  readonly required: boolean;
  /** Whether the keys are there: until then every token is `unavailable`. */
  readonly ready: boolean;
  /** @throws TokenError */
  verify(token: string): Promise<Identity>;
  /** Called whenever keys were added or removed behind our back. Returns the unsubscribe function. */
  onKeysChanged(listener: () => void): () => void;
  close(): void;
}

/** @throws GatewayOptionsError for keys that cannot be read, BadPathError or RangeError for grants that cannot be meant. */
export function createVerifier(options: AuthOptions, clock: Clock): TokenVerifier {
  if (options.mode === "none") return openVerifier();
  if (options.mode === "tokens") return staticVerifier(options.tokens);
  return jwtVerifier(options, clock);
}

/** What a client of an open gateway is. */
export const ANONYMOUS: Identity = { rights: Rights.all() };

function openVerifier(): TokenVerifier {
  return {
    required: false,
    ready: true,
    // A client that brings a token all the same is as welcome as one that brings none.
    verify: async () => ANONYMOUS,
    onKeysChanged: () => () => undefined,
    close: () => undefined,
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function staticVerifier(tokens: readonly StaticToken[]): TokenVerifier {
  const known = tokens.map(({ token, grants }) => ({
    digest: digest(token),
    identity: { rights: new Rights(grants) } satisfies Identity,
  }));
  return {
    required: true,
    ready: true,
    async verify(token) {
      const given = digest(token);
      let found: Identity | undefined;
      // All are compared, in constant time each: how long it takes tells nothing.
      for (const entry of known) if (timingSafeEqual(entry.digest, given)) found = entry.identity;
      if (found === undefined) throw new TokenError("invalid", "the token is not known");
      return found;
    },
    onKeysChanged: () => () => undefined,
    close: () => undefined,
  };
}

const grantsClaim = z
  .array(z.object({ connection: z.string().min(1).max(256), path: z.string() }))
  .max(MAX_GRANTS);

function jwtVerifier(options: JwtOptions, clock: Clock): TokenVerifier {
  const keys = new JwtKeySource(options, clock);
  const tolerance = options.clockToleranceSeconds ?? 5;
  const expected: JWTVerifyOptions = {
    algorithms: [...keys.algorithms],
    clockTolerance: tolerance,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  return {
    required: true,
    get ready() {
      return keys.ready;
    },
    async verify(token) {
      let payload: JWTPayload;
      try {
        ({ payload } = await jwtVerify(token, keys.resolve, {
          ...expected,
          currentDate: new Date(clock.now()),
        }));
      } catch (error) {
        throw tokenError(error);
      }
      const claim = grantsClaim.safeParse(payload["smb"] ?? []);
      if (!claim.success) throw new TokenError("invalid", "the claim smb is not a list of grants");
      let rights: Rights;
      try {
        rights = new Rights(claim.data);
      } catch (error) {
        throw new TokenError("invalid", "the claim smb has a grant that cannot be meant", error);
      }
      return {
        rights,
        ...(payload.exp === undefined ? {} : { expiresAt: (payload.exp + tolerance) * 1_000 }),
      };
    },
    onKeysChanged: (listener) => keys.onChange(listener),
    close: () => keys.close(),
  };
}

/** The token itself is at fault, or we cannot tell. */
function tokenError(error: unknown): TokenError {
  if (error instanceof TokenError) return error;
  if (error instanceof joseErrors.JWTExpired) return new TokenError("expired", "the token has run out");
  if (error instanceof joseErrors.JWKSTimeout) return unavailable(error);
  if (error instanceof joseErrors.JWKSInvalid) return unavailable(error);
  if (error instanceof joseErrors.JOSEError) {
    // The bare class is what a failed fetch of the key set throws.
    if (error.code === "ERR_JOSE_GENERIC") return unavailable(error);
    return new TokenError("invalid", "the token is not believed", error);
  }
  if (error instanceof TypeError && error.message !== "fetch failed") {
    return new TokenError("invalid", "the token does not fit the key", error);
  }
  return unavailable(error);
}

function unavailable(cause: unknown): TokenError {
  return new TokenError("unavailable", "the issuer's keys are out of reach", cause);
}

/** The keys that hold now; `generation` grows whenever they, or the connections, change. */
export interface CurrentKeys {
  readonly verifier: () => TokenVerifier;
  readonly generation: () => number;
}

/** Checks a token against the keys that hold when the check is over. @throws TokenError */
export async function verifyNow(keys: CurrentKeys, token: string): Promise<Identity> {
  for (;;) {
    const generation = keys.generation();
    const identity = await keys.verifier().verify(token);
    if (generation === keys.generation()) return identity;
  }
}
