import { describe, expect, it } from "vitest";
import { NtStatus } from "../../../src/codec/status.ts";
import * as errors from "../../../src/smb/errors.ts";
import { classifyStatus, isRetryable } from "../../../src/smb/status-class.ts";

const ONE_OF_EACH: readonly errors.SmbError[] = [
  new errors.SmbStatusError("CREATE", NtStatus.ACCESS_DENIED),
  new errors.SmbTimeoutError("ECHO", 30_000),
  new errors.SmbConnectionError("gone"),
  new errors.SmbNotSentError("CREATE"),
  new errors.SmbProtocolError("nonsense"),
  new errors.SmbSecurityError("guest", "no"),
  new errors.SmbCredentialsError("no", NtStatus.LOGON_FAILURE),
  new errors.SmbCreditError("none"),
];

describe("errors", () => {
  it("each class has a code of its own, and none is missing here", () => {
    const classes = Object.values(errors).filter((each) => each !== errors.SmbError);
    expect(new Set(ONE_OF_EACH.map((error) => error.constructor))).toEqual(new Set(classes));
    expect(new Set(ONE_OF_EACH.map((error) => error.code)).size).toBe(ONE_OF_EACH.length);
  });

  it("say what one may conclude", () => {
    expect(Object.fromEntries(ONE_OF_EACH.map((error) => [error.code, error.conclusion]))).toEqual({
      SMB_STATUS: "refused",
      SMB_TIMEOUT: "silent",
      SMB_CONNECTION: "hung-up",
      SMB_NOT_SENT: "never-sent",
      SMB_PROTOCOL: "malformed",
      SMB_SECURITY: "refused",
      SMB_CREDENTIALS: "refused",
      SMB_CREDITS: "never-sent",
    });
  });

  it("carry the status by number and by name", () => {
    const error = new errors.SmbStatusError("CREATE", NtStatus.DELETE_PENDING);
    expect(error).toMatchObject({
      command: "CREATE",
      status: 0xc000_0056,
      statusName: "STATUS_DELETE_PENDING",
      retryable: true,
    });
  });
});

describe("status classes", () => {
  const rows: [number, ReturnType<typeof classifyStatus>, boolean][] = [
    [NtStatus.CONNECTION_RESET, "reconnect", true],
    [NtStatus.USER_SESSION_DELETED, "re-session", true],
    [NtStatus.NETWORK_SESSION_EXPIRED, "re-session", true],
    [NtStatus.NETWORK_NAME_DELETED, "re-tree", true],
    [NtStatus.INSUFFICIENT_RESOURCES, "busy", true],
    [NtStatus.OBJECT_NAME_NOT_FOUND, "gone", true],
    [NtStatus.DELETE_PENDING, "gone", true],
    [NtStatus.PATH_NOT_COVERED, "redirect", false],
    [NtStatus.BAD_NETWORK_NAME, "config", false],
    [NtStatus.ACCESS_DENIED, "config", false],
    [NtStatus.LOGON_FAILURE, "credentials", false],
    [NtStatus.PASSWORD_EXPIRED, "credentials", false],
    [NtStatus.ACCOUNT_LOCKED_OUT, "account", false],
    [NtStatus.ACCOUNT_DISABLED, "account", false],
    [NtStatus.INVALID_LOGON_HOURS, "account", false],
    [NtStatus.NO_LOGON_SERVERS, "auth-infrastructure", true],
    [NtStatus.DOWNGRADE_DETECTED, "security", false],
    [NtStatus.NOT_IMPLEMENTED, "unsupported", false],
    [NtStatus.CANCELLED, "cancelled", false],
    [NtStatus.INVALID_PARAMETER, "other", false],
  ];
  it.each(rows)("0x%s", (status, kind, retryable) => {
    expect(classifyStatus(status)).toBe(kind);
    expect(isRetryable(status)).toBe(retryable);
  });
});
