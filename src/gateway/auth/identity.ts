import type { IncomingMessage } from "node:http";
import { TokenError } from "../errors.ts";
import { Rights } from "../grants.ts";

/** Who a socket belongs to. */
export interface Identity {
  readonly rights: Rights;
  /** Unix ms; absent where the token does not run out. */
  readonly expiresAt?: number;
  /** When it must be shown again, because rights may have changed; monotonic ms. */
  readonly recheckAt?: number;
  /** Until when it holds where it cannot be checked again, the application being away; monotonic ms. */
  readonly keepUntil?: number;
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
  /** Where clients are known by what a trusted proxy says of them, and not by a token. @throws TokenError */
  readonly claims?: (request: IncomingMessage, fromProxy: boolean) => ProxiedClaims;
  /** @throws TokenError */
  readonly believe?: (claims: ProxiedClaims) => Promise<Identity>;
  /** What is known of tokens may be wrong now: they are looked at anew, and so are all sockets. */
  readonly forget?: () => void;
  /** Called whenever keys were added or removed behind our back. Returns the unsubscribe function. */
  onKeysChanged(listener: () => void): () => void;
  close(): void;
}

/** What a proxy has said in a handshake. */
export interface ProxiedClaims {
  /** Unix ms. */
  readonly at: number;
  /** Of the verifier that read them: what it says anew is of another one. */
  readonly epoch: number;
  readonly user?: string;
  readonly grants?: string;
  /** Signed. */
  readonly assertion?: string;
}

/** How a client has shown who it is. */
export type Credential = { readonly token: string } | { readonly claims: ProxiedClaims };

/** What a client of an open gateway is. */
export const ANONYMOUS: Identity = { rights: Rights.all() };

/** The keys that hold now; `generation` grows whenever they, or the connections, change. */
export interface CurrentKeys {
  readonly verifier: () => TokenVerifier;
  readonly generation: () => number;
}

/** A socket's identity, and what it was shown with. */
export interface Admitted {
  readonly identity: Identity;
  /** Absent where none was needed. */
  readonly credential?: Credential | undefined;
  /** The handshake's token, whether it was needed or not, for another application that may want one. */
  readonly presented?: { readonly token: string; readonly inUrl: boolean };
}

/** Checks a credential against the keys that hold when the check is over. @throws TokenError */
export async function verifyNow(keys: CurrentKeys, credential: Credential): Promise<Identity> {
  for (;;) {
    const generation = keys.generation();
    const identity = await verifyBy(keys.verifier(), credential);
    if (generation === keys.generation()) return identity;
  }
}

function verifyBy(verifier: TokenVerifier, credential: Credential): Promise<Identity> {
  if ("token" in credential) return verifier.verify(credential.token);
  if (verifier.believe !== undefined) return verifier.believe(credential.claims);
  throw new TokenError("invalid", "what the proxy says is not believed any more");
}

/** What a page, which can show nothing in its handshake, lacks there; `undefined` where it needs nothing. */
export function needsInHandshake(
  verifier: TokenVerifier,
  request: IncomingMessage,
  fromProxy: boolean,
): string | undefined {
  if (!verifier.required || verifier.firstFrame) return undefined;
  if (verifier.claims === undefined) {
    return "tokens are taken in the handshake only (gateway.auth.firstFrame: false), and this page shows its own in the first frame";
  }
  try {
    verifier.claims(request, fromProxy);
    return undefined;
  } catch {
    return "no trusted proxy says who this is (gateway.auth.mode: headers)";
  }
}

/**
 * Who asks for a socket, by what the handshake shows; `undefined` where an `auth` frame will tell.
 * @throws TokenError
 */
export async function identify(
  keys: CurrentKeys,
  handshake: {
    readonly token: string | undefined;
    /** It came as `?token=`. */
    readonly tokenInUrl?: boolean | undefined;
    readonly request: IncomingMessage;
    /** It came from one of the trusted proxies. */
    readonly fromProxy: boolean;
  },
): Promise<Admitted | undefined> {
  const verifier = keys.verifier();
  const { token, tokenInUrl: inUrl = false, request, fromProxy } = handshake;
  const presented = token === undefined ? {} : { presented: { token, inUrl } };
  if (!verifier.required) return { identity: ANONYMOUS, ...presented };
  const credential =
    verifier.claims !== undefined
      ? { claims: verifier.claims(request, fromProxy) }
      : token === undefined
        ? undefined
        : { token };
  if (credential !== undefined) {
    return { identity: await verifyNow(keys, credential), credential, ...presented };
  }
  if (verifier.firstFrame) return undefined;
  throw new TokenError("missing", "a token is needed in the handshake");
}
