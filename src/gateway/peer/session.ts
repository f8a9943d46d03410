import type { Clock } from "../../base/clock.ts";
import type { Admitted, Credential, Identity } from "../auth/index.ts";
import { noGrantsFacts } from "../facts.ts";

/** A timer may fire a little early; the token must be over when it does. */
const SLACK_MS = 10;
/** An application that is away, or an issuer whose newest keys are not known, is asked again. */
const AGAIN_MS = 60_000;

export interface SessionOwner {
  /** The token has run out. */
  expired(): void;
  /** It must be checked again. */
  stale(): void;
}

/** Whose socket it is, and for how long that holds. */
export class Session {
  readonly #clock: Clock;
  readonly #owner: SessionOwner;
  #admitted: Admitted | undefined;
  #cancelExpiry: (() => void) | undefined;
  #cancelRecheck: (() => void) | undefined;

  constructor(clock: Clock, owner: SessionOwner) {
    this.#clock = clock;
    this.#owner = owner;
  }

  get identity(): Identity | undefined {
    return this.#admitted?.identity;
  }

  /** Absent where none was needed. */
  get credential(): Credential | undefined {
    return this.#admitted?.credential;
  }

  /** What is known has not been confirmed for longer than it may hold. */
  get outlived(): boolean {
    const { keepUntil } = this.identity ?? {};
    return keepUntil !== undefined && this.#clock.monotonic() >= keepUntil;
  }

  begin(admitted: Admitted): void {
    const { expiresAt, rights, subject } = admitted.identity;
    if (rights.nothing !== undefined && this.identity?.rights.nothing === undefined) {
      noGrantsFacts.publish({ subject, reason: rights.nothing });
    }
    this.#admitted = admitted;
    this.#cancelExpiry?.();
    this.#recheckIn((admitted.identity.recheckAt ?? Number.POSITIVE_INFINITY) - this.#clock.monotonic());
    if (expiresAt === undefined) return;
    const left = Math.max(0, expiresAt - this.#clock.now()) + SLACK_MS;
    this.#cancelExpiry = this.#clock.after(left, () => this.#owner.expired(), { unref: true });
  }

  /** It could not be checked: again soon, and when it may hold no longer. */
  recheckLater(): void {
    const { keepUntil = Number.POSITIVE_INFINITY } = this.identity ?? {};
    this.#recheckIn(Math.min(AGAIN_MS, keepUntil - this.#clock.monotonic()));
  }

  #recheckIn(ms: number): void {
    this.#cancelRecheck?.();
    if (ms === Number.POSITIVE_INFINITY) return;
    this.#cancelRecheck = this.#clock.after(Math.max(0, ms) + SLACK_MS, () => this.#owner.stale(), {
      unref: true,
    });
  }

  end(): void {
    this.#cancelExpiry?.();
    this.#cancelRecheck?.();
    this.#admitted = undefined;
  }
}
