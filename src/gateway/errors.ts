import { BadPathError, errorCode, Smb2NatsError } from "../base/errors.ts";
import { FleetError } from "../fleet/errors.ts";

/** The codes of `error` frames (contract section 5). */
export const ERROR_CODES = [
  "bad_message",
  "bad_path",
  "unknown_connection",
  "denied",
  "not_found",
  "not_a_directory",
  "unreachable",
  "limit",
  "too_large",
  "no_changes",
  "unauthenticated",
  "expired",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What a browser is told. Fixed texts: a server's own words may name hosts, shares and accounts. */
const TEXT: Readonly<Record<ErrorCode, string>> = {
  bad_message: "this message is not understood",
  bad_path: "this path is not allowed",
  unknown_connection: "there is no connection of this name",
  denied: "you have no right to this directory, or the file server refuses it",
  not_found: "there is no such directory",
  not_a_directory: "this is not a directory",
  unreachable: "the file server, or the worker for it, cannot be reached now",
  limit: "a limit is reached",
  too_large:
    "more entries than are remembered: raise maxEntries of the connection, or subscribe without snapshot, and list",
  no_changes: "of this directory only files that are complete are told: no picture can be kept by that",
  unauthenticated: "a valid token is needed",
  expired: "the token has run out",
  internal: "something went wrong on our side",
};

/** A request that is answered with an `error` frame. `message` is meant for the client. */
export class RequestError extends Smb2NatsError {
  /** The contract's code. */
  readonly answer: ErrorCode;

  constructor(answer: ErrorCode, message: string = TEXT[answer], options: { readonly cause?: unknown } = {}) {
    super(`GATEWAY_${answer.toUpperCase()}`, "refused", message, {
      retryable: answer === "unreachable" || answer === "limit",
      ...options,
    });
    this.answer = answer;
  }
}

export type TokenFault = "missing" | "invalid" | "expired" | "unavailable";

/** A token that is not believed, or not there. `message` is meant for the client, and never contains the token. */
export class TokenError extends Smb2NatsError {
  readonly reason: TokenFault;
  /** It may have been right under another key than the one we have. */
  readonly otherKey: boolean;

  constructor(
    reason: TokenFault,
    message: string,
    cause?: unknown,
    { otherKey = false }: { readonly otherKey?: boolean } = {},
  ) {
    super(`TOKEN_${reason.toUpperCase()}`, reason === "unavailable" ? "silent" : "refused", message, {
      retryable: reason === "unavailable",
      cause,
    });
    this.reason = reason;
    this.otherKey = otherKey;
  }
}

/** The gateway's options contradict themselves, or would open it to everyone. */
export class GatewayOptionsError extends Smb2NatsError {
  constructor(message: string) {
    super("GATEWAY_OPTIONS", "misuse", message);
  }
}

/** Whatever was thrown, as an answer. Only our own words leave the house. */
export function toRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (error instanceof BadPathError) return new RequestError("bad_path", error.message, { cause: error });
  const cause = { cause: error };
  if (error instanceof FleetError) {
    const { failure } = error;
    if (failure === "retention") return new RequestError("internal", undefined, cause);
    return new RequestError(failure, undefined, cause);
  }
  if (errorCode(error) === "DEADLINE") return new RequestError("unreachable", undefined, cause);
  return new RequestError("internal", undefined, cause);
}
