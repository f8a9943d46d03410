/**
 * How a session proves who it is. One provider per configured connection; one exchange per
 * SESSION_SETUP conversation (MS-SMB2 3.2.4.2.3). Tokens are complete SPNEGO tokens.
 */
export interface AuthProvider {
  /** For logs and `check`. */
  readonly mechanism: "ntlm" | "kerberos" | "negotiate";
  /** Starts a fresh exchange. `target` is the server name as the user typed it. */
  begin(target: AuthTarget): AuthExchange;
}

export interface AuthTarget {
  readonly host: string;
  /** Token of the server's NEGOTIATE response; may be empty. Unauthenticated before 3.1.1. */
  readonly serverToken: Uint8Array;
  /** A DFS referral named this host: what is configured about the server's identity does not hold for it. */
  readonly referred?: boolean | undefined;
}

export interface AuthExchange {
  /**
   * Takes the server's token (`undefined` in the first round) and returns ours, or `undefined` when
   * nothing more is to be sent. Called at most 8 times. `final` is true for the token of a
   * STATUS_SUCCESS response; the exchange then verifies what the mechanism lets it verify.
   * @throws AuthError
   */
  next(
    serverToken: Uint8Array | undefined,
    options: { readonly final: boolean; readonly signal?: AbortSignal | undefined },
  ): Promise<Uint8Array | undefined>;
  /** The GSS session key: 16 bytes for NTLM, 16 or 32 for Kerberos. Valid once `next` has seen `final`. */
  sessionKey(): Uint8Array;
  /** What this exchange speaks, once it has spoken. */
  readonly mechanism?: "ntlm" | "kerberos" | undefined;
  /** When the credentials behind this session end, Unix ms, where the mechanism has an end. */
  readonly expiresAt?: number | undefined;
  /** Wipes key material. Idempotent. */
  close(): void;
}
