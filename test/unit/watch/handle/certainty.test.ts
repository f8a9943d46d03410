import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { type Doubt, joinDoubts } from "../../../../src/watch/doubt.ts";
import { Certainty } from "../../../../src/watch/handle/certainty.ts";

const { signal } = new AbortController();

describe("certainty", () => {
  it("is lost by the doubt that weighs more, whichever came first: a look may take for explained what a loss may not", () => {
    const [loss, look] = [
      { reason: "reconnect", since: 7 },
      { reason: "probing", since: 5 },
    ] as const;
    expect(joinDoubts(look, loss)).toEqual({ reason: "reconnect", since: 5 });
    expect(joinDoubts(loss, look)).toEqual({ reason: "reconnect", since: 5 });
    expect(joinDoubts(look, { reason: "handover", since: 9 })).toEqual({ reason: "handover", since: 5 });
  });

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
