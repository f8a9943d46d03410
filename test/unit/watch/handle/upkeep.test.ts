import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { type Tended, Upkeep } from "../../../../src/watch/handle/upkeep.ts";
import { seeded } from "../../../support/random.ts";

class Chore implements Tended {
  slot = -1;
  dueAt: number;
  readonly #then: (chore: Chore) => void;

  constructor(dueAt: number, then: (chore: Chore) => void) {
    this.dueAt = dueAt;
    this.#then = then;
  }

  tend(): void {
    this.#then(this);
  }
}

describe("upkeep", () => {
  it("tends each when it is due, and again where it asks for that", async () => {
    const clock = new ManualClock();
    const upkeep = new Upkeep(clock);
    const done: string[] = [];
    const every = (name: string, ms: number): Chore =>
      new Chore(ms, (chore) => {
        done.push(`${name} ${clock.monotonic()}`);
        chore.dueAt += ms;
        upkeep.put(chore);
      });
    for (const chore of [every("slow", 50), every("quick", 20)]) upkeep.put(chore);
    await clock.advance(70);
    expect(done).toEqual(["quick 20", "quick 40", "slow 50", "quick 60"]);
    expect(clock.pending).toBe(1);
  });

  it("keeps no timer when nobody is left, nor for what is never due", async () => {
    const clock = new ManualClock();
    const upkeep = new Upkeep(clock);
    const done: number[] = [];
    const chore = new Chore(10, ({ dueAt }) => done.push(dueAt));
    upkeep.put(chore);
    upkeep.put(new Chore(Number.POSITIVE_INFINITY, ({ dueAt }) => done.push(dueAt)));
    upkeep.remove(chore);
    upkeep.remove(chore);
    expect(clock.pending).toBe(0);
    await clock.advance(1_000);
    expect(done).toEqual([]);
  });

  it("goes on after one that throws", async () => {
    const clock = new ManualClock();
    const upkeep = new Upkeep(clock);
    const done: string[] = [];
    upkeep.put(new Chore(10, () => done.push("first")));
    upkeep.put(
      new Chore(5, () => {
        throw new Error("no");
      }),
    );
    await expect(clock.advance(5)).rejects.toThrow("no");
    await clock.advance(5);
    expect(done).toEqual(["first"]);
  });

  it("tends in order of time, whatever is put, moved and removed in between", async () => {
    const random = seeded(7);
    const clock = new ManualClock();
    const upkeep = new Upkeep(clock);
    const done: Chore[] = [];
    const chores = Array.from(
      { length: 300 },
      () => new Chore(Math.floor(random() * 1_000), (chore) => done.push(chore)),
    );
    for (const chore of chores) upkeep.put(chore);
    const removed = new Set(chores.filter(() => random() < 0.3));
    for (const chore of removed) upkeep.remove(chore);
    for (const chore of chores) {
      if (removed.has(chore) || random() < 0.5) continue;
      upkeep.remove(chore);
      chore.dueAt = Math.floor(random() * 1_000);
      upkeep.put(chore);
    }
    await clock.advance(1_000);
    const dues = done.map(({ dueAt }) => dueAt);
    expect(dues).toEqual([...dues].sort((a, b) => a - b));
    expect(new Set(done)).toEqual(new Set(chores.filter((chore) => !removed.has(chore))));
    expect(clock.pending).toBe(0);
  });
});
