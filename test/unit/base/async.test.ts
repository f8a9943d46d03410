import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { AsyncQueue, Backoff, deferred, onAbort, sleep, waitFor } from "../../../src/base/async.ts";
import { ManualClock } from "../../../src/base/clock.ts";
import { AbortedError, ClosedError, DeadlineError, OverflowError } from "../../../src/base/errors.ts";

describe("waitFor", () => {
  it("gives the value and leaves no timer and no listener behind", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    await expect(
      waitFor(Promise.resolve(7), { deadlineMs: 50, signal: controller.signal, clock }),
    ).resolves.toBe(7);
    expect(clock.pending).toBe(0);
  });

  it("ends at the deadline, with what was waited for in the text", async () => {
    const clock = new ManualClock();
    const waiting = waitFor(new Promise(() => undefined), { deadlineMs: 50, what: "an answer", clock });
    const result = expect(waiting).rejects.toThrow(new DeadlineError("an answer", 50));
    await clock.advance(50);
    await result;
    expect(clock.pending).toBe(0);
  });

  it("ends when its signal fires, and at once when it already has", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    const waiting = waitFor(new Promise(() => undefined), {
      deadlineMs: 50,
      signal: controller.signal,
      clock,
    });
    const result = expect(waiting).rejects.toBeInstanceOf(AbortedError);
    controller.abort("enough");
    await result;
    expect(clock.pending).toBe(0);
    await expect(
      waitFor(Promise.reject(new Error("late")), { signal: controller.signal }),
    ).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
  });
});

describe("one signal for many", () => {
  it("is no leak to warn of", async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listener);
    const stop = new AbortController();
    const waiting = Array.from({ length: 50 }, () =>
      Promise.allSettled([
        waitFor(new Promise(() => undefined), { signal: stop.signal }),
        sleep(60_000, { signal: stop.signal, clock: new ManualClock() }),
      ]),
    );
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await Promise.all(waiting);
    process.off("warning", listener);
    expect(warnings).toEqual([]);
  });
});

describe("onAbort", () => {
  it("has one listener for all who wait, and none when nobody does", () => {
    const { signal } = new AbortController();
    const forget = [1, 2, 3].map(() => onAbort(signal, () => undefined));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    for (const each of forget) each();
    for (const each of forget) each();
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });

  it("tells all who wait by then, once, with the reason", () => {
    const controller = new AbortController();
    const heard: unknown[] = [];
    const [first] = [1, 2].map((who) => onAbort(controller.signal, (reason) => heard.push([who, reason])));
    first?.();
    onAbort(controller.signal, (reason) => heard.push([3, reason]));
    controller.abort("enough");
    expect(heard).toEqual([
      [2, "enough"],
      [3, "enough"],
    ]);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });
});

describe("sleep", () => {
  it("wakes on time or on abort", async () => {
    const clock = new ManualClock();
    const controller = new AbortController();
    let woke = false;
    const first = sleep(10, { clock }).then(() => {
      woke = true;
    });
    const second = sleep(1_000, { clock, signal: controller.signal });
    const aborted = expect(second).rejects.toBeInstanceOf(AbortedError);
    await clock.advance(9);
    expect(woke).toBe(false);
    await clock.advance(1);
    await first;
    controller.abort();
    await aborted;
    expect(clock.pending).toBe(0);
  });
});

describe("Backoff", () => {
  it("doubles up to the cap, jittered between half and all, and starts again after reset", () => {
    const low = new Backoff({ initialMs: 1_000, maxMs: 60_000, random: () => 0 });
    const high = new Backoff({ initialMs: 1_000, maxMs: 60_000, random: () => 1 });
    const steps = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000];
    for (const step of steps) {
      expect(low.next()).toBe(step / 2);
      expect(high.next()).toBe(step);
    }
    high.reset();
    expect(high.next()).toBe(1_000);
  });

  it("stays finite after very many tries", () => {
    const backoff = new Backoff({ random: () => 1 });
    for (let i = 0; i < 5_000; i++) backoff.next();
    expect(backoff.next()).toBe(60_000);
  });
});

describe("AsyncQueue", () => {
  it("hands over in order, waiting or queued, and ends after what is queued", async () => {
    const queue = new AsyncQueue<number>();
    const first = queue.next();
    for (const n of [1, 2, 3]) queue.push(n);
    queue.end();
    const rest: number[] = [];
    for await (const n of queue) rest.push(n);
    expect(await first).toEqual({ value: 1, done: false });
    expect(rest).toEqual([2, 3]);
    expect(() => queue.push(4)).toThrow(ClosedError);
  });

  it("refuses more than its limit and delivers an error once", async () => {
    const queue = new AsyncQueue<number>(1);
    queue.push(1);
    expect(() => queue.push(2)).toThrow(OverflowError);
    queue.fail(new Error("broken"));
    expect(await queue.next()).toEqual({ value: 1, done: false });
    await expect(queue.next()).rejects.toThrow("broken");
    expect(await queue.next()).toEqual({ value: undefined, done: true });
  });

  it("fails a consumer that already waits", async () => {
    const queue = new AsyncQueue<number>();
    const waiting = expect(queue.next()).rejects.toThrow("broken");
    queue.fail(new Error("broken"));
    await waiting;
  });
});

describe("deferred", () => {
  it("settles from outside", async () => {
    const { promise, resolve } = deferred<string>();
    resolve("done");
    await expect(promise).resolves.toBe("done");
  });
});
