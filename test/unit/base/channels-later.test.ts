import { describe, expect, it } from "vitest";
import { channel } from "../../../src/base/channels.ts";

describe("facts heard later", () => {
  it("come after the promise jobs of the same turn, in the order of all channels, and before the next turn", async () => {
    const [a, b] = [channel<number>("test.later-a"), channel<number>("test.later-b")];
    const seen: string[] = [];
    const off = [
      a.subscribeLater((fact) => seen.push(`a${fact}`)),
      b.subscribeLater((fact) => seen.push(`b${fact}`)),
      a.subscribe((fact) => seen.push(`at once ${fact}`)),
    ];
    setImmediate(() => seen.push("the next turn"));
    await Promise.resolve();
    a.publish(1);
    b.publish(2);
    a.publish(3);
    queueMicrotask(() => seen.push("a promise job"));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(["at once 1", "at once 3", "a promise job", "a1", "b2", "a3", "the next turn"]);
    for (const end of off) end();
    a.publish(4);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toHaveLength(7);
  });

  it("come after the promise jobs that a socket's bytes set off, too: a tick asked for there would be ahead of them", async () => {
    const facts = channel<number>("test.later-socket");
    const seen: string[] = [];
    const off = facts.subscribeLater(() => seen.push("counted"));
    await new Promise<void>((resolve) =>
      setImmediate(() => {
        setImmediate(resolve);
        setImmediate(() => seen.push("the next turn"));
        facts.publish(1);
        void Promise.resolve()
          .then(() => undefined)
          .then(() => seen.push("told"));
      }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    off();
    expect(seen).toEqual(["told", "counted", "the next turn"]);
  });

  it("a listener that throws keeps nothing from the others", async () => {
    const facts = channel<number>("test.later-throws");
    const seen: number[] = [];
    const thrown: unknown[] = [];
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => thrown.push(error));
    const off = facts.subscribeLater((fact) => {
      if (fact === 1) throw new Error("counted badly");
      seen.push(fact);
    });
    facts.publish(1);
    facts.publish(2);
    await new Promise((resolve) => setImmediate(resolve));
    off();
    for (const listener of listeners) process.on("uncaughtException", listener);
    expect(seen).toEqual([2]);
    expect(thrown).toHaveLength(1);
  });
});
