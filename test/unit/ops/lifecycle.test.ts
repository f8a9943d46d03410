import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { deferred } from "../../../src/base/async.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { monitorEventLoop } from "../../../src/ops/event-loop.ts";
import { Lifecycle, type LifecycleEvent, type ProcessPort } from "../../../src/ops/lifecycle.ts";

class FakeProcess extends EventEmitter implements ProcessPort {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

function setUp(close: () => Promise<void>, deadlineMs = 60_000, onReload?: () => void) {
  const process = new FakeProcess();
  const events: LifecycleEvent[] = [];
  const lifecycle = new Lifecycle({
    process,
    close,
    deadlineMs,
    report: (event) => events.push(event),
    ...(onReload && { onReload }),
  });
  return { process, events, lifecycle, types: () => events.map(({ type }) => type) };
}

describe("Lifecycle", () => {
  it("drains at the first signal and takes its listeners away", async () => {
    const closing = deferred<void>();
    const { process, lifecycle, types } = setUp(() => closing.promise);
    const stopped = lifecycle.stopped();
    process.emit("SIGTERM");
    expect(lifecycle.stopping.aborted).toBe(true);
    closing.resolve();
    expect(await stopped).toBe(0);
    expect(types()).toEqual(["stopping", "stopped"]);
    expect(process.eventNames()).toEqual([]);
    expect(process.exits).toEqual([]);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ])("a second signal (%s) ends at once", (signal, code) => {
    const { process, types } = setUp(() => new Promise(() => undefined));
    process.emit("SIGINT");
    process.emit(signal);
    expect(process.exits).toEqual([code]);
    expect(types()).toEqual(["stopping", "forced"]);
  });

  it("gives the drain a deadline", async () => {
    const { lifecycle, types } = setUp(() => new Promise(() => undefined), 20);
    expect(await lifecycle.stop("test")).toBe(1);
    expect(types()).toEqual(["stopping", "stop-timeout"]);
  });

  it("says when something did not close, and closes once for all who ask", async () => {
    let times = 0;
    const { lifecycle, types } = setUp(async () => {
      times++;
      throw new Error("stuck");
    });
    expect(await Promise.all([lifecycle.stop("a"), lifecycle.stop("b"), lifecycle.stopped()])).toEqual([
      1, 1, 1,
    ]);
    expect([times, types()]).toEqual([1, ["stopping", "stop-failed"]]);
  });

  it.each(["uncaughtException", "unhandledRejection"])("%s is fatal", (origin) => {
    const { process, events } = setUp(async () => undefined);
    const error = new Error("bug");
    process.emit(origin, error);
    expect(events).toEqual([{ type: "fatal", origin, error }]);
    expect(process.exits).toEqual([1]);
  });

  it("reloads at SIGHUP where it can, else stops", async () => {
    let reloads = 0;
    const one = setUp(
      async () => undefined,
      1_000,
      () => reloads++,
    );
    one.process.emit("SIGHUP");
    expect([reloads, one.lifecycle.stopping.aborted]).toEqual([1, false]);
    const other = setUp(async () => undefined);
    other.process.emit("SIGHUP");
    expect(await other.lifecycle.stopped()).toBe(0);
  });
});

describe("monitorEventLoop", () => {
  it("tells how long it stood still, and nothing when it ran", async () => {
    const clock = new ManualClock();
    const stalls: number[] = [];
    // A clock that jumps: the timer fires 3 s late, once.
    let jump = 0;
    const jumping = {
      monotonic: () => clock.monotonic() + jump,
      now: () => clock.now(),
      after: (ms: number, fn: () => void) => clock.after(ms, fn),
    };
    const stop = monitorEventLoop({ onStall: (ms) => stalls.push(ms), clock: jumping });
    await clock.advance(2_000);
    expect(stalls).toEqual([]);
    jump = 3_000;
    await clock.advance(2_000);
    expect(stalls).toEqual([3_000]);
    stop();
    expect(clock.pending).toBe(0);
  });
});
