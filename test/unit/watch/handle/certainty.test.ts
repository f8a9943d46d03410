import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import type { Doubt } from "../../../../src/watch/doubt.ts";
import { Certainty } from "../../../../src/watch/handle/certainty.ts";

const { signal } = new AbortController();

describe("certainty", () => {
  it("is restored when a comparison ends without a new doubt, as of its beginning", async () => {
    const clock = new ManualClock();
    const certainty = new Certainty(clock);
    const seen: (Doubt | undefined)[] = [];
    certainty.doubt({ reason: "overflow", since: 5 });
    const compare = async (doubt: Doubt | undefined): Promise<void> => {
      seen.push(doubt);
      await clock.advance(100);
      if (seen.length === 1) certainty.doubt({ reason: "silent", since: 50 });
    };
    const begunAt = clock.monotonic();
    const done = certainty.restore(compare, { pause: false, signal });
    await clock.advance(5_000);
    await done;
    expect(seen).toEqual([
      { reason: "overflow", since: 5 },
      { reason: "silent", since: 50 },
    ]);
    expect(certainty.doubtful).toBe(false);
    expect(certainty.since).toBeGreaterThanOrEqual(begunAt + 100);
    expect(certainty.since).toBeLessThan(clock.monotonic());
  });

  it.each<[Doubt["reason"], Doubt["reason"], Doubt["reason"]]>([
    ["timer", "overflow", "overflow"],
    ["overflow", "timer", "overflow"],
    ["handover", "silent", "silent"],
    ["timer", "handover", "handover"],
    ["timer", "settling", "timer"],
    ["settling", "timer", "timer"],
    ["overflow", "silent", "overflow"],
  ])("of %s and %s at once is one of %s", async (first, second, reason) => {
    const certainty = new Certainty(new ManualClock());
    certainty.doubt({ reason: first, since: 5 });
    certainty.doubt({ reason: second, since: 7 });
    const seen: (Doubt | undefined)[] = [];
    await certainty.restore(async (doubt) => void seen.push(doubt), { pause: false, signal });
    expect(seen).toEqual([{ reason, since: 5 }]);
  });

  it("keeps the doubt that a comparison could not settle, from its beginning on", async () => {
    const certainty = new Certainty(new ManualClock());
    certainty.doubt({ reason: "overflow", since: 5 });
    const compare = async (): Promise<void> => {
      certainty.doubt({ reason: "silent", since: 3 });
      throw new Error("away");
    };
    await expect(certainty.restore(compare, { pause: false, signal })).rejects.toThrow("away");
    const seen: (Doubt | undefined)[] = [];
    await certainty.restore(async (doubt) => void seen.push(doubt), { pause: false, signal });
    expect(seen).toEqual([{ reason: "overflow", since: 3 }]);
  });
});
