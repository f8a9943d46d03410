import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldCase, isWithin, joinPath } from "../../../../src/base/path.ts";
import { planCover, treeFor } from "../../../../src/watch/cover/cover-policy.ts";
import type { CoverPolicy } from "../../../../src/watch/interest.ts";

const path = fc
  .array(fc.constantFrom("a", "A", "b", "c"), { maxLength: 3 })
  .map((names) => joinPath("/", names.join("/")));
const input = fc
  .record({
    cover: fc.constantFrom<CoverPolicy>("auto", "directory", "tree"),
    recursionStops: fc.boolean(),
    interests: fc.array(fc.record({ path, recursive: fc.boolean() }), { maxLength: 8 }),
    fell: fc.array(fc.boolean(), { maxLength: 8 }),
  })
  .map(({ fell, ...rest }) => ({
    ...rest,
    key: foldCase,
    fallen: new Set(
      rest.interests
        .filter(({ recursive }, at) => recursive && fell[at] === true)
        .map((one) => foldCase(one.path)),
    ),
  }));

describe("cover", () => {
  it("serves every interest with one handle per path", () => {
    fc.assert(
      fc.property(input, (given) => {
        const units = planCover(given);
        const keys = units.map((unit) => foldCase(unit.path));
        expect(new Set(keys).size, "one handle per path").toBe(keys.length);
        for (const interest of given.interests) {
          const key = foldCase(interest.path);
          const served = units.some(
            (unit) =>
              (unit.recursive && isWithin(foldCase(unit.path), key)) ||
              (!unit.recursive && foldCase(unit.path) === key && (unit.expand || !interest.recursive)),
          );
          expect(served, JSON.stringify(interest)).toBe(true);
        }
        if (given.interests.length === 0) expect(units).toEqual([]);
      }),
    );
  });

  it("never has a recursive handle inside another, nor a plain one inside a recursive one", () => {
    fc.assert(
      fc.property(input, (given) => {
        const units = planCover(given);
        for (const outer of units.filter(({ recursive }) => recursive)) {
          for (const inner of units) {
            if (inner !== outer) expect(isWithin(foldCase(outer.path), foldCase(inner.path))).toBe(false);
          }
        }
      }),
    );
  });

  it("is one handle at the root, unless that cannot hear of everything there is", () => {
    const interests = [
      { path: "/x", recursive: false },
      { path: "/y/z", recursive: true },
    ];
    const rest = { interests, fallen: new Set<string>(), key: foldCase };
    const tree = [{ path: "/", recursive: true, expand: false }];
    expect(planCover({ ...rest, cover: "auto", recursionStops: false })).toEqual(tree);
    expect(planCover({ ...rest, cover: "tree", recursionStops: true })).toEqual(tree);
    expect(planCover({ ...rest, cover: "auto", recursionStops: true })).toEqual([
      { path: "/x", recursive: false, expand: false },
      { path: "/y/z", recursive: false, expand: true },
    ]);
  });

  it("answers a fallen interest by its topmost tree", () => {
    const given = {
      cover: "directory" as const,
      recursionStops: false,
      key: foldCase,
      fallen: new Set(["/a/b", "/a"]),
    };
    expect(treeFor("/a/b/c", given)).toBe("/a");
    expect(treeFor("/ab", given)).toBeUndefined();
  });
});
