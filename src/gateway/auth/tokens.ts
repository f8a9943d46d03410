import { createHash, timingSafeEqual } from "node:crypto";
import { type JWTPayload, type JWTVerifyOptions, errors as joseErrors, jwtVerify } from "jose";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { TokenError } from "../errors.ts";
import { MAX_GRANTS, Rights } from "../grants.ts";
import type { AuthOptions, JwtOptions, StaticOptions } from "../options.ts";
import { AskVerifier } from "./ask.ts";
import { HeadersVerifier } from "./headers.ts";
import { ANONYMOUS, type Identity, type TokenVerifier } from "./identity.ts";
import { JwtKeySource } from "./keys.ts";

/** @throws GatewayOptionsError for keys that cannot be read, BadPathError or RangeError for grants that cannot be meant. */
export function createVerifier(options: AuthOptions, clock: Clock): TokenVerifier {
  if (options.mode === "none") return openVerifier();
  if (options.mode === "tokens") return staticVerifier(options);
  if (options.mode === "ask") return new AskVerifier(options, clock);
  if (options.mode === "headers") {
    const { assertion } = options;
    const signed = assertion === undefined ? undefined : jwtVerifier(assertion.jwt, clock);
    return new HeadersVerifier(options, clock, signed);
  }
  return jwtVerifier(options, clock);
}

function openVerifier(): TokenVerifier {
  return {
    required: false,
    firstFrame: true,
    ready: true,
    // A client that brings a token all the same is as welcome as one that brings none.
    verify: async () => ANONYMOUS,
    onKeysChanged: () => () => undefined,
    close: () => undefined,
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

function staticVerifier({ tokens, firstFrame = true }: StaticOptions): TokenVerifier {
  const known = tokens.map(({ token, name, grants }) => ({
    digest: digest(token),
    identity: {
      rights: grants.length === 0 ? Rights.none("your token has no grants") : new Rights(grants),
      ...(name === undefined ? {} : { subject: name }),
    } satisfies Identity,
  }));
  return {
    required: true,
    firstFrame,
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
    firstFrame: options.firstFrame ?? true,
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
      return {
        rights: rightsOf(payload["smb"]),
        ...(payload.sub === undefined ? {} : { subject: payload.sub }),
        ...(payload.exp === undefined ? {} : { expiresAt: (payload.exp + tolerance) * 1_000 }),
      };
    },
    onKeysChanged: (listener) => keys.onChange(listener),
    close: () => keys.close(),
  };
}

/** What a claim `smb` grants. A token without any is believed, and good for nothing. @throws TokenError */
function rightsOf(claim: unknown): Rights {
  if (claim === undefined) return Rights.none("your token is believed, but has no claim smb");
  const grants = grantsClaim.safeParse(claim);
  if (!grants.success) throw new TokenError("invalid", "the claim smb is not a list of grants");
  if (grants.data.length === 0) return Rights.none("your token is believed, but its claim smb is empty");
  try {
    return new Rights(grants.data);
  } catch (error) {
    throw new TokenError("invalid", "the claim smb has a grant that cannot be meant", error);
  }
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
