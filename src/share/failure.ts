import { AuthError } from "../auth/errors.ts";
import { AbortedError, describeError } from "../base/errors.ts";
import { EncodeError } from "../codec/errors.ts";
import { NtStatus } from "../codec/status.ts";
import { SmbDfsError } from "../smb/dfs/index.ts";
import { SmbCredentialsError, SmbNotSentError, SmbSecurityError, SmbStatusError } from "../smb/errors.ts";
import { classifyStatus, type StatusClass } from "../smb/status-class.ts";
import { SourceError, type SourceFailure } from "../watch/source.ts";

/** What a status class means for a watch. The one place that decides it. */
const FAILURES: Readonly<Record<StatusClass, SourceFailure>> = {
  reconnect: "unreachable",
  "re-session": "unreachable",
  "re-tree": "unreachable",
  busy: "busy",
  gone: "gone",
  // DFS links are followed before this; what is left are symbolic links of the server.
  redirect: "bad-path",
  config: "denied",
  credentials: "credentials",
  account: "policy",
  "auth-infrastructure": "unreachable",
  security: "denied",
  unsupported: "unsupported",
  cancelled: "unreachable",
  other: "busy",
};

/** Statuses whose meaning for a watch is finer than their class. */
const EXCEPTIONS: ReadonlyMap<number, SourceFailure> = new Map([
  [NtStatus.NOT_A_DIRECTORY, "not-a-directory"],
  [NtStatus.OBJECT_NAME_INVALID, "bad-path"],
  [NtStatus.OBJECT_PATH_INVALID, "bad-path"],
  [NtStatus.OBJECT_PATH_SYNTAX_BAD, "bad-path"],
  [NtStatus.SHARING_VIOLATION, "busy"],
  // The share, not the path, is away: whoever waits for it is called back when it can be connected to again.
  [NtStatus.BAD_NETWORK_NAME, "unreachable"],
  // The handle is gone: opening it again is all there is to do.
  [NtStatus.FILE_CLOSED, "unreachable"],
  [NtStatus.INVALID_HANDLE, "unreachable"],
]);

export function failureOfStatus(status: number): SourceFailure {
  return EXCEPTIONS.get(status) ?? FAILURES[classifyStatus(status)];
}

/** Any error of the SMB engine as the watch engine wants it. AbortedError stays what it is. */
export function sourceError(error: unknown): SourceError | AbortedError {
  if (error instanceof SourceError || error instanceof AbortedError) return error;
  return new SourceError(failureOf(error), describeError(error), error);
}

/** Whether the server answered, but has no share of this name (now). */
export function isNoSuchShare(error: unknown): boolean {
  if (error instanceof SmbStatusError) return error.status === NtStatus.BAD_NETWORK_NAME;
  return error instanceof Error && error.cause !== undefined && isNoSuchShare(error.cause);
}

function failureOf(error: unknown): SourceFailure {
  // Others have all places on the share: one gets free sooner or later.
  if (error instanceof SmbStatusError && error.shareFull) return "unreachable";
  if (error instanceof SmbStatusError) return failureOfStatus(error.status);
  if (error instanceof SmbCredentialsError) return "credentials";
  // What does not fit into a request is the path, which a server may have told us: all else in them is ours.
  if (error instanceof EncodeError) return "bad-path";
  // A server that may be an impostor gets neither data nor another try with the same settings at once.
  if (error instanceof SmbSecurityError) return "policy";
  // The link is there, and nothing behind it: it may come back.
  if (error instanceof SmbDfsError) return "gone";
  // We could not even ask to be let in, until somebody sets something right; the text says what.
  if (error instanceof AuthError && !error.retryable) return "policy";
  // Not sent because the last attempt to connect failed: that attempt tells what is wrong.
  if (error instanceof SmbNotSentError && error.cause !== undefined) return failureToConnect(error.cause);
  return "unreachable";
}

/** What failed was the way to the share: whoever may not have it may not have any path of it. */
export function failureToConnect(error: unknown): SourceFailure {
  const failure = failureOf(error);
  return failure === "denied" ? "policy" : failure;
}
