import type { Clock } from "../../base/clock.ts";
import { type Admitted, type Credential, type CurrentKeys, type Identity, verifyNow } from "../auth/index.ts";
import { RequestError, TokenError, type TokenFault } from "../errors.ts";
import { Session, type SessionOwner } from "./session.ts";

/** What all sockets share. */
export interface AuthenticationHost extends CurrentKeys {
  readonly clock: Clock;
  /** How long a client may take for its `auth` frame, ms. */
  readonly times: { readonly authMs: number };
}

/** Whose conversation it is. */
export interface AuthenticationOwner {
  /** Nobody is let in any more. */
  readonly over: boolean;
  /** Somebody is in, or is somebody else now. */
  admit(admitted: Admitted): void;
  /** The conversation has to end. */
  refuse(reason: TokenFault, message: string): void;
  /** The token must be checked again. */
  recheck(): Promise<void>;
}

/** Who is at the other end of a socket: waits for a token, checks it, and again when it has to hold for longer. */
export class Authentication implements SessionOwner {
  readonly #host: AuthenticationHost;
  readonly #owner: AuthenticationOwner;
  readonly #session: Session;
  #admitted = false;
  #cancelWait: (() => void) | undefined;

  constructor(host: AuthenticationHost, owner: AuthenticationOwner) {
    this.#host = host;
    this.#owner = owner;
    this.#session = new Session(host.clock, this);
  }

  expired(): void {
    this.#owner.refuse("expired", "the token has run out");
  }

  stale(): void {
    void this.#owner.recheck();
  }

  /** `admitted` by the handshake, or waits for a token, for a while. */
  begin(admitted: Admitted | undefined): void {
    if (admitted !== undefined) {
      this.#admit(admitted);
      return;
    }
    const { clock, times } = this.#host;
    const none = (): void => this.#owner.refuse("missing", "no auth frame in time");
    this.#cancelWait = clock.after(times.authMs, none);
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
    else if (this.#host.verifier().required) await this.verify({ token: "" });
  }

  /** Takes the token's rights over, or refuses. `believed`: it was, until now. Never rejects. */
  async verify(
    credential: Credential,
    { believed = false }: { readonly believed?: boolean } = {},
  ): Promise<void> {
    const owner = this.#owner;
    try {
      const identity = await verifyNow(this.#host, credential);
      if (!owner.over) this.#admit({ identity, credential });
    } catch (error) {
      const reason = error instanceof TokenError ? error.reason : "unavailable";
      // An issuer out of reach takes nothing away from those who are in, unless what is known holds no longer.
      if (reason === "unavailable" && this.#admitted && !owner.over) {
        if (this.#session.outlived) owner.refuse("invalid", "the token could not be checked for too long");
        else this.#session.recheckLater();
        return;
      }
      // Its key has been replaced: a fresh token will be right.
      const outdated = believed && error instanceof TokenError && error.otherKey;
      const message = error instanceof TokenError ? error.message : "the token cannot be checked";
      owner.refuse(outdated ? "expired" : reason, message);
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
    this.#owner.admit(admitted);
  }
}
