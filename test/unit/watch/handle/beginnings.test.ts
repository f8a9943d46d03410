import { describe, expect, it } from "vitest";
import { ManualClock } from "../../../../src/base/clock.ts";
import { Beginnings } from "../../../../src/watch/handle/beginnings.ts";

function crowd(atOnce: number, names: string) {
  const clock = new ManualClock();
  const beginnings = new Beginnings(clock, atOnce);
  const began: string[] = [];
  const leave = new Map<string, () => void>();
  const who = new Map<string, object>();
  for (const name of names) {
    const one = {};
    who.set(name, one);
    void beginnings.enter(one).then((ended) => {
      began.push(name);
      leave.set(name, ended);
    });
  }
  const hurry = (name: string): void => beginnings.hurry(who.get(name) as object);
  return { clock, began, leave: (name: string): void => leave.get(name)?.(), hurry };
}

describe("beginnings", () => {
  it("are so many at a time, in the order in which they were asked for", async () => {
    const { clock, began, leave } = crowd(2, "abcde");
    await clock.advance(0);
    expect(began).toEqual(["a", "b"]);
    leave("b");
    leave("b");
    await clock.advance(0);
    expect(began).toEqual(["a", "b", "c"]);
    for (const name of "acde") {
      leave(name);
      await clock.advance(0);
    }
    expect(began).toEqual([..."abcde"]);
    expect(clock.pending).toBe(0);
  });

  it("wait for none that takes long", async () => {
    const { clock, began, leave } = crowd(1, "abcde");
    await clock.advance(1_999);
    expect(began).toEqual(["a"]);
    await clock.advance(1);
    expect(began).toEqual([..."abcde"]);
    for (const name of "abcde") leave(name);
    expect(clock.pending).toBe(0);
  });

  it("come at once for who is not to wait, and take nobody's place", async () => {
    const { clock, began, leave, hurry } = crowd(1, "abcd");
    hurry("c");
    await clock.advance(0);
    expect(began).toEqual(["a", "c"]);
    leave("c");
    hurry("c");
    await clock.advance(0);
    expect(began).toEqual(["a", "c"]);
    leave("a");
    await clock.advance(0);
    expect(began).toEqual(["a", "c", "b"]);
  });
});
