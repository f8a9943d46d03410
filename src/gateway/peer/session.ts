import type { Clock } from "../../base/clock.ts";
import type { Admitted, Identity } from "../auth/identity.ts";
import { noGrantsFacts } from "../facts.ts";

/** A timer may fire a little early; the token must be over when it does. */
const SLACK_MS = 10;

/** Whose socket it is, and for how long that holds. */
export class Session {
  readonly #clock: Clock;
  readonly #onExpired: () => void;
  #admitted: Admitted | undefined;
  #cancelExpiry: (() => void) | undefined;

  constructor(options: {
    readonly clock: Clock;
    /** The token has run out. */
    readonly onExpired: () => void;
  }) {
    this.#clock = options.clock;
    this.#onExpired = options.onExpired;
  }

  get identity(): Identity | undefined {
    return this.#admitted?.identity;
  }

  /** Absent where none was needed. */
  get token(): string | undefined {
    return this.#admitted?.token;
  }

  begin(admitted: Admitted): void {
    const { expiresAt, rights, subject } = admitted.identity;
    if (rights.nothing !== undefined && this.identity?.rights.nothing === undefined) {
      noGrantsFacts.publish({ subject, reason: rights.nothing });
    }
    this.#admitted = admitted;
    this.#cancelExpiry?.();
    if (expiresAt === undefined) return;
    const left = Math.max(0, expiresAt - this.#clock.now()) + SLACK_MS;
    this.#cancelExpiry = this.#clock.after(left, this.#onExpired, { unref: true });
  }

  end(): void {
    this.#cancelExpiry?.();
    this.#admitted = undefined;
  }
}
