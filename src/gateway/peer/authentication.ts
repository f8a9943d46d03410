import type { Clock } from "../../base/clock.ts";
import { type Admitted, type Credential, type CurrentKeys, type Identity, verifyNow } from "../auth/index.ts";
import { RequestError, TokenError, type TokenFault } from "../errors.ts";
import { Session } from "./session.ts";

export interface AuthenticationOptions {
  readonly keys: CurrentKeys;
  readonly clock: Clock;
  /** How long a client may take for its `auth` frame. */
  readonly authMs: number;
  /** Nobody is let in any more. */
  readonly over: () => boolean;
  /** Somebody is in, or is somebody else now. */
  readonly onAdmitted: (admitted: Admitted) => void;
  /** The conversation has to end. */
  readonly onRefused: (reason: TokenFault, message: string) => void;
}

/** Who is at the other end of a socket: waits for a token, checks it, and again when it has to hold for longer. */
export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #session: Session;
  #admitted = false;
  #cancelWait: (() => void) | undefined;

  /** `onStale`: the token must be checked again. */
  constructor(options: AuthenticationOptions, onStale: () => void) {
    this.#options = options;
    this.#session = new Session({
      clock: options.clock,
      onExpired: () => options.onRefused("expired", "the token has run out"),
      onStale,
    });
  }

  /** `admitted` by the handshake, or waits for a token, for a while. */
  begin(admitted: Admitted | undefined): void {
    if (admitted !== undefined) {
      this.#admit(admitted);
      return;
    }
    const { clock, authMs, onRefused } = this.#options;
    this.#cancelWait = clock.after(authMs, () => onRefused("missing", "no auth frame in time"));
  }

  get identity(): Identity | undefined {
    return this.#session.identity;
  }

  /** @throws RequestError where nobody has proven who he is. */
  get rights(): Identity["rights"] {
    const { identity } = this.#session;
    if (identity === undefined) throw new RequestError("unauthenticated");
    return identity.rights;
  }

  /** Keys or tokens may have changed. Never rejects. */
  async recheck(): Promise<void> {
    const { credential } = this.#session;
    if (credential !== undefined) await this.verify(credential, { believed: true });
    else if (this.#options.keys.verifier().required) await this.verify({ token: "" });
  }

  /** Takes the token's rights over, or refuses. `believed`: it was, until now. Never rejects. */
  async verify(
    credential: Credential,
    { believed = false }: { readonly believed?: boolean } = {},
  ): Promise<void> {
    const { keys, over, onRefused } = this.#options;
    try {
      const identity = await verifyNow(keys, credential);
      if (!over()) this.#admit({ identity, credential });
    } catch (error) {
      const reason = error instanceof TokenError ? error.reason : "unavailable";
      // An issuer out of reach takes nothing away from those who are in, unless what is known holds no longer.
      if (reason === "unavailable" && this.#admitted && !over()) {
        if (this.#session.outlived) onRefused("invalid", "the token could not be checked for too long");
        else this.#session.recheckLater();
        return;
      }
      // Its key has been replaced: a fresh token will be right.
      const outdated = believed && error instanceof TokenError && error.otherKey;
      const message = error instanceof TokenError ? error.message : "the token cannot be checked";
      onRefused(outdated ? "expired" : reason, message);
    }
  }

  end(): void {
    this.#cancelWait?.();
    this.#session.end();
  }

  #admit(admitted: Admitted): void {
    this.#cancelWait?.();
    this.#session.begin(admitted);
    this.#admitted = true;
    this.#options.onAdmitted(admitted);
  }
}
