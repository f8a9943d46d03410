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
} from "jose";
import type { Clock } from "../../base/clock.ts";
import { GatewayOptionsError } from "../errors.ts";
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
];
const SYMMETRIC: readonly JwtAlgorithm[] = ["HS256", "HS384", "HS512"];
const MIN_SECRET_BYTES = 32;

type Key = CryptoKey | KeyObject | Uint8Array;
type Resolver = (header: JWTHeaderParameters, token: FlattenedJWSInput) => Promise<Key>;

/**
 * The keys that tokens are checked with. A key set behind a URL is fetched at once, when a token names a
 * key that is not there (with a cool-down), and every `refreshMs`; while it cannot be fetched, the keys
 * last seen stay good, so an issuer that is away sends nobody home.
 */
export class JwtKeySource {
  /** Those that fit the kind of key: a public key must never serve as a shared secret. */
  readonly algorithms: readonly JwtAlgorithm[];
  readonly resolve: Resolver;
  readonly #listeners = new Set<() => void>();
  readonly #clock: Clock;
  #ready = true;
  #seen: string | undefined;
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
        const response = await fetch(target, init);
        if (response.status === 200) this.#fetched(await response.clone().text());
        return response;
      },
    });
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
  #fetched(body: string): void {
    const seen = createHash("sha256").update(body).digest("base64");
    const changed = this.#seen !== undefined && this.#seen !== seen;
    this.#seen = seen;
    if (!changed) return;
    setImmediate(() => {
      for (const listener of this.#listeners) listener();
    });
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
