import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tree } from "../../../src/client/browser/tree.ts";
import type { Change } from "../../../src/watch/events.ts";
import { MirrorTree } from "../../../src/watch/mirror/tree.ts";

const name = fc.constantFrom("a", "A", "b", "ß", "İ", "c");
const path = fc.array(name, { maxLength: 3 }).map((names) => ["/x", ...names].join("/"));
const facts = fc.record(
  {
    type: fc.constantFrom("file" as const, "directory" as const),
    size: fc.nat(9),
    modified: fc.constant("2026-01-01T00:00:00.000Z"),
    stream: fc.constant(true as const),
    emptied: fc.constant(true as const),
  },
  { requiredKeys: [] },
);
const change: fc.Arbitrary<Change> = fc
  .record({
    action: fc.constantFrom(
      "added" as const,
      "removed" as const,
      "modified" as const,
      "renamed" as const,
      "ready" as const,
    ),
    name,
    oldName: name,
    facts,
  })
  .map(({ action, name, oldName, facts }) => ({
    action,
    name,
    ...facts,
    ...(action === "renamed" ? { oldName } : {}),
  }));
const step = fc.record({
  path,
  via: fc.constantFrom("notify" as const, "rescan" as const),
  changes: fc.array(change, { minLength: 1, maxLength: 4 }),
});

describe("the browser's tree", () => {
  it("does with changes what the gateway's does", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 30 }),
        fc.boolean(),
        fc.boolean(),
        (steps, recursive, sensitive) => {
          const theirs = new MirrorTree("/x", recursive, () => sensitive);
          let ours = new Tree("/x", recursive, !sensitive);
          for (const [at, { path, via, changes }] of steps.entries()) {
            expect(ours.apply(path, changes, via)).toBe(theirs.apply(path, changes, via));
            expect(ours.entries(path)).toEqual(theirs.entries(path));
            expect(ours.get(path)).toEqual(theirs.get(path));
            // A snapshot in between must make no difference.
            if (at % 7 === 3) {
              ours = new Tree("/x", recursive, !sensitive);
              const parts = [...theirs.directories()];
              for (const { path: directory, entries } of parts) ours.add({ directory, entries });
              theirs.load(parts);
            }
          }
          expect([...ours.walk()]).toEqual([...theirs.walk()]);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("finds a directory however its path is written, and nothing beside it", () => {
    const tree = new Tree("/Media", true, true);
    tree.add({ directory: "/Media", entries: [{ name: "Sub", type: "directory" }] });
    tree.add({ directory: "/Media/Sub", entries: [{ name: "x" }], tooLarge: true });
    expect(tree.entries("media//SUB/")).toEqual([{ name: "x" }]);
    expect(tree.get("/MEDIA/sub/x")).toEqual({ name: "x" });
    expect(tree.entries("/Medias")).toEqual([]);
    expect([tree.isWhole(), tree.isWhole("/Media/Sub")]).toEqual([true, false]);
  });
});
