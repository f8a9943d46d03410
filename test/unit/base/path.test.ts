import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadPathError } from "../../../src/base/errors.ts";
import {
  baseName,
  canonicalPath,
  foldCase,
  isWithin,
  joinPath,
  parentOf,
  pathKey,
  segmentsOf,
} from "../../../src/base/path.ts";

describe("canonicalPath", () => {
  it.each([
    ["", "/"],
    ["/", "/"],
    ["dir", "/dir"],
    ["/dir", "/dir"],
    ["dir/", "/dir"],
    ["/dir//sub/", "/dir/sub"],
    ["a b/Ünï 😀.txt", "/a b/Ünï 😀.txt"],
    ["100% *", "/100% *"],
    [".hidden/..x/x..", "/.hidden/..x/x.."],
  ])("%j -> %j", (input, expected) => {
    expect(canonicalPath(input)).toBe(expected);
  });

  it.each([
    ["..", '".."'],
    ["a/../b", '".."'],
    ["./a", '"."'],
    ["a\\b", "backslash"],
    ["a\0b", "control"],
    ["a\nb", "control"],
    ["a\x7fb", "control"],
    ["x".repeat(256), "255 UTF-16 units"],
    [`${"é".repeat(200)}/`.repeat(11), "4096 bytes"],
  ])("refuses %j", (input, reason) => {
    expect(() => canonicalPath(input)).toThrow(BadPathError);
    expect(() => canonicalPath(input)).toThrow(reason);
  });

  it("is idempotent, and accepts exactly 255 units", () => {
    expect(canonicalPath("😀".repeat(127))).toBe(`/${"😀".repeat(127)}`);
    expect(canonicalPath("x".repeat(255))).toBe(`/${"x".repeat(255)}`);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
        let once: string;
        try {
          once = canonicalPath(text);
        } catch (error) {
          expect(error).toBeInstanceOf(BadPathError);
          return;
        }
        expect(canonicalPath(once)).toBe(once);
        expect(segmentsOf(once).reduce(joinPath, "/")).toBe(once);
      }),
    );
  });
});

describe("path parts", () => {
  it("takes apart and puts together", () => {
    expect(segmentsOf("/")).toEqual([]);
    expect(segmentsOf("/a/b")).toEqual(["a", "b"]);
    expect(joinPath("/", "x/y")).toBe("/x/y");
    expect(joinPath("/a", "x")).toBe("/a/x");
    expect(joinPath("/a", "")).toBe("/a");
    expect([parentOf("/a/b"), parentOf("/a"), parentOf("/")]).toEqual(["/a", "/", "/"]);
    expect([baseName("/a/b"), baseName("/")]).toEqual(["b", ""]);
  });

  it("knows what lies within", () => {
    expect(isWithin("/", "/a")).toBe(true);
    expect(isWithin("/a", "/a")).toBe(true);
    expect(isWithin("/a", "/a/b")).toBe(true);
    expect(isWithin("/a", "/ab")).toBe(false);
    expect(isWithin("/a/b", "/a")).toBe(false);
  });
});

describe("foldCase", () => {
  it.each([
    ["MEDIA", "media"],
    ["Übung", "übung"],
    ["ΑΒΓ", "αβγ"],
    ["Straße", "straße"],
    ["İstanbul", "İstanbul"], // lower case of U+0130 is two units
    ["\u212Aelvin", "\u212Aelvin"], // the Kelvin sign is not K to a file server
    ["\u{10400}", "\u{10400}"], // per UTF-16 unit: surrogates stay
    ["\ud800x", "\ud800x"],
  ])("%j -> %j", (name, folded) => {
    expect(foldCase(name)).toBe(folded);
  });

  it("keeps the length, is idempotent, and keeps composed and decomposed forms apart", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const folded = foldCase(text);
        expect(folded.length).toBe(text.length);
        expect(foldCase(folded)).toBe(folded);
      }),
    );
    expect(foldCase("É")).not.toBe(foldCase("E\u0301"));
  });

  it("is used only where the server compares without case", () => {
    expect(pathKey("/Media", false)).toBe("/media");
    expect(pathKey("/Media", true)).toBe("/Media");
  });
});
