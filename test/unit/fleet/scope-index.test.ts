import fc from "fast-check";
import { expect, it } from "vitest";
import { overlaps } from "../../../src/fleet/identity.ts";
import { ScopeIndex } from "../../../src/fleet/scope-index.ts";

const target = fc.record({
  connection: fc.constantFrom("nas1", "nas2"),
  path: fc
    .array(fc.constantFrom("a", "B", "b", "a b", "a.b", "a0", "\u00fc"), { maxLength: 4 })
    .map((segments) => `/${segments.join("/")}`),
  recursive: fc.boolean(),
});

it("finds exactly what a look at every scope would find, each once", () => {
  fc.assert(
    fc.property(fc.array(target, { maxLength: 40 }), target, fc.boolean(), (targets, probe, sensitive) => {
      const rule = (): boolean => sensitive;
      const items = targets.map((one) => ({ target: one }));
      const found = [...new ScopeIndex(items, rule).overlapping(probe)];
      expect(new Set(found)).toEqual(new Set(items.filter((item) => overlaps(item.target, probe, rule))));
      expect(found).toHaveLength(new Set(found).size);
    }),
    { numRuns: 500 },
  );
});
