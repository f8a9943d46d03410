import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Chores, type ChoresOwner } from "../../../../src/watch/handle/chores.ts";
import type { HandleServices, HandleSpec } from "../../../../src/watch/handle/handle-port.ts";
import { Upkeep } from "../../../../src/watch/handle/upkeep.ts";
import { resolveOptions, type ShareWatcherOptions } from "../../../../src/watch/options.ts";
import { Pacer } from "../../../../src/watch/pacing.ts";
import { seeded } from "../../../support/random.ts";

class CountingClock extends ManualClock {
  timers = 0;
  override after(ms: number, fn: () => void): () => void {
    this.timers++;
    return super.after(ms, fn);
  }
}

/** Handles that only count their checks. */
function handles(count: number, perSecond: number, more: ShareWatcherOptions = {}) {
  const clock = new CountingClock();
  const services = {
    clock,
    random: seeded(1),
    source: { traits: {} },
    options: resolveOptions({ healthSeconds: 60, refreshMinutes: 0, ...more }),
    upkeep: new Upkeep(clock),
    checks: new Pacer(clock, perSecond),
    looks: new Pacer(clock, 100),
  } as unknown as HandleServices;
  const checked: number[][] = [];
  const renewed: number[] = [];
  for (let i = 0; i < count; i++) {
    const times: number[] = [];
    checked.push(times);
    let asked = false;
    const owner: ChoresOwner = {
      lookDue: false,
      identity: {
        ask: () => {
          if (asked) return false;
          asked = true;
          return true;
        },
      },
      check: () => {
        asked = false;
        times.push(clock.monotonic());
      },
      renew: () => renewed.push(clock.monotonic()),
      compare: () => undefined,
      lookAgain: () => undefined,
    };
    new Chores({ rescanMinutes: 0 } as HandleSpec, services, owner);
  }
  return { clock, checked, renewed };
}

it("checks each once in a period", async () => {
  const { clock, checked } = handles(3, 5);
  await clock.advance(600_000);
  for (const times of checked) {
    const gaps = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(times[0]).toBeLessThanOrEqual(60_000);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(62_000);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(60_000);
  }
});

it("gives thousands their turns, with no timers beside these", async () => {
  const { clock, checked } = handles(3_000, 5);
  // A period and all that wait for their turn.
  await clock.advance(60_000 + 3_000 * 200);
  expect(checked.filter((times) => times.length === 0)).toEqual([]);
  const before = clock.timers;
  const done = (): number => checked.flat().length;
  const doneBefore = done();
  await clock.advance(60_000);
  expect(done() - doneBefore).toBe(300);
  // Each turn needs a timer for the next one, and asks again a minute later.
  expect(clock.timers - before).toBeLessThanOrEqual(2 * 300);
});

it("does together what is due within a second, and no later", async () => {
  const { clock, renewed } = handles(1_000, 5, { healthSeconds: 0, refreshMinutes: 10 });
  await clock.advance(600_000);
  expect(renewed).toHaveLength(1_000);
  expect(renewed.filter((at) => at % 1_000 !== 0)).toEqual([]);
  // Half a period is what the first are spread over.
  expect(new Set(renewed).size).toBeGreaterThan(250);
  expect(clock.timers).toBeLessThanOrEqual(300 + 10);
});

it("does not put off what is due every second", async () => {
  const { clock, checked } = handles(1, 5, { healthSeconds: 1 });
  await clock.advance(60_000);
  expect(checked[0]?.length).toBeGreaterThanOrEqual(58);
});
