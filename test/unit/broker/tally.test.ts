import { describe, expect, it } from "vitest";
import { ToldTally } from "../../../src/broker/publish/tally.ts";

describe("the tally of what is told", () => {
  it("parts what a snapshot knows from what it does not", () => {
    const tally = new ToldTally();
    tally.enter(1);
    tally.mark(3);
    tally.mark(5);
    expect(tally.parts(1, 3)).toBe(false);
    expect(tally.parts(3, 4)).toBe(true);
    expect(tally.parts(4, 5)).toBe(false);
    expect(tally.parts(2, 9)).toBe(true);
    // What has no number is newer than any.
    expect(tally.parts(2, undefined)).toBe(true);
    expect(tally.parts(undefined, undefined)).toBe(false);
    // With nothing outstanding there is nothing to join.
    tally.leave(1);
    expect(tally.parts(3, 4)).toBe(false);
  });

  it("says when all of a snapshot is stored, whatever is told after it", async () => {
    const tally = new ToldTally();
    for (const told of [1, 2, 2, 3]) tally.enter(told);
    let stored: boolean | undefined;
    void tally.stored(2).then((done) => {
      stored = done;
    });
    tally.leave(1);
    tally.leave(2);
    await Promise.resolve();
    expect(stored).toBeUndefined();
    tally.leave(2);
    await Promise.resolve();
    expect(stored).toBe(true);
    expect(await tally.stored(2)).toBe(true);
  });

  it("waits for what stands for something that was dropped, and does not wait for ever", async () => {
    const tally = new ToldTally();
    tally.enter(1);
    const waiting = tally.stored(1);
    tally.enter();
    tally.leave(1);
    let done = false;
    void waiting.then(() => {
      done = true;
    });
    await Promise.resolve();
    expect(done).toBe(false);
    tally.close();
    expect(await waiting).toBe(false);
  });
});
