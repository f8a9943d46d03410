import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../src/base/clock.ts";
import { AbortedError } from "../../../src/base/errors.ts";
import { Breather, every, forEachAtOnce, Gate, Pacer } from "../../../src/watch/pacing.ts";

const NEVER = new AbortController().signal;

async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("a gate", () => {
  it("lets as many in as it has places, first come, first served", async () => {
    const gate = new Gate(2);
    const inside: number[] = [];
    const leave = new Map<number, () => void>();
    for (let i = 0; i < 4; i++) {
      void gate.enter(NEVER).then((left) => {
        inside.push(i);
        leave.set(i, left);
      });
    }
    await settled();
    expect(inside).toEqual([0, 1]);
    leave.get(1)?.();
    // A place is given back once, however often that is said.
    leave.get(1)?.();
    await settled();
    expect(inside).toEqual([0, 1, 2]);
    leave.get(0)?.();
    await settled();
    expect(inside).toEqual([0, 1, 2, 3]);
  });

  it("loses no place to those who give up waiting", async () => {
    const gate = new Gate(1);
    const leave = await gate.enter(NEVER);
    const impatient = new AbortController();
    const waiting = gate.enter(impatient.signal);
    const late = new AbortController();
    const handedOver = gate.enter(late.signal);
    impatient.abort();
    await expect(waiting).rejects.toBeInstanceOf(AbortedError);
    // Handed over and given up in one tick.
    leave();
    late.abort();
    await handedOver.then(
      (left) => left(),
      () => undefined,
    );
    await expect(gate.enter(AbortSignal.timeout(5_000))).resolves.toBeTypeOf("function");
  });
});

describe("a pacer", () => {
  it("hands out turns at its rate, the first at once", async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 5);
    const turns: number[] = [];
    for (let i = 0; i < 12; i++) void pacer.turn(NEVER).then(() => turns.push(clock.monotonic()));
    await clock.advance(3_000);
    expect(turns).toEqual(Array.from({ length: 12 }, (_, i) => i * 200));
  });

  it("saves no turns up while nobody asks", async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 10);
    await clock.advance(60_000);
    const turns: number[] = [];
    for (let i = 0; i < 3; i++) void pacer.turn(NEVER).then(() => turns.push(clock.monotonic()));
    await clock.advance(1_000);
    expect(turns).toEqual([60_000, 60_100, 60_200]);
  });
});

describe("a breather", () => {
  it("gives the event loop a turn after so much work, and none before", async () => {
    const clock = new ManualClock();
    const breather = new Breather(clock, 100);
    let steps = 0;
    function* work(): Generator<number, string, void> {
      for (; steps < 25; steps++) yield 10;
      return "done";
    }
    const running = breather.run(work(), NEVER);
    await settled();
    // Ten steps of ten, then it waits.
    expect([steps, clock.pending]).toEqual([9, 1]);
    await clock.advance(0);
    await expect(running).resolves.toBe("done");
    expect(steps).toBe(25);
  });

  it("leaves what is little undisturbed", async () => {
    const clock = new ManualClock();
    const breather = new Breather(clock, 100);
    await breather.after(99, NEVER);
    expect(clock.pending).toBe(0);
  });

  it("stops between two steps when it is called off", async () => {
    const clock = new ManualClock();
    const over = new AbortController();
    let steps = 0;
    function* work(): Generator<number, void, void> {
      for (;;) {
        steps++;
        yield 1;
      }
    }
    const running = new Breather(clock, 10).run(work(), over.signal);
    const outcome = expect(running).rejects.toBeInstanceOf(AbortedError);
    over.abort();
    await outcome;
    expect(steps).toBe(10);
  });
});

describe("forEachAtOnce", () => {
  it("works on so many at a time, begins none after a failure, and ends when all have", async () => {
    const begun: number[] = [];
    const release = new Map<number, (failed: boolean) => void>();
    const all = forEachAtOnce([0, 1, 2, 3], 2, (item) => {
      begun.push(item);
      return new Promise((resolve, reject) => {
        release.set(item, (failed) => (failed ? reject(new Error(`item ${item}`)) : resolve()));
      });
    });
    let ended = false;
    const outcome = expect(
      all.finally(() => {
        ended = true;
      }),
    ).rejects.toThrow("item 1");
    release.get(0)?.(false);
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    release.get(1)?.(true);
    await settled();
    expect(ended).toBe(false);
    release.get(2)?.(false);
    await outcome;
    expect(begun).toEqual([0, 1, 2]);
  });
});

describe("every", () => {
  it("runs again and again until cancelled, and never at 0", async () => {
    const clock = new ManualClock();
    const runs: number[] = [];
    const cancel = every(clock, 100, 30, () => runs.push(clock.monotonic()));
    every(clock, 0, 0, () => runs.push(-1));
    await clock.advance(250);
    expect(runs).toEqual([30, 130, 230]);
    cancel();
    await clock.advance(1_000);
    expect(runs).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });
});
