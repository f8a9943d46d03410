import { describe, expect, it } from "vitest";
import { NtStatus } from "../../../src/codec/status.ts";
import { sourceError } from "../../../src/share/failure.ts";
import { SmbStatusError } from "../../../src/smb/errors.ts";
import { SourceError } from "../../../src/watch/source.ts";

const failureOf = (error: unknown): string => {
  const translated = sourceError(error);
  return translated instanceof SourceError ? translated.failure : translated.code;
};

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
