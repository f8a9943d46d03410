import type { IncomingMessage } from "node:http";
import { z } from "zod";
import type { Clock } from "../../base/clock.ts";
import { TokenError } from "../errors.ts";
import { MAX_GRANTS, Rights } from "../grants.ts";
import type { HeadersOptions } from "../options.ts";
import type { Identity, ProxiedClaims, TokenVerifier } from "./identity.ts";

const SESSION_MS = 3_600_000;

const grantsHeader = z
  .array(z.object({ connection: z.string().min(1).max(256), path: z.string() }))
  .max(MAX_GRANTS);

/**
 * Believes what a trusted proxy says about whom it lets through. Nothing in a header can be asked again, so a socket lives for
 * `sessionMs` at most, and until `forget`: then its client comes back through the proxy.
 */
export class HeadersVerifier implements TokenVerifier {
  readonly required = true;
  readonly firstFrame = false;
  readonly #options: HeadersOptions;
  readonly #clock: Clock;
  /** Checks a signed statement, where that is what the proxy sends. */
  readonly #signed: TokenVerifier | undefined;
  readonly #listeners = new Set<() => void>();
  #epoch = 0;

  constructor(options: HeadersOptions, clock: Clock, signed: TokenVerifier | undefined) {
    this.#options = options;
    this.#clock = clock;
    this.#signed = signed;
  }

  get ready(): boolean {
    return this.#signed?.ready ?? true;
  }

  /** A client may not say by itself who it is. */
  verify(): Promise<Identity> {
    return Promise.reject(new TokenError("invalid", "the proxy says who you are, and no token does"));
  }

  /** @throws TokenError */
  claims(request: IncomingMessage, fromProxy: boolean): ProxiedClaims {
    if (!fromProxy) throw new TokenError("missing", "this is not one of the trusted proxies");
    const { assertion, grants = "", user = "" } = this.#options;
    const at = { at: this.#clock.now(), epoch: this.#epoch };
    if (assertion !== undefined) return { ...at, assertion: single(request, assertion.header) };
    return { ...at, user: single(request, user), grants: single(request, grants) };
  }

  /** @throws TokenError */
  async believe(claims: ProxiedClaims): Promise<Identity> {
    if (claims.epoch !== this.#epoch) throw new TokenError("expired", "the proxy must say anew who you are");
    const until = claims.at + (this.#options.sessionMs ?? SESSION_MS);
    if (this.#clock.now() >= until) throw new TokenError("expired", "the session has lasted long enough");
    if (this.#signed !== undefined) {
      const identity = await this.#signed.verify(claims.assertion ?? "");
      return { ...identity, expiresAt: Math.min(until, identity.expiresAt ?? until) };
    }
    return { rights: rightsOf(claims.grants ?? ""), subject: claims.user ?? "", expiresAt: until };
  }

  forget(): void {
    this.#epoch++;
    for (const listener of this.#listeners) listener();
  }

  onKeysChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    const off = this.#signed?.onKeysChanged(listener);
    return () => {
      off?.();
      this.#listeners.delete(listener);
    };
  }

  close(): void {
    this.#signed?.close();
    this.#listeners.clear();
  }
}

/** The one value of a header: with two, one may be the client's own. @throws TokenError */
function single(request: IncomingMessage, name: string): string {
  const values = request.headersDistinct[name.toLowerCase()] ?? [];
  const [value] = values;
  if (values.length !== 1 || value === undefined || value === "") {
    throw new TokenError("missing", "the proxy does not say who this is");
  }
  // Node reads header bytes as Latin-1; names in grants are UTF-8.
  return Buffer.from(value, "latin1").toString("utf8");
}

/** @throws TokenError */
function rightsOf(text: string): Rights {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new TokenError("invalid", "the grants of the proxy are not JSON");
  }
  const grants = grantsHeader.safeParse(value);
  if (!grants.success) throw new TokenError("invalid", "the grants of the proxy are not a list of grants");
  if (grants.data.length === 0) return Rights.none("the proxy grants you nothing");
  try {
    return new Rights(grants.data);
  } catch (error) {
    throw new TokenError("invalid", "the proxy grants what cannot be meant", error);
  }
}
