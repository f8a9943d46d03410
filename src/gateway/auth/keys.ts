import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import {
  type CryptoKey,
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWK,
  type JWTHeaderParameters,
  errors as joseErrors,
} from "jose";
import type { Clock } from "../../base/clock.ts";
import { GatewayOptionsError, TokenError } from "../errors.ts";
import type { JwtAlgorithm, JwtOptions } from "../options.ts";

const ASYMMETRIC: readonly JwtAlgorithm[] = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];
const SYMMETRIC: readonly JwtAlgorithm[] = ["HS256", "HS384", "HS512"];
const MIN_SECRET_BYTES = 32;
/** Names of keys that the issuer no longer has, remembered. */
const MOST_FORMER = 1_000;

type Key = CryptoKey | KeyObject | Uint8Array;
type Resolver = (header: JWTHeaderParameters, token: FlattenedJWSInput) => Promise<Key>;
type Remote = ReturnType<typeof createRemoteJWKSet>;

/**
 * The keys that tokens are checked with. A key set behind a URL is fetched at once, when a token names a
 * key that is not there (with a cool-down), and every `refreshMs`; while it cannot be fetched, the keys
 * last seen stay good, so an issuer that is away sends nobody home. A key that is not in the set may be one that has been made
 * since: that is not known before another look, and no reason to believe or to refuse.
 */
export class JwtKeySource {
  /** Those that fit the kind of key: a public key must never serve as a shared secret. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly resolve: Resolver;
  readonly #listeners = new Set<() => void>();
  readonly #clock: Clock;
  #ready = true;
  #seen: string | undefined;
  #remote: Remote | undefined;
  /** Fetches begun, and the number of the newest that succeeded. */
  #begun = 0;
  #newest = 0;
  /** Key ids of the set, and of those before it. */
  #current: ReadonlySet<string> = new Set();
  readonly #former = new Set<string>();
  #cancel: (() => void) | undefined;
  #closed = false;

  /** @throws GatewayOptionsError */
  constructor(options: JwtOptions, clock: Clock) {
    this.#clock = clock;
    const { keys } = options;
    const fitting = "secret" in keys ? SYMMETRIC : ASYMMETRIC;
    this.algorithms = options.algorithms?.length ? options.algorithms : fitting;
    const odd = this.algorithms.find((name) => !fitting.includes(name));
    if (odd !== undefined) throw new GatewayOptionsError(`algorithm ${odd} does not fit the kind of key`);
    if ("secret" in keys) this.resolve = secretResolver(keys.secret);
    else if ("publicKey" in keys) this.resolve = publicResolver(keys.publicKey);
    else this.resolve = this.#remoteResolver(keys.jwksUrl, options);
  }

  get ready(): boolean {
    return this.#ready;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /**
   * Runs `check`, again if the set had to be fetched for it.
   * @param kid - the key that the token names, if any
   * @throws TokenError `unavailable` where a newer set may have the key, `expired` where it has not; what `check` throws
   */
  async whileUnknown<T>(kid: string | undefined, check: () => Promise<T>): Promise<T> {
    const asked = this.#begun;
    for (let again = false; ; again = true) {
      try {
        return await check();
      } catch (error) {
        const missing = error instanceof joseErrors.JWKSNoMatchingKey;
        // A token that names no key may be of one that has taken the place of those we have.
        const misfit = error instanceof joseErrors.JWSSignatureVerificationFailed && kid === undefined;
        if (!missing && !(misfit && this.#remote !== undefined)) throw error;
        const certain = again || this.#newest > asked || this.#hasGone(kid) || this.#remote === undefined;
        if (certain && misfit) throw error;
        if (certain) throw new TokenError("expired", "the key of the token is no longer there", error);
        await this.#renew(error);
      }
    }
  }

  /** A set that was asked for from now on. @throws TokenError `unavailable`, and what fetching throws */
  async #renew(cause: unknown): Promise<void> {
    const asked = this.#begun;
    if (this.#remote?.coolingDown === false) await this.#remote.reload();
    if (this.#newest <= asked) throw new TokenError("unavailable", "the token's key is not known yet", cause);
  }

  /** It was in the set, and is no longer. */
  #hasGone(kid: string | undefined): boolean {
    return kid !== undefined && this.#former.has(kid) && !this.#current.has(kid);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
    this.#listeners.clear();
  }

  #remoteResolver(url: string, options: JwtOptions): Resolver {
    this.#ready = false;
    const remote = createRemoteJWKSet(new URL(url), {
      cacheMaxAge: Number.POSITIVE_INFINITY,
      cooldownDuration: options.cooldownMs ?? 30_000,
      timeoutDuration: 5_000,
      [customFetch]: async (target, init) => {
        const number = ++this.#begun;
        const response = await fetch(target, init);
        if (response.status === 200) this.#fetched(await response.clone().text(), number);
        return response;
      },
    });
    this.#remote = remote;
    const refreshMs = options.refreshMs ?? 300_000;
    const refresh = async (): Promise<void> => {
      let delay = refreshMs;
      try {
        await remote.reload();
        this.#ready = true;
      } catch {
        // Not having any keys is worth asking again soon.
        if (!this.#ready) delay = Math.min(refreshMs, 5_000);
      }
      if (!this.#closed) {
        this.#cancel = this.#clock.after(delay, () => void refresh(), { unref: true });
      }
    };
    void refresh();
    return async (header, token) => {
      const key = await remote(header, token);
      this.#ready = true;
      return key;
    };
  }

  /** Runs before the set is in use, so those who must look again are told a turn later. */
  #fetched(body: string, number: number): void {
    this.#newest = number;
    this.#remember(body);
    const seen = createHash("sha256").update(body).digest("base64");
    const changed = this.#seen !== undefined && this.#seen !== seen;
    this.#seen = seen;
    if (!changed) return;
    setImmediate(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  #remember(body: string): void {
    const next = keyIdsIn(body);
    for (const kid of this.#current) if (!next.has(kid)) this.#former.add(kid);
    for (const kid of this.#former) {
      if (this.#former.size <= MOST_FORMER) break;
      this.#former.delete(kid);
    }
    this.#current = next;
  }
}

/** Names of the keys in a set; none where it is not one. */
function keyIdsIn(body: string): Set<string> {
  try {
    const { keys } = JSON.parse(body) as { readonly keys: readonly { readonly kid?: unknown }[] };
    return new Set(keys.map(({ kid }) => kid).filter((kid) => typeof kid === "string"));
  } catch {
    return new Set();
  }
}

function secretResolver(secret: string | Uint8Array): Resolver {
  const bytes = typeof secret === "string" ? Buffer.from(secret) : secret;
  if (bytes.length < MIN_SECRET_BYTES) {
    throw new GatewayOptionsError(`the shared secret is shorter than ${MIN_SECRET_BYTES} bytes`);
  }
  return async () => bytes;
}

function publicResolver(text: string): Resolver {
  try {
    if (!text.trimStart().startsWith("{")) {
      const key = createPublicKey(text);
      return async () => key;
    }
    const json = JSON.parse(text) as JWK | JSONWebKeySet;
    const local = createLocalJWKSet("keys" in json ? (json as JSONWebKeySet) : { keys: [json as JWK] });
    return (header, token) => local(header, token);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "not a key";
    throw new GatewayOptionsError(`the public key cannot be read: ${why}`);
  }
}
