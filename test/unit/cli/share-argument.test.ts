import { describe, expect, it } from "vitest";
import { connectionNameOf, formatShare, parseShareArgument } from "../../../src/cli/share-argument.ts";

describe("a share on the command line", () => {
  it.each([
    ["//nas/media", "nas", undefined, "media", "/"],
    ["//nas/media/", "nas", undefined, "media", "/"],
    ["//nas:1445/media/a b/c", "nas", 1445, "media", "/a b/c"],
    ["//192.0.2.1:445/C$", "192.0.2.1", 445, "C$", "/"],
    ["//2001:db8::1/x", "2001:db8::1", undefined, "x", "/"],
    ["//[2001:db8::1]:1445/x/y", "2001:db8::1", 1445, "x", "/y"],
    ["//[fe80::1%eth0]/x", "fe80::1%eth0", undefined, "x", "/"],
  ])("%s", (operand, server, port, share, path) => {
    expect(parseShareArgument(operand)).toEqual({ server, port, share, path });
  });

  it.each([
    ["\\\\nas\\media", 'write "//nas/media"'],
    ["smb://nas/media", 'write "//nas/media"'],
    ["nas/media", "is not a share"],
    ["//nas", "names no share"],
    ["//nas/", "names no share"],
    ["///media", "is not a server"],
    ["//nas:0/x", "is not a server"],
    ["//nas:99999/x", "is not a server"],
    ["//nas:4a5/x", "is not a server"],
    ["//na s/x", "is not a server"],
    ["//nas/a:b", "is not the name of a share"],
    ["//nas/x/../y", "bad path"],
  ])("%s is refused", (operand, why) => {
    expect(() => parseShareArgument(operand)).toThrow(why);
  });

  it.each(["//ann:hunter2@nas/x", "smb://ann:hunter2@nas/x", "\\\\ann:hunter2@nas\\x"])(
    "%s: a password is not repeated",
    (operand) => {
      expect(() => parseShareArgument(operand)).toThrow(/^(?!.*hunter2).*never an argument/);
    },
  );

  it("makes a connection's name of it", () => {
    const name = (share: string): string => connectionNameOf(parseShareArgument(`//s/${share}`));
    expect(name("Media (old)")).toBe("media-old");
    expect(name("C$")).toBe("c");
    expect(name("_x")).toBe("x");
    expect(name("Фото")).toBe("share");
  });

  it("is written as it was read", () => {
    for (const text of ["//nas/x", "//nas:1445/x", "//[::1]:1445/x"]) {
      expect(formatShare(parseShareArgument(text))).toBe(text);
    }
  });
});
