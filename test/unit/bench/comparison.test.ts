import { describe, expect, it } from "vitest";
import {
  chanceOfApart,
  compareSections,
  describeComparison,
  measuresOf,
  median,
} from "../../../bench/comparison.ts";
import type { Row, Section } from "../../../bench/stats.ts";

const section = (...rows: Row[]): Section => ({ title: "A section", method: "how", rows });
const seconds = (value: number): Section => section({ name: "armed in", value, unit: "s" });

describe("the numbers of a row", () => {
  it("are one, or one for each part of the unit", () => {
    expect(measuresOf({ name: "memory", value: 38.4, unit: "MiB" })).toEqual([
      { name: "memory", unit: "MiB", values: [38.4] },
    ]);
    expect(measuresOf({ name: "loop", value: "4.01 / 54.14", unit: "ms p50 / p99" })).toEqual([
      { name: "loop, p50", unit: "ms", values: [4.01] },
      { name: "loop, p99", unit: "ms", values: [54.14] },
    ]);
    expect(measuresOf({ name: "moves", value: "0 / 2", unit: "resyncs / events missed" })).toEqual([
      { name: "moves, resyncs", unit: "", values: [0] },
      { name: "moves, events missed", unit: "", values: [2] },
    ]);
  });

  it("are several of the same where the unit has no parts", () => {
    expect(measuresOf({ name: "named", value: "20000 / 18719", unit: "of 20000" })).toEqual([
      { name: "named", unit: "of 20000", values: [20_000, 18_719] },
    ]);
  });

  it("are none where it is in words", () => {
    expect(measuresOf({ name: "state", value: "unknown", unit: "" })).toEqual([]);
  });
});

describe("comparing two commits", () => {
  it("takes the median of the rounds, and the ratio of the medians", () => {
    const { rows } = compareSections(
      [seconds(4), seconds(2), seconds(30)],
      [seconds(5), seconds(1), seconds(6)],
    );
    expect(rows).toEqual([
      expect.objectContaining({
        medianBefore: 4,
        medianNow: 5,
        ratio: 1.25,
        before: [4, 2, 30],
        now: [5, 1, 6],
      }),
    ]);
    expect(median([4, 1, 3, 10])).toBe(3.5);
  });

  it("marks what no round of the other reached, and nothing that overlaps", () => {
    const apartOf = (before: number[], now: number[]): boolean | undefined =>
      compareSections(before.map(seconds), now.map(seconds)).rows[0]?.apart;
    expect(apartOf([1, 2, 3, 3], [4, 5, 6, 6])).toBe(true);
    expect(apartOf([4, 5, 6, 6], [1, 2, 3, 3])).toBe(true);
    expect(apartOf([1, 2, 4, 3], [4, 5, 6, 6])).toBe(false);
    expect(apartOf([2, 2, 2, 2], [2, 2, 2, 2])).toBe(false);
  });

  it("calls nothing apart of too few rounds: chance does that with two and two in one of three", () => {
    expect(chanceOfApart(2, 2)).toBeCloseTo(1 / 3);
    expect(chanceOfApart(3, 3)).toBeCloseTo(0.1);
    expect(chanceOfApart(4, 4)).toBeCloseTo(1 / 35);
    expect(chanceOfApart(1, 1)).toBe(1);
    const { rows } = compareSections([seconds(1), seconds(2)], [seconds(8), seconds(9)]);
    expect(rows[0]?.apart).toBe(false);
  });

  it("has no ratio to a median of 0", () => {
    expect(compareSections([seconds(0)], [seconds(3)]).rows[0]?.ratio).toBeUndefined();
  });

  it("compares what both have, and names what one has not", () => {
    const before = section({ name: "a", value: 1, unit: "s" }, { name: "b", value: 1, unit: "s" });
    const now = section({ name: "b", value: 2, unit: "s" }, { name: "b", value: 2, unit: "MiB" });
    const { rows, onlyBefore, onlyNow } = compareSections([before], [now]);
    expect(rows.map(({ name, unit, ratio }) => [name, unit, ratio])).toEqual([["b", "s", 2]]);
    expect([onlyBefore, onlyNow]).toEqual([["a"], ["b"]]);
  });

  it("says that the method was another one", () => {
    const other = { ...seconds(1), method: "otherwise" };
    expect(compareSections([seconds(1)], [seconds(1)]).methodBefore).toBeUndefined();
    const text = describeComparison(compareSections([other], [seconds(1)]), "abc1234");
    expect(text).toContain("abc1234 measured otherwise: otherwise");
  });

  it("is not done without a round", () => {
    expect(() => compareSections([], [seconds(1)])).toThrow(RangeError);
  });

  it("is told as a table", () => {
    const comparison = compareSections([4, 2, 3, 3].map(seconds), [8, 8, 8, 8].map(seconds));
    expect(describeComparison(comparison, "abc1234").split("\n").slice(-1)).toEqual([
      "| armed in | 3 (2 to 4) | 8 | s | 2.67 | apart |",
    ]);
  });
});
