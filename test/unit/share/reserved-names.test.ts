import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalPath } from "../../../src/base/path.ts";
import { isListedName } from "../../../src/codec/names.ts";
import { shownName, storedPaths } from "../../../src/share/reserved-names.ts";

describe("names with characters that SMB reserves", () => {
  it.each([
    ["a\uf022b", "a:b"],
    ["really\uf025/\uf020quoted\uf020/end\uf029", 'really?/"quoted"/end.'],
    ["plain/names stay.txt", "plain/names stay.txt"],
    // Not a mapping of reserved characters: U+F026 would become a separator, others stand for nothing.
    ["a\uf026b\uf001\uf8ff", "a\uf026b\uf001\uf8ff"],
  ])("%j is shown as %j", (stored, shown) => {
    expect(shownName(stored)).toBe(shown);
  });

  it("asks by stand-ins first, then by the name as it is, and once where both are the same", () => {
    expect(storedPaths("/a:b/c?")).toEqual(["/a\uf022b/c\uf025", "/a:b/c?"]);
    expect(storedPaths("/dir./x")).toEqual(["/dir\uf029/x", "/dir./x"]);
    expect(storedPaths("/a b/c.txt")).toEqual(["/a b/c.txt"]);
    expect(storedPaths("/")).toEqual(["/"]);
  });

  it("finds every path again that was told", () => {
    const unit = fc.integer({ min: 0x20, max: 0xffff }).map((code) => String.fromCharCode(code));
    const rare = fc.constantFrom(
      ...':?"<>|*. '.split(""),
      "\uf020",
      "\uf022",
      "\uf026",
      "\uf028",
      "\uf029",
      "\ud800",
    );
    const name = fc
      .array(fc.oneof({ weight: 2, arbitrary: unit }, { weight: 3, arbitrary: rare }), {
        minLength: 1,
        maxLength: 6,
      })
      .map((units) => units.join(""))
      .filter((text) => isListedName(text) && !text.includes("\x7f"));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 3 }), (segments) => {
        const stored = `/${segments.join("/")}`;
        expect(storedPaths(canonicalPath(shownName(stored)))).toContain(stored);
      }),
    );
  });

  it("keeps apart what the server keeps apart: composed and decomposed, lone surrogates", () => {
    for (const name of ["\u00fc", "u\u0308", "\ud800x", "x\udc00", "\ufb01"]) {
      expect(shownName(name)).toBe(name);
      expect(storedPaths(`/${name}`)).toEqual([`/${name}`]);
    }
  });
});
