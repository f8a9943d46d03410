import { ClosedError } from "../../base/errors.ts";
import { NtStatus } from "../../codec/status.ts";
import {
  SmbConnectionError,
  SmbError,
  SmbNotSentError,
  SmbProtocolError,
  SmbStatusError,
  SmbTimeoutError,
} from "../errors.ts";
import { classifyStatus } from "../status-class.ts";

/** A DFS link leads nowhere: to itself, to a share that is not there, or too far. `route` is how we got there. */
export class SmbDfsError extends SmbError {
  readonly route: readonly string[];
  constructor(why: string, route: readonly string[], cause?: unknown) {
    super("SMB_DFS", "refused", `DFS: ${route.join(" -> ")}: ${why}`, { retryable: true, cause });
    this.route = route;
  }
}

/** Part of the namespace, but kept elsewhere (MS-SMB2 3.3.5.9). */
export function isNotCovered(error: unknown): boolean {
  return error instanceof SmbStatusError && error.status === NtStatus.PATH_NOT_COVERED;
}

/** The server cannot be asked now, which says nothing about the path: another target may know. */
export function isAway(error: unknown): boolean {
  if (error instanceof SmbNotSentError) {
    return error.cause === undefined || isAway(error.cause) || isAbsentShare(error.cause);
  }
  if (error instanceof SmbStatusError) {
    if (isAbsentShare(error)) return true;
    const kind = classifyStatus(error.status);
    return kind === "reconnect" || kind === "re-session" || kind === "re-tree";
  }
  return (
    error instanceof SmbConnectionError ||
    error instanceof SmbTimeoutError ||
    error instanceof SmbProtocolError ||
    error instanceof ClosedError
  );
}

/** No target was left to try: the error that says so, with the way. */
export function routed(error: unknown, route: readonly string[]): SmbError {
  const cause = error instanceof SmbNotSentError ? error.cause : error;
  if (isAbsentShare(cause) || isUnknownHost(cause)) {
    return new SmbDfsError("there is no such server or share", route, cause);
  }
  return new SmbNotSentError(`DFS: ${route.join(" -> ")}`, error);
}

function isAbsentShare(error: unknown): boolean {
  return error instanceof SmbStatusError && error.status === NtStatus.BAD_NETWORK_NAME;
}

function isUnknownHost(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current instanceof Error; depth++, current = current.cause) {
    if ((current as NodeJS.ErrnoException).code === "ENOTFOUND") return true;
  }
  return false;
}
