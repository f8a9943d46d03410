import { describe, expect, it } from "vitest";
import { type Deferred, deferred } from "../../../../src/base/async.ts";
import { ManualClock } from "../../../../src/base/clock.ts";
import { LookupQueue } from "../../../../src/watch/rescan/lookup-queue.ts";

interface Asked {
  readonly directory: string;
  readonly names: readonly string[];
  readonly answer: Deferred<void>;
}

function bench(): {
  clock: ManualClock;
  asked: Asked[];
  lookups: LookupQueue<string>;
  stop: AbortController;
} {
  const clock = new ManualClock();
  const asked: Asked[] = [];
  const stop = new AbortController();
  const lookups = new LookupQueue<string>(clock, stop.signal, (directory, names) => {
    const answer = deferred<void>();
    asked.push({ directory, names, answer });
    return answer.promise;
  });
  return { clock, asked, lookups, stop };
}

const many = (from: number): string[] => Array.from({ length: 50 }, (_, i) => `f${from + i}`);

describe("lookups about names", () => {
  it("are one at a time per directory, and what comes up meanwhile goes together", async () => {
    const { clock, asked, lookups } = bench();
    lookups.add("a", ["1"]);
    for (const name of ["2", "3", "2"]) lookups.add("a", [name]);
    lookups.add("b", ["4"]);
    expect(asked.map(({ directory, names }) => [directory, names])).toEqual([
      ["a", ["1"]],
      ["b", ["4"]],
    ]);
    for (const { answer } of asked) answer.resolve();
    await clock.advance(1);
    expect(asked.slice(2).map(({ directory, names }) => [directory, names])).toEqual([["a", ["2", "3"]]]);
    asked[2]?.answer.resolve();
    await clock.advance(1);
    lookups.add("a", ["5"]);
    expect(asked.at(-1)?.names).toEqual(["5"]);
    expect(asked.length).toBe(4);
  });

  it("about many wait for a pause, but not for ever", async () => {
    const { clock, asked, lookups, stop } = bench();
    for (let at = 0; at < 3_000; at += 100) {
      lookups.add("a", many(at));
      await clock.advance(100);
    }
    expect(asked.length).toBe(1);
    expect(asked[0]?.names.length).toBeGreaterThan(900);
    asked[0]?.answer.resolve();
    await clock.advance(300);
    expect(asked.length).toBe(2);
    expect(asked.flatMap(({ names }) => names).length).toBe(1_500);
    asked[1]?.answer.resolve();
    await clock.advance(1);
    lookups.add("a", many(0));
    stop.abort();
    await clock.advance(10_000);
    expect(asked.length).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it("that only confirm have turns, share them with what comes meanwhile, and are overtaken by urgent ones", async () => {
    const { clock, asked, lookups } = bench();
    const confirm = (directory: number, name: string): void => lookups.add(`d${directory}`, [name], false);
    for (let i = 0; i < 1_000; i++) confirm(i, "first");
    await clock.advance(1_500);
    expect(asked.length).toBeGreaterThan(190);
    expect(asked.length).toBeLessThan(210);
    confirm(999, "second");
    lookups.add("d998", ["urgent"]);
    await clock.advance(500);
    expect(asked.find(({ directory }) => directory === "d998")?.names).toEqual(["first", "urgent"]);
    await clock.advance(3_500);
    expect(asked.length).toBe(1_000);
    expect(asked.find(({ directory }) => directory === "d999")?.names).toEqual(["first", "second"]);
  });
});
