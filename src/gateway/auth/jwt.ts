import {
  decodeProtectedHeader,
  type JWTPayload,
  type JWTVerifyOptions,
  errors as joseErrors,
  jwtVerify,
} from "jose";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { TokenError } from "../errors.ts";
import { MAX_GRANTS, Rights } from "../grants.ts";
import type { JwtOptions } from "../options.ts";
import type { TokenVerifier } from "./identity.ts";
import { JwtKeySource } from "./keys.ts";

const grantsClaim = z
  .array(z.object({ connection: z.string().min(1).max(256), path: z.string() }))
  .max(MAX_GRANTS);

/** Believes signed tokens with a claim of ours. @throws GatewayOptionsError for keys that cannot be read */
export function jwtVerifier(options: JwtOptions, clock: Clock): TokenVerifier {
  const keys = new JwtKeySource(options, clock);
  const tolerance = options.clockToleranceSeconds ?? 5;
  const expected: JWTVerifyOptions = {
    algorithms: [...keys.algorithms],
    clockTolerance: tolerance,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  const check = (token: string): Promise<JWTPayload> =>
    payloadOf(token, keys, { ...expected, currentDate: new Date(clock.now()) });
  return {
    required: true,
    firstFrame: options.firstFrame ?? true,
    get ready() {
      return keys.ready;
    },
    async verify(token) {
      let payload: JWTPayload;
      try {
        const kid = keyIdOf(token);
        payload = await keys.whileUnknown(kid, () => check(token));
      } catch (error) {
        throw tokenError(error, token);
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

async function payloadOf(token: string, keys: JwtKeySource, expected: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, keys.resolve, expected)).payload;
  } catch (error) {
    // It names no key, and several could be meant.
    if (!(error instanceof joseErrors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, expected)).payload;
      } catch (cause) {
        if (!(cause instanceof joseErrors.JWSSignatureVerificationFailed)) throw cause;
      }
    }
    throw new joseErrors.JWSSignatureVerificationFailed();
  }
}

/** The key that a token names. @throws TokenError for what is no signed token */
function keyIdOf(token: string): string | undefined {
  const parts = token.split(".").length;
  if (parts === 5) {
    throw new TokenError(
      "invalid",
      "the token is encrypted (JWE): only signed ones are read, have the issuer sign it and no more",
    );
  }
  if (parts !== 3) {
    throw new TokenError(
      "invalid",
      "the token is opaque (no JWT): only its issuer knows what it means, have it issue JWTs, or ask it (gateway.auth.mode ask)",
    );
  }
  const { kid } = headerOf(token);
  return typeof kid === "string" ? kid : undefined;
}

function headerOf(token: string): { readonly alg?: unknown; readonly kid?: unknown } {
  try {
    return decodeProtectedHeader(token);
  } catch (error) {
    throw new TokenError("invalid", "the token is no JWT", error);
  }
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

/** Names of claims that the configuration asks for. */
const EXPECTED: Readonly<Record<string, string>> = {
  iss: "gateway.auth.issuer",
  aud: "gateway.auth.audience",
};

/** The token itself is at fault, or we cannot tell. */
function tokenError(error: unknown, token: string): TokenError {
  if (error instanceof TokenError) return error;
  if (error instanceof joseErrors.JWTExpired) return new TokenError("expired", "the token has run out");
  if (error instanceof joseErrors.JWKSTimeout) return unavailable(error);
  if (error instanceof joseErrors.JWKSInvalid) return unavailable(error);
  if (error instanceof joseErrors.JWTClaimValidationFailed) return claimError(error);
  if (error instanceof joseErrors.JOSEAlgNotAllowed) {
    return new TokenError(
      "invalid",
      `${algorithmOf(token)} is not accepted (gateway.auth.algorithms)`,
      error,
    );
  }
  if (error instanceof joseErrors.JWSSignatureVerificationFailed) {
    const text = "the token's signature does not fit the key";
    return new TokenError("invalid", text, error, { otherKey: true });
  }
  if (error instanceof joseErrors.JOSEError) {
    // The bare class is what a failed fetch of the key set throws.
    if (error.code === "ERR_JOSE_GENERIC") return unavailable(error);
    return new TokenError("invalid", "the token is not believed", error);
  }
  if (error instanceof TypeError && error.message !== "fetch failed") {
    return new TokenError("invalid", "the token does not fit the key", error, { otherKey: true });
  }
  return unavailable(error);
}

function claimError(error: joseErrors.JWTClaimValidationFailed): TokenError {
  const { claim, reason } = error;
  // One of the two clocks may be wrong; time cures it.
  if (claim === "nbf" && reason === "check_failed") {
    return new TokenError("unavailable", "the token does not hold yet", error);
  }
  const setting = EXPECTED[claim];
  const text =
    setting === undefined
      ? `the token's claim ${/^[a-z]{1,20}$/.test(claim) ? claim : ""} is not believed`
      : `the token's ${claim} is not the one that is expected (${setting})`;
  return new TokenError("invalid", text, error);
}

function algorithmOf(token: string): string {
  const { alg } = headerOf(token);
  return typeof alg === "string" && /^[\w-]{1,20}$/.test(alg)
    ? `the algorithm ${alg}`
    : "the token's algorithm";
}

function unavailable(cause: unknown): TokenError {
  return new TokenError("unavailable", "the issuer's keys are out of reach", cause);
}
