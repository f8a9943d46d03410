import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Intake } from "../../../../src/gateway/peer/intake.ts";

/** A clock that work moves. */
class WorkClock extends ManualClock {
  worked = 0;
  override monotonic(): number {
    return this.worked;
  }
}

class Socket {
  paused = 0;
  pause(): void {
    this.paused++;
  }
  resume(): void {
    this.paused--;
  }
}

it("serves a slice in each turn of the event loop, in order, and reads nobody while many wait", async () => {
  const clock = new WorkClock();
  const intake = new Intake(clock);
  const sockets = Array.from({ length: 40 }, () => new Socket());
  for (const socket of sockets) intake.join(socket);
  const read = (): number => sockets.filter(({ paused }) => paused === 0).length;
  const served: number[] = [];
  const serve = (i: number) => (): void => {
    served.push(i);
    clock.worked += 1;
  };
  for (let i = 0; i < 60; i++) intake.take(serve(i));
  expect([served.length, intake.waiting, read()]).toEqual([15, 45, 40]);
  for (let i = 60; i < 100; i++) intake.take(serve(i));
  expect([served.length, intake.waiting, read()]).toEqual([15, 85, 0]);
  // Whoever comes now is not read either.
  const late = new Socket();
  const leave = intake.join(late);
  expect(late.paused).toBe(1);
  leave();
  const turns: number[][] = [];
  while (turns.length < 8) {
    await turn();
    turns.push([served.length, read()]);
  }
  // Where few are left the next sockets are read, some in each turn, until all are.
  expect(turns).toEqual([
    [30, 0],
    [45, 0],
    [60, 0],
    [75, 16],
    [90, 32],
    [100, 40],
    [100, 40],
    [100, 40],
  ]);
  expect(served).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect([intake.waiting, late.paused]).toEqual([0, 1]);
});

it("serves one a turn where each takes longer than a slice, and at once again when it has caught up", async () => {
  const clock = new WorkClock();
  const intake = new Intake(clock);
  const served: number[] = [];
  for (let i = 0; i < 3; i++) {
    intake.take(() => {
      served.push(i);
      clock.worked += 60;
    });
  }
  expect(served).toEqual([0]);
  await turn();
  expect(served).toEqual([0, 1]);
  // What comes meanwhile stands behind.
  intake.take(() => served.push(3));
  await turn();
  await turn();
  expect(served).toEqual([0, 1, 2, 3]);
  await turn();
  intake.take(() => served.push(4));
  expect(served.at(-1)).toBe(4);
});
