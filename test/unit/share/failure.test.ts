import { describe, expect, it } from "vitest";
import { encodeCreateRequest } from "../../../src/codec/msg/create.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { sourceError } from "../../../src/share/failure.ts";
import { SmbStatusError } from "../../../src/smb/errors.ts";
import { SourceError } from "../../../src/watch/source.ts";

const failureOf = (error: unknown): string => {
  const translated = sourceError(error);
  return translated instanceof SourceError ? translated.failure : translated.code;
};

it("a path that no request can hold is a bad path, not a server out of reach", () => {
  const encode = (name: string): unknown =>
    encodeCreateRequest({
      ...{
        desiredAccess: 1,
        fileAttributes: 0,
        shareAccess: 7,
        createDisposition: 1,
        createOptions: 0,
        name,
      },
    });
  expect(encode("x".repeat(32_767))).toBeDefined();
  let error: unknown;
  try {
    encode("x".repeat(32_768));
  } catch (thrown) {
    error = thrown;
  }
  expect(failureOf(error)).toBe("bad-path");
});

describe("a share without a place for another connection", () => {
  it.each([NtStatus.INSUFFICIENT_RESOURCES, NtStatus.REQUEST_NOT_ACCEPTED])(
    "is out of reach for now: %i",
    (status) => {
      expect(failureOf(new SmbStatusError("TREE_CONNECT", status))).toBe("unreachable");
    },
  );

  it("is another thing than a server short of something for one request", () => {
    expect(failureOf(new SmbStatusError("CREATE", NtStatus.INSUFFICIENT_RESOURCES))).toBe("busy");
  });
});
