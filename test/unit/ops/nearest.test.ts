import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearest } from "../../../src/ops/nearest.ts";

describe("nearest", () => {
  it.each([
    ["gatway", ["gateway", "worker"], "gateway"],
    ["wroker", ["gateway", "worker"], "worker"],
    ["password", ["passwordFile", "port"], "passwordFile"],
    ["max_age_hours", ["maxAgeHours"], "maxAgeHours"],
    ["xyz", ["gateway", "worker"], undefined],
  ])("%s", (word, known, meant) => {
    expect(nearest(word, known)).toBe(meant);
  });

  it("finds a known word itself, and any word with one letter lost", () => {
    const known = ["subject", "status", "gateway", "worker", "config", "health"];
    fc.assert(
      fc.property(fc.constantFrom(...known), fc.nat(20), (word, at) => {
        const i = at % word.length;
        expect(nearest(word, known)).toBe(word);
        expect(nearest(word.slice(0, i) + word.slice(i + 1), known)).toBe(word);
      }),
    );
  });
});
