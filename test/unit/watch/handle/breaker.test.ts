import { describe, expect, it } from "vitest";
import { deferred } from "../../../../src/base/async.ts";
import { AbortedError } from "../../../../src/base/errors.ts";
import { Breaker } from "../../../../src/watch/handle/breaker.ts";

describe("breaker", () => {
  it("aborts all that is under way, and lets nothing begin afterwards", async () => {
    const breaker = new Breaker();
    const seen: AbortSignal[] = [];
    const [first, second] = [deferred<void>(), deferred<void>()];
    const works = [first, second].map(({ promise }) =>
      breaker.lend((signal) => {
        seen.push(signal);
        return promise;
      }),
    );
    first.resolve();
    await works[0];
    breaker.break();
    expect(breaker.broken).toBe(true);
    expect(seen.map(({ aborted }) => aborted)).toEqual([true, true]);
    second.resolve();
    await works[1];
    await expect(breaker.lend(() => Promise.resolve())).rejects.toThrow(AbortedError);
  });

  it("has a new signal for what begins when all else has ended", async () => {
    const breaker = new Breaker();
    const signals: AbortSignal[] = [];
    for (let i = 0; i < 2; i++) await breaker.lend(async (signal) => void signals.push(signal));
    breaker.break();
    expect(new Set(signals).size).toBe(2);
    expect(signals.some(({ aborted }) => aborted)).toBe(false);
  });
});
