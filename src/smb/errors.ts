import { type Conclusion, Smb2NatsError } from "../base/errors.ts";
import { statusName } from "../codec/status.ts";
import type { Dialect, EncryptionPolicy, SigningPolicy } from "./options.ts";
import { classifyStatus, isRetryable } from "./status-class.ts";

/** Root of all errors of the SMB engine; `code` is unique per class. */
export abstract class SmbError extends Smb2NatsError {}

/** The server answered no. Branch on `status`, or on its class by `classifyStatus`. */
export class SmbStatusError extends SmbError {
  /** NTSTATUS (MS-ERREF 2.3). */
  readonly status: number;
  /** `STATUS_ACCESS_DENIED` and the like; hexadecimal when the table does not know it. */
  readonly statusName: string;
  /** What was asked: `CREATE`, `TREE_CONNECT`. */
  readonly command: string;

  constructor(command: string, status: number) {
    super("SMB_STATUS", "refused", `${command}: ${statusName(status)}`, { retryable: isRetryable(status) });
    this.command = command;
    this.status = status;
    this.statusName = statusName(status);
  }

  /** The share takes no further connection now: Samba's `max connections`, the user limit of a Windows share. */
  get shareFull(): boolean {
    return this.command === "TREE_CONNECT" && classifyStatus(this.status) === "busy";
  }
}

/** The server stayed silent past a deadline; the request may or may not have been carried out. */
export class SmbTimeoutError extends SmbError {
  /** Milliseconds of silence. */
  readonly after: number;
  constructor(what: string, after: number) {
    super("SMB_TIMEOUT", "silent", `${what}: the server was silent for ${Math.round(after)} ms`, {
      retryable: true,
    });
    this.after = after;
  }
}

/** The connection ended, or never came to be, while an answer was due. */
export class SmbConnectionError extends SmbError {
  constructor(message: string, cause?: unknown) {
    super("SMB_CONNECTION", "hung-up", message, { retryable: true, cause });
  }
}

/** Nothing left this process: there was no usable connection. `cause` says why. */
export class SmbNotSentError extends SmbError {
  constructor(what: string, cause?: unknown) {
    super("SMB_NOT_SENT", "never-sent", `${what}: not sent`, { retryable: true, cause });
  }
}

/** What arrived breaks the protocol. The connection it came on is gone: there is no resync in SMB. */
export class SmbProtocolError extends SmbError {
  constructor(message: string, cause?: unknown) {
    super("SMB_PROTOCOL", "malformed", message, { retryable: true, cause });
  }
}

/**
 * - `guest`, `anonymous`: the server let us in as someone else.
 * - `unsigned`, `bad-signature`, `unencrypted`, `bad-seal`: an answer lacks the protection agreed on.
 * - `downgrade`: the negotiated parameters are not those the server meant.
 * - `policy`: the server cannot do what our configuration demands.
 */
export type SecurityViolation =
  | "guest"
  | "anonymous"
  | "unsigned"
  | "bad-signature"
  | "unencrypted"
  | "bad-seal"
  | "downgrade"
  | "policy";

/** The connection option that keeps us out, and the value of it that would let us in. */
export type Remedy =
  | { readonly option: "dialects"; readonly value: Dialect }
  | { readonly option: "signing"; readonly value: SigningPolicy }
  | { readonly option: "encryption"; readonly value: EncryptionPolicy }
  | { readonly option: "auth"; readonly value: "kerberos" };

/** The peer may not be who it claims to be, or will not protect what it says. */
export class SmbSecurityError extends SmbError {
  readonly violation: SecurityViolation;
  /** With `policy`, where one of our own options would change the outcome. Taking it is people's decision. */
  readonly remedy: Remedy | undefined;
  /** It is about a part of a compound: the server may do better with single requests. */
  readonly compound: boolean;
  constructor(
    violation: SecurityViolation,
    message: string,
    {
      cause,
      remedy,
      compound = false,
    }: { readonly cause?: unknown; readonly remedy?: Remedy; readonly compound?: boolean } = {},
  ) {
    super("SMB_SECURITY", "refused", message, { cause });
    this.violation = violation;
    this.remedy = remedy;
    this.compound = compound;
  }
}

/**
 * The server refused the credentials. Never repeated by itself, because accounts get locked out.
 * `status` is absent where the mechanism itself failed before the server could judge.
 */
export class SmbCredentialsError extends SmbError {
  readonly status: number | undefined;
  constructor(message: string, status: number | undefined, cause?: unknown) {
    super("SMB_CREDENTIALS", "refused", message, { cause });
    this.status = status;
  }
}

/** The server has no free slot for our requests or is short of credits it owes us. */
export class SmbCreditError extends SmbError {
  constructor(message: string, conclusion: Conclusion = "never-sent") {
    super("SMB_CREDITS", conclusion, message, { retryable: true });
  }
}
