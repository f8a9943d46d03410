import { TokenError } from "../errors.ts";
import { Rights } from "../grants.ts";

/** Who a socket belongs to. */
export interface Identity {
  readonly rights: Rights;
  /** Unix ms; absent where the token does not run out. */
  readonly expiresAt?: number;
  /** Whose it is, in the issuer's words; for the log only. */
  readonly subject?: string;
}

/** Turns a token into an identity. Tokens never appear in errors. */
export interface TokenVerifier {
  /** Whether clients must show who they are at all. */
  readonly required: boolean;
  /** Whether a socket may be opened first, and its token follow in an `auth` frame. */
  readonly firstFrame: boolean;
  /** Whether the keys are there: until then every token is `unavailable`. */
  readonly ready: boolean;
  /** @throws TokenError */
  verify(token: string): Promise<Identity>;
  /** Called whenever keys were added or removed behind our back. Returns the unsubscribe function. */
  onKeysChanged(listener: () => void): () => void;
  close(): void;
}

/** What a client of an open gateway is. */
export const ANONYMOUS: Identity = { rights: Rights.all() };

/** The keys that hold now; `generation` grows whenever they, or the connections, change. */
export interface CurrentKeys {
  readonly verifier: () => TokenVerifier;
  readonly generation: () => number;
}

/** A socket's identity, and the token it was shown with. */
export interface Admitted {
  readonly identity: Identity;
  readonly token?: string | undefined;
}

/** Checks a token against the keys that hold when the check is over. @throws TokenError */
export async function verifyNow(keys: CurrentKeys, token: string): Promise<Identity> {
  for (;;) {
    const generation = keys.generation();
    const identity = await keys.verifier().verify(token);
    if (generation === keys.generation()) return identity;
  }
}

/**
 * Who asks for a socket, by what the handshake shows; `undefined` where an `auth` frame will tell.
 * @throws TokenError
 */
export async function identify(keys: CurrentKeys, token: string | undefined): Promise<Admitted | undefined> {
  const { firstFrame, required } = keys.verifier();
  if (!required) return { identity: ANONYMOUS };
  if (token !== undefined) return { identity: await verifyNow(keys, token), token };
  if (firstFrame) return undefined;
  throw new TokenError("missing", "a token is needed in the handshake");
}
