import { NtStatus } from "../codec/status.ts";

/**
 * What to do about a status, whatever was asked.
 * - `reconnect`: the connection is no good; dial again, with backoff.
 * - `re-session`: the session is gone or expired; authenticate again.
 * - `re-tree`: the share is gone, or its TreeId is stale; connect to it again.
 * - `busy`: the server is short of something; later, and with less.
 * - `gone`: the path is not there; it may come back.
 * - `redirect`: DFS link or symlink; the answer is elsewhere.
 * - `config`: somebody must change something; do not hammer.
 * - `credentials`: refused; never again by oneself, accounts get locked.
 * - `account`: not let in now, whatever the password: disabled, locked, out of hours. Slowly again.
 * - `auth-infrastructure`: nobody could judge the credentials; slowly again.
 * - `security`: the negotiation was tampered with.
 * - `unsupported`: the server does not know how.
 * - `cancelled`: we asked for it.
 * - `other`: none of these; it concerns the one request.
 */
export type StatusClass =
  | "reconnect"
  | "re-session"
  | "re-tree"
  | "busy"
  | "gone"
  | "redirect"
  | "config"
  | "credentials"
  | "account"
  | "auth-infrastructure"
  | "security"
  | "unsupported"
  | "cancelled"
  | "other";

const CLASSES: { readonly [kind in Exclude<StatusClass, "other">]: readonly number[] } = {
  reconnect: [
    NtStatus.CONNECTION_DISCONNECTED,
    NtStatus.CONNECTION_RESET,
    NtStatus.CONNECTION_ABORTED,
    NtStatus.UNEXPECTED_NETWORK_ERROR,
    NtStatus.SMB_BAD_CLUSTER_DIALECT,
  ],
  "re-session": [NtStatus.USER_SESSION_DELETED, NtStatus.NETWORK_SESSION_EXPIRED],
  "re-tree": [NtStatus.NETWORK_NAME_DELETED],
  busy: [
    NtStatus.SERVER_UNAVAILABLE,
    NtStatus.FILE_NOT_AVAILABLE,
    NtStatus.SHARE_UNAVAILABLE,
    NtStatus.SHARING_PAUSED,
    NtStatus.INSUFF_SERVER_RESOURCES,
    NtStatus.INSUFFICIENT_RESOURCES,
    NtStatus.REQUEST_NOT_ACCEPTED,
    NtStatus.TOO_MANY_OPENED_FILES,
    NtStatus.RETRY,
    NtStatus.IO_TIMEOUT,
    NtStatus.INSTANCE_NOT_AVAILABLE,
    NtStatus.PIPE_NOT_AVAILABLE,
  ],
  gone: [
    NtStatus.OBJECT_NAME_NOT_FOUND,
    NtStatus.OBJECT_PATH_NOT_FOUND,
    NtStatus.NO_SUCH_FILE,
    NtStatus.DELETE_PENDING,
    NtStatus.VOLUME_DISMOUNTED,
    NtStatus.FILE_INVALID,
  ],
  redirect: [NtStatus.PATH_NOT_COVERED, NtStatus.STOPPED_ON_SYMLINK],
  config: [
    NtStatus.BAD_NETWORK_NAME,
    NtStatus.ACCESS_DENIED,
    NtStatus.NETWORK_ACCESS_DENIED,
    NtStatus.OBJECT_NAME_INVALID,
    NtStatus.OBJECT_PATH_INVALID,
    NtStatus.OBJECT_PATH_SYNTAX_BAD,
    NtStatus.NOT_A_DIRECTORY,
    NtStatus.SHARING_VIOLATION,
  ],
  credentials: [
    NtStatus.LOGON_FAILURE,
    NtStatus.WRONG_PASSWORD,
    NtStatus.NO_SUCH_USER,
    NtStatus.PASSWORD_EXPIRED,
    NtStatus.PASSWORD_MUST_CHANGE,
  ],
  account: [
    NtStatus.ACCOUNT_RESTRICTION,
    NtStatus.INVALID_LOGON_HOURS,
    NtStatus.INVALID_WORKSTATION,
    NtStatus.ACCOUNT_DISABLED,
    NtStatus.ACCOUNT_EXPIRED,
    NtStatus.ACCOUNT_LOCKED_OUT,
    NtStatus.LOGON_TYPE_NOT_GRANTED,
  ],
  "auth-infrastructure": [
    NtStatus.NO_LOGON_SERVERS,
    NtStatus.NETLOGON_NOT_STARTED,
    NtStatus.TIME_DIFFERENCE_AT_DC,
  ],
  security: [NtStatus.DOWNGRADE_DETECTED],
  unsupported: [NtStatus.NOT_SUPPORTED, NtStatus.NOT_IMPLEMENTED, NtStatus.INVALID_DEVICE_REQUEST],
  cancelled: [NtStatus.CANCELLED],
};

const BY_STATUS: ReadonlyMap<number, StatusClass> = new Map(
  Object.entries(CLASSES).flatMap(([kind, statuses]) =>
    statuses.map((status): [number, StatusClass] => [status, kind as StatusClass]),
  ),
);

export function classifyStatus(status: number): StatusClass {
  return BY_STATUS.get(status) ?? "other";
}

/** Whether the same request may succeed later without anyone changing anything. */
export function isRetryable(status: number): boolean {
  const kind = classifyStatus(status);
  return (
    kind === "reconnect" ||
    kind === "re-session" ||
    kind === "re-tree" ||
    kind === "busy" ||
    kind === "gone" ||
    kind === "auth-infrastructure"
  );
}
