import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../base/clock.ts";
import { TokenError } from "../errors.ts";
import { Rights } from "../grants.ts";
import type { AuthOptions, StaticOptions } from "../options.ts";
import { AskVerifier } from "./ask.ts";
import { HeadersVerifier } from "./headers.ts";
import { ANONYMOUS, type Identity, type TokenVerifier } from "./identity.ts";
import { jwtVerifier } from "./jwt.ts";

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
