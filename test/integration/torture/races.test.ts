import { expect, it } from "vitest";
import { races } from "../../../scripts/torture/races.ts";

it("a listing right after live misses no change that races against it, in 300 rounds", async () => {
  const report = await races({ seed: 31, rounds: 300 });
  expect(report.lost).toEqual([]);
  expect(report.rounds).toBe(300);
  expect(report.changes).toBeGreaterThan(100);
});
