import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPath, isWithin } from "../../../src/base/path.ts";
import { MAX_GRANTS, Rights } from "../../../src/gateway/grants.ts";

const folded = { recursive: false, caseSensitive: false };

function allows(grant: string, path: string, options = folded): boolean {
  return new Rights([{ connection: "nas1", path: grant }]).allows("nas1", canonicalPath(path), options);
}

describe("grants", () => {
  it.each([
    ["/Media/**", "/Media", true],
    ["/Media/**", "/Media/a/b", true],
    ["/Media/**", "/", false],
    ["/Media/**", "/Mediaplan", false],
    ["/Media", "/Media", true],
    ["/Media", "/Media/a", false],
    ["/Media/*", "/Media/a", true],
    ["/Media/*", "/Media", false],
    ["/Media/*", "/Media/a/b", false],
    ["/*/Photos", "/Media/Photos", true],
    ["/*/Photos", "/Media/x/Photos", false],
    ["/**/Photos", "/Photos", true],
    ["/**/Photos", "/a/b/Photos", true],
    ["/**/Photos", "/a/b/Photos/c", false],
    ["/year-*-done", "/year-2026-done", true],
    ["/year-*-done", "/year-done", false],
    ["/a**b/x", "/a123b/x", true],
    ["/", "/", true],
    ["/", "/a", false],
    ["/**", "/anything/at/all", true],
  ])("%s for %s: %s", (grant, path, expected) => {
    expect(allows(grant, path)).toBe(expected);
  });

  it.each([
    ["/Media/**", "/Media", true],
    ["/Media/**", "/Media/a", true],
    ["/Media", "/Media", false],
    ["/Media/*", "/Media/a", false],
    ["/**/Photos", "/a/Photos", false],
    ["/**/x/**", "/a/x", true],
    ["/**/x/**", "/a", false],
    ["/**", "/", true],
  ])("a subtree needs a grant for all that can ever be in it: %s for %s: %s", (grant, path, expected) => {
    expect(allows(grant, path, { recursive: true, caseSensitive: false })).toBe(expected);
  });

  it("compares as the server does", () => {
    expect(allows("/Media/**", "/MEDIA/x")).toBe(true);
    expect(allows("/Media/**", "/MEDIA/x", { recursive: false, caseSensitive: true })).toBe(false);
    expect(allows("/Übung/**", "/ÜBUNG")).toBe(true);
  });

  it.each([
    ["another Unicode form", "/U\u0308bung"],
    ["percent-encoding", "/%C3%9Cbung"],
    ["full-width letters", "/Übun\uff47"],
    ["a trailing dot", "/Übung."],
    ["a trailing space", "/Übung "],
    ["a stream", "/Übung::$INDEX_ALLOCATION"],
    ["a short name", "/BUNG~1"],
    ["a zero-width space", "/Übung\u200b"],
  ])("is not opened by %s", (_what, path) => {
    expect(allows("/Übung/**", path)).toBe(false);
  });

  it("holds for the connections it names", () => {
    const rights = new Rights([{ connection: "nas*", path: "/a" }]);
    expect(rights.allows("nas2", "/a", folded)).toBe(true);
    expect(rights.allows("filer", "/a", folded)).toBe(false);
    expect(rights.knows("nas2")).toBe(true);
    expect(rights.knows("filer")).toBe(false);
  });

  it.each(["/a/../b", "/a\\b", "/\u0000"])("refuses the grant %j", (path) => {
    expect(() => new Rights([{ connection: "nas1", path }])).toThrow(/bad path/);
  });

  it("refuses more grants than anyone can mean", () => {
    const grants = Array.from({ length: MAX_GRANTS + 1 }, () => ({ connection: "a", path: "/" }));
    expect(() => new Rights(grants)).toThrow(RangeError);
  });

  const segment = fc.string({
    minLength: 1,
    maxLength: 6,
    unit: fc.constantFrom("a", "B", "*", ".", " ", "ß"),
  });
  const clean = segment.filter((text) => !/^\.+$/.test(text));
  const path = fc.array(clean, { maxLength: 5 }).map((parts) => `/${parts.join("/")}`);

  it("property: a plain subtree grant is exactly isWithin", () => {
    const plain = path.filter((text) => !text.includes("*"));
    fc.assert(
      fc.property(plain, plain, (grant, asked) => {
        const rights = new Rights([{ connection: "nas1", path: `${grant}/**` }]);
        expect(rights.allows("nas1", asked, { recursive: false, caseSensitive: true })).toBe(
          isWithin(grant, asked),
        );
      }),
    );
  });

  it("property: what is granted recursively is granted for everything below", () => {
    const pattern = fc
      .array(fc.oneof(clean, fc.constant("**"), fc.constant("*")), { maxLength: 5 })
      .map((parts) => `/${parts.join("/")}`);
    fc.assert(
      fc.property(pattern, path, path, (grant, asked, below) => {
        const rights = new Rights([{ connection: "nas1", path: grant }]);
        if (!rights.allows("nas1", asked, { recursive: true, caseSensitive: false })) return;
        const deeper = canonicalPath(`${asked}/${below}`);
        expect(rights.allows("nas1", deeper, folded)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("property: agrees with a regular expression built from the pattern", () => {
    const pattern = fc.array(fc.oneof(clean, fc.constant("*")), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pattern, path, (parts, asked) => {
        fc.pre(!parts.includes("**"));
        const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
        const source = parts.map((part) => `(?=[^/])${part.split("*").map(literal).join("[^/]*")}`).join("/");
        const rights = new Rights([{ connection: "nas1", path: `/${parts.join("/")}` }]);
        expect(rights.allows("nas1", asked, { recursive: false, caseSensitive: true })).toBe(
          new RegExp(`^/${source}$`, "s").test(asked),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it("takes no time over patterns made to take time", () => {
    const evil = `/${Array.from({ length: 60 }, () => "**/*a*a*a*a*b").join("/")}`;
    const asked = `/${Array.from({ length: 500 }, () => "aaaaaa").join("/")}`;
    const startedAt = performance.now();
    expect(allows(evil, asked)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});
