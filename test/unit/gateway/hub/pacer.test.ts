import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Pacer } from "../../../../src/gateway/hub/pacer.ts";

function enterAll(pacer: Pacer, count: number): { begun: number[]; leave: (() => void)[] } {
  const begun: number[] = [];
  const leave = Array.from({ length: count }, (_, i) => pacer.enter(() => begun.push(i)));
  return { begun, leave };
}

it("begins at once where there is room, and leaves nothing behind", () => {
  const clock = new ManualClock();
  const pacer = new Pacer(clock);
  const { begun, leave } = enterAll(pacer, 3);
  expect(begun).toEqual([0, 1, 2]);
  for (const one of [...leave, ...leave]) one();
  expect(clock.pending).toBe(0);
  pacer.close();
});

it("begins so many a turn, in order, so many at once; places come free by leaving, or by time", async () => {
  const clock = new ManualClock();
  const pacer = new Pacer(clock);
  const { begun, leave } = enterAll(pacer, 1_000);
  expect(begun).toHaveLength(32);
  await turn();
  expect(begun).toHaveLength(64);
  for (let i = 0; i < 20; i++) await turn();
  expect(begun).toEqual(Array.from({ length: 128 }, (_, i) => i));
  // Given up while it waits: it never begins.
  leave[128]?.();
  leave[0]?.();
  leave[0]?.();
  for (let i = 0; i < 3; i++) await turn();
  expect(begun.slice(128)).toEqual([129]);
  // Whoever is not through in time makes room all the same.
  await clock.advance(10_000);
  for (let i = 0; i < 20; i++) await turn();
  expect(begun).toHaveLength(257);
  expect(pacer.waiting).toBe(1_000 - 257 - 1);
  for (const one of leave) one();
  expect([pacer.waiting, clock.pending]).toEqual([0, 0]);
  pacer.close();
});

it("begins few where the event loop is late", async () => {
  const clock = new ManualClock();
  const pacer = new Pacer(clock);
  const { begun } = enterAll(pacer, 1_000);
  const late = turn();
  // Stands for whatever keeps the loop from its next turn.
  clock.advance(60).catch(() => undefined);
  Object.defineProperty(clock, "monotonic", { value: () => 60 });
  await late;
  expect(begun).toHaveLength(34);
  pacer.close();
});
