import { createHmac, randomBytes } from "node:crypto";
import { ignoreRejection, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { BadPathError, errorCode } from "../../base/errors.ts";
import { Turnstile } from "../../base/turnstile.ts";
import { TokenError } from "../errors.ts";
import { askFacts } from "../facts.ts";
import { Rights } from "../grants.ts";
import type { AskOptions } from "../options.ts";
import { Endpoint, EndpointError } from "./endpoint.ts";
import { grantsIn } from "./grants-pointer.ts";
import type { Identity, TokenVerifier } from "./identity.ts";

/** How long an answer holds. */
const HOLDS_MS = 60_000;
/** How soon an application that did not answer is asked again about a token it never answered for. */
const AGAIN_MS = 5_000;
const TIMEOUT_MS = 5_000;
const KEEP_MS = 300_000;
/** Tokens remembered; the least recently used make room. What is not believed must not drive out what is. */
const MAX_BELIEVED = 20_000;
const MAX_REFUSED = 2_000;
/** Questions under way. */
const AT_ONCE = 16;

/** What the application said of a token; times are monotonic. */
interface Believed {
  readonly rights: Rights;
  /** When it said so, */
  readonly at: number;
  /** and until when it is not asked again. */
  readonly until: number;
}

interface Refused {
  readonly error: TokenError;
  readonly until: number;
}

/**
 * Believes what the application says about a token that a client has brought. Remembered by a keyed hash, for a minute and for as
 * long as `keepMs` where the application is away; asked once however many wait. The application may say less at any time, and
 * `forget` asks anew at once. What it said last is never widened by anything but another answer.
 */
export class AskVerifier implements TokenVerifier {
  readonly required = true;
  readonly firstFrame: boolean;
  readonly ready = true;
  readonly #clock: Clock;
  readonly #endpoint: Endpoint;
  readonly #options: AskOptions;
  readonly #keepMs: number;
  /** Of this process alone: hashes of tokens are of no use to anybody else. */
  readonly #secret = randomBytes(32);
  readonly #believed = new Map<string, Believed>();
  readonly #refused = new Map<string, Refused>();
  readonly #asking = new Map<string, Promise<Identity>>();
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #turnstile = new Turnstile(AT_ONCE);
  /** Grows when all that is known is in doubt. */
  #epoch = 0;

  /** @throws GatewayOptionsError */
  constructor(options: AskOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.firstFrame = options.firstFrame ?? true;
    this.#keepMs = options.keepMs ?? KEEP_MS;
    this.#endpoint = new Endpoint(options);
  }

  async verify(token: string): Promise<Identity> {
    const key = createHmac("sha256", this.#secret).update(token).digest("base64");
    const now = this.#clock.monotonic();
    const known = this.#believed.get(key);
    if (known !== undefined && now < known.until) return this.#believe(key, known);
    const refused = this.#refused.get(key);
    if (refused !== undefined && now < refused.until) throw refused.error;
    let asking = this.#asking.get(key);
    if (asking === undefined) {
      asking = this.#ask(key, token).finally(() => this.#asking.delete(key));
      ignoreRejection(asking);
      this.#asking.set(key, asking);
    }
    return asking;
  }

  /** What is known may be wrong now: everything is asked again before it is believed. */
  forget(): void {
    this.#epoch++;
    this.#refused.clear();
    for (const [key, known] of this.#believed) this.#believed.set(key, { ...known, until: 0 });
    for (const listener of this.#listeners) listener();
  }

  onKeysChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  close(): void {
    this.#stop.abort();
    this.#endpoint.close();
    this.#listeners.clear();
    this.#believed.clear();
    this.#refused.clear();
  }

  /** @throws TokenError */
  async #ask(key: string, token: string): Promise<Identity> {
    const epoch = this.#epoch;
    try {
      const rights = await this.#turnstile.run(() => this.#answer(token));
      askFacts.publish({ outcome: "ok" });
      const now = this.#clock.monotonic();
      this.#refused.delete(key);
      // An answer from before `forget` says nothing about now.
      return this.#believe(key, { rights, at: now, until: epoch === this.#epoch ? now + HOLDS_MS : 0 });
    } catch (error) {
      if (error instanceof TokenError) {
        askFacts.publish({ outcome: "refused" });
        this.#believed.delete(key);
        throw this.#refuse(key, error, epoch === this.#epoch ? HOLDS_MS : 0);
      }
      askFacts.publish({ outcome: "failed", code: errorCode(error) });
      return this.#withoutAnswer(key, error);
    }
  }

  /** @throws TokenError, EndpointError, and others where nothing was said */
  async #answer(token: string): Promise<Rights> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, over.signal]);
    try {
      const answer = await waitFor(this.#endpoint.ask(token, signal), {
        signal: this.#stop.signal,
        deadlineMs: this.#options.timeoutMs ?? TIMEOUT_MS,
        clock: this.#clock,
        what: "the application's answer",
      });
      const grants = grantsIn(answer, this.#options.grants);
      return grants.length === 0 ? Rights.none("the application grants you nothing") : new Rights(grants);
    } catch (error) {
      if (error instanceof BadPathError)
        throw new EndpointError("the application's answer has a bad path", error);
      throw error;
    } finally {
      over.abort();
    }
  }

  /** The application is away, or talks nonsense: what it said last holds for a while. @throws TokenError */
  #withoutAnswer(key: string, cause: unknown): Identity {
    const now = this.#clock.monotonic();
    const known = this.#believed.get(key);
    if (known !== undefined && now < known.at + this.#keepMs) {
      const until = Math.min(now + HOLDS_MS, known.at + this.#keepMs);
      return this.#believe(key, { ...known, until });
    }
    this.#believed.delete(key);
    throw this.#refuse(
      key,
      new TokenError("unavailable", "the application cannot be asked", cause),
      AGAIN_MS,
    );
  }

  #believe(key: string, known: Believed): Identity {
    this.#believed.delete(key);
    this.#believed.set(key, known);
    if (this.#believed.size > MAX_BELIEVED) dropOldest(this.#believed);
    return { rights: known.rights, recheckAt: known.until, keepUntil: known.at + this.#keepMs };
  }

  #refuse(key: string, error: TokenError, ms: number): TokenError {
    this.#refused.delete(key);
    this.#refused.set(key, { error, until: this.#clock.monotonic() + ms });
    if (this.#refused.size > MAX_REFUSED) dropOldest(this.#refused);
    return error;
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
