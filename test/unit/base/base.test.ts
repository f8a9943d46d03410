import { describe, expect, it } from "vitest";
import { channel } from "../../../src/base/channels.ts";
import { ManualClock, systemClock } from "../../../src/base/clock.ts";
import { DeadlineError, describeError, errorCode, Smb2NatsError } from "../../../src/base/errors.ts";
import { Scope } from "../../../src/base/scope.ts";

describe("Scope", () => {
  it("closes in reverse order, once, for all who ask", async () => {
    const order: string[] = [];
    const scope = new Scope();
    scope.defer(() => void order.push("first"));
    scope.use({ close: async () => void order.push("second") });
    await Promise.all([scope.close(), scope.close(), scope[Symbol.asyncDispose]()]);
    expect(order).toEqual(["second", "first"]);
    expect(scope.closed).toBe(true);
  });

  it("runs every closer although some fail, then tells of the failures", async () => {
    const order: string[] = [];
    const scope = new Scope();
    scope.defer(() => void order.push("first"));
    scope.defer(() => {
      throw new Error("a");
    });
    await expect(scope.close()).rejects.toThrow("a");
    expect(order).toEqual(["first"]);

    const two = new Scope();
    two.defer(() => Promise.reject(new Error("a")));
    two.defer(() => Promise.reject(new Error("b")));
    await expect(two.close()).rejects.toBeInstanceOf(AggregateError);
  });

  it("closes at once what comes after its end", async () => {
    const scope = new Scope();
    await scope.close();
    let closed = false;
    scope.defer(() => {
      closed = true;
    });
    await scope.close();
    expect(closed).toBe(true);
  });
});

describe("errors", () => {
  it("describe themselves and their causes in one line", () => {
    const error = new Smb2NatsError("X", "refused", "no access", { cause: new DeadlineError("login", 5) });
    expect(describeError(error)).toBe("no access: login: no answer within 5 ms");
    expect([error.name, error.code, error.retryable]).toEqual(["Smb2NatsError", "X", false]);
    expect(describeError(undefined)).toBe("unknown error");
    expect(errorCode(Object.assign(new Error("x"), { code: "ECONNRESET" }))).toBe("ECONNRESET");
    expect(errorCode("x")).toBe("UNKNOWN");
  });
});

describe("channel", () => {
  it("delivers while someone listens", () => {
    const facts = channel<number>("test.base");
    const seen: number[] = [];
    facts.publish(1);
    const stop = facts.subscribe((fact) => seen.push(fact));
    facts.publish(2);
    stop();
    facts.publish(3);
    expect(seen).toEqual([2]);
  });
});

describe("clocks", () => {
  it("the manual one fires in order of due time and can cancel", async () => {
    const clock = new ManualClock();
    const order: string[] = [];
    clock.after(20, () => order.push("b"));
    clock.after(10, () => {
      order.push("a");
      clock.after(5, () => order.push("a2"));
    });
    const cancel = clock.after(12, () => order.push("never"));
    cancel();
    await clock.advance(30);
    expect(order).toEqual(["a", "a2", "b"]);
    expect([clock.monotonic(), clock.pending]).toEqual([30, 0]);
  });

  it("the real one does not fire a delay beyond setTimeout's range at once", async () => {
    let fired = false;
    const cancel = systemClock.after(2 ** 31 + 5, () => {
      fired = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => systemClock.after(5, () => resolve(undefined)));
    cancel();
    expect(fired).toBe(false);
  });
});
