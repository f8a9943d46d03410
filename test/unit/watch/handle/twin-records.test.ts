import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { TwinRecords } from "../../../../src/watch/handle/twin-records.ts";

/** Answers as `1 a, 3 a`; a number between them is a pause, ms. */
async function heard(...answers: readonly (string | number)[]): Promise<string> {
  const clock = new ManualClock();
  const twins = new TwinRecords(clock);
  const out: string[] = [];
  for (const answer of answers) {
    if (typeof answer === "number") {
      await clock.advance(answer);
      continue;
    }
    const records = answer.split(", ").map((each) => {
      const [action, name] = each.split(" ");
      return { action: Number(action), name: name ?? "" };
    });
    out.push(...twins.filter(records).map(({ action, name }) => `${action} ${name}`));
  }
  return out.join(", ");
}

describe("records that are told twice", () => {
  it.each([
    ["in one answer", ["1 a, 1 a"], "1 a"],
    ["removed, in two answers", ["2 a", "2 a"], "2 a"],
    ["a new name, in two answers", ["4 a, 5 b", "5 b", "3 b"], "4 a, 5 b, 3 b"],
    ["added, once it is proven that all is told twice", ["2 x", "2 x", "1 a", "1 a"], "2 x, 1 a"],
    [
      "as Samba 4.17 tells a second watcher",
      ["1 a", "1 a", "3 a", "2 a", "2 a", 500, "1 a", "1 a"],
      "1 a, 1 a, 3 a, 2 a, 1 a",
    ],
  ])("are one: %s", async (_what, answers, expected) => {
    expect(await heard(...answers)).toBe(expected);
  });

  it.each([
    ["added in two answers: a file was moved over another", ["1 a", "1 a"], "1 a, 1 a"],
    [
      "however sure it is that all is told twice, where time has passed",
      ["2 x", "2 x", "1 a", 30, "1 a"],
      "2 x, 1 a, 1 a",
    ],
    ["a third one is another event", ["2 x", "2 x", "1 a", "1 a", "1 a", "1 a"], "2 x, 1 a, 1 a"],
    ["the proof has aged", ["2 x", "2 x", 61_000, "1 a", "1 a"], "2 x, 1 a, 1 a"],
    ["something lies between", ["2 a", "1 a", "2 a"], "2 a, 1 a, 2 a"],
    ["other names", ["2 a", "2 b"], "2 a, 2 b"],
    ["modified: there may be as many", ["2 x", "2 x", "3 a", "3 a"], "2 x, 3 a, 3 a"],
  ])("are two: %s", async (_what, answers, expected) => {
    expect(await heard(...answers)).toBe(expected);
  });
});
