import { type Conclusion, Smb2NatsError } from "../base/errors.ts";

/** Why authentication stopped, one meaning each. */
export type AuthErrorCode =
  /** A token breaks DER, SPNEGO or NTLMSSP. */
  | "AUTH_MALFORMED_TOKEN"
  /** A MIC does not verify: the conversation was changed on its way. */
  | "AUTH_BAD_MIC"
  /** A token of the right form at the wrong time. */
  | "AUTH_UNEXPECTED_TOKEN"
  /** The server does not speak our mechanism. */
  | "AUTH_MECHANISM_REFUSED"
  /** The server said `reject` inside SPNEGO. */
  | "AUTH_REJECTED"
  /** The server asks for less than NTLMv2 with 128-bit keys. */
  | "AUTH_WEAK_CHALLENGE"
  /** The server names neither its computer nor its domain (MS-NLMP 3.1.5.1.2). */
  | "AUTH_MISSING_NAMES"
  /** The configured credentials cannot be used as they are. */
  | "AUTH_BAD_CREDENTIALS"
  /** The source of the password failed. */
  | "AUTH_PASSWORD_UNAVAILABLE"
  /** This process cannot compute NTLM. */
  | "AUTH_NTLM_UNAVAILABLE"
  /** Kerberos needs a package or a library that is not installed. */
  | "AUTH_KERBEROS_UNAVAILABLE"
  /** No KDC answered in time. */
  | "AUTH_KERBEROS_UNREACHABLE"
  /** There is no valid ticket: whoever fills the credential cache may do so later; one from a keytab or a password ran out before the next. */
  | "AUTH_KERBEROS_NO_TICKET"
  /** The account is expired, disabled or locked, whatever its secret; it may be opened again. */
  | "AUTH_ACCOUNT_CLOSED"
  /** The KDC has judged our account or its secret; another try may lock the account. */
  | "AUTH_KERBEROS_REFUSED"
  /** Something has to be set right first: a clock, a service principal, a realm, a keytab. */
  | "AUTH_KERBEROS_FAILED"
  /** The session key was asked for before the exchange was complete. */
  | "AUTH_NOT_COMPLETE"
  /** The exchange has failed or was closed; begin another. */
  | "AUTH_OVER";

/** What each code lets the caller conclude, and whether the same credentials may work later. */
const MEANING: { readonly [code in AuthErrorCode]: { conclusion: Conclusion; retryable: boolean } } = {
  AUTH_MALFORMED_TOKEN: { conclusion: "malformed", retryable: true },
  AUTH_BAD_MIC: { conclusion: "malformed", retryable: true },
  AUTH_UNEXPECTED_TOKEN: { conclusion: "malformed", retryable: true },
  AUTH_MECHANISM_REFUSED: { conclusion: "refused", retryable: false },
  AUTH_REJECTED: { conclusion: "refused", retryable: false },
  AUTH_WEAK_CHALLENGE: { conclusion: "refused", retryable: false },
  AUTH_MISSING_NAMES: { conclusion: "refused", retryable: false },
  AUTH_BAD_CREDENTIALS: { conclusion: "misuse", retryable: false },
  AUTH_PASSWORD_UNAVAILABLE: { conclusion: "never-sent", retryable: true },
  AUTH_NTLM_UNAVAILABLE: { conclusion: "misuse", retryable: false },
  AUTH_KERBEROS_UNAVAILABLE: { conclusion: "misuse", retryable: false },
  AUTH_KERBEROS_UNREACHABLE: { conclusion: "silent", retryable: true },
  AUTH_KERBEROS_NO_TICKET: { conclusion: "never-sent", retryable: true },
  AUTH_ACCOUNT_CLOSED: { conclusion: "refused", retryable: false },
  AUTH_KERBEROS_REFUSED: { conclusion: "refused", retryable: false },
  AUTH_KERBEROS_FAILED: { conclusion: "refused", retryable: false },
  AUTH_NOT_COMPLETE: { conclusion: "misuse", retryable: false },
  AUTH_OVER: { conclusion: "never-sent", retryable: false },
};

/** Authentication cannot go on. Messages never contain passwords, keys or token bytes. */
export class AuthError extends Smb2NatsError {
  declare readonly code: AuthErrorCode;

  constructor(code: AuthErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    const { conclusion, retryable } = MEANING[code];
    super(code, conclusion, message, { ...options, retryable });
  }
}

/** Every code of `AuthError`. */
export const AUTH_ERROR_CODES: readonly AuthErrorCode[] = Object.keys(MEANING) as AuthErrorCode[];

/** @throws AuthError `AUTH_MALFORMED_TOKEN` */
export function malformed(what: string): never {
  throw new AuthError("AUTH_MALFORMED_TOKEN", what);
}
