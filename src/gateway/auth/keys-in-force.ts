import type { Clock } from "../../base/clock.ts";
import type { AuthOptions } from "../options.ts";
import type { CurrentKeys, TokenVerifier } from "./identity.ts";
import { checkOpenness, type Surroundings } from "./openness.ts";
import { Throttle } from "./throttle.ts";
import { createVerifier } from "./tokens.ts";

/** Least time between two pushes that are heeded. */
const FORGET_MS = 1_000;

/** How clients are known now; replaced as a whole when the configuration changes. */
export class KeysInForce implements CurrentKeys {
  readonly #surroundings: Surroundings;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  readonly #forgetting: Throttle;
  #verifier: TokenVerifier;
  #generation = 0;
  #localOnly: boolean;

  /** `onChange`: whoever was let in must be looked at again. @throws GatewayOptionsError */
  constructor(auth: AuthOptions, surroundings: Surroundings, clock: Clock, onChange: () => void) {
    this.#surroundings = surroundings;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#localOnly = checkOpenness(auth, surroundings);
    this.#verifier = this.#verifierFor(auth);
    this.#forgetting = new Throttle({ everyMs: FORGET_MS, clock, run: () => this.#forget() });
  }

  readonly verifier = (): TokenVerifier => this.#verifier;
  readonly generation = (): number => this.#generation;

  /** Whether only this machine may connect. */
  readonly localOnly = (): boolean => this.#localOnly;

  /** @throws GatewayOptionsError, and leaves everything as it was */
  replace(auth: AuthOptions): void {
    const local = checkOpenness(auth, this.#surroundings);
    const old = this.#verifier;
    this.#verifier = this.#verifierFor(auth);
    this.#localOnly = local;
    old.close();
  }

  /** What is being checked just now is checked again before it is believed. */
  changed(): void {
    this.#generation++;
  }

  /** Rights may have changed where they come from. At most once a second. */
  forgetSoon(): void {
    this.#forgetting.ask();
  }

  close(): void {
    this.#forgetting.close();
    this.#verifier.close();
  }

  #verifierFor(auth: AuthOptions): TokenVerifier {
    const verifier = createVerifier(auth, this.#clock);
    verifier.onKeysChanged(this.#onChange);
    return verifier;
  }

  #forget(): void {
    // A verifier that has something to forget says so to its listeners.
    if (this.#verifier.forget !== undefined) this.#verifier.forget();
    else this.#onChange();
  }
}
