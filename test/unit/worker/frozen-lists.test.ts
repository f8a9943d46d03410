import { describe, expect, it } from "vitest";
import { type Clock, ManualClock } from "../../../src/base/clock.ts";
import { Breather } from "../../../src/watch/pacing.ts";
import { Snapshot } from "../../../src/watch/picture/index.ts";
import { type FrozenList, FrozenLists, sortInTurns } from "../../../src/worker/frozen-lists.ts";
import { seeded } from "../../support/random.ts";

const list = (key: string, size = 1): FrozenList => ({
  key,
  position: { epoch: "a-1", told: 1 },
  names: new Array<string>(size).fill("x"),
  snapshot: new Snapshot(),
  looks: new Map(),
});

describe("listings of which pages are still to be asked for", () => {
  it("are there for whoever asks for the same directory, until nobody has for a while", async () => {
    const clock = new ManualClock();
    const lists = new FrozenLists(clock);
    const [a, b] = [lists.keep(list("a")), lists.keep(list("b"))];
    expect(a).not.toBe(b);
    expect(lists.get(a, "a")?.key).toBe("a");
    expect(lists.get(a, "b")).toBeUndefined();
    expect(lists.get("none", "a")).toBeUndefined();
    await clock.advance(20_000);
    lists.get(a, "a");
    await clock.advance(20_000);
    expect([lists.get(a, "a")?.key, lists.get(b, "b")]).toEqual(["a", undefined]);
    await clock.advance(31_000);
    expect([lists.size, clock.pending]).toEqual([0, 0]);
  });

  it("are bounded in number and size: the one that was asked for longest ago makes room", () => {
    const clock = new ManualClock();
    const lists = new FrozenLists(clock);
    const ids = Array.from({ length: 64 }, (_, i) => lists.keep(list(`${i}`)));
    lists.get(ids[0] as string, "0");
    lists.keep(list("one more"));
    expect(lists.size).toBe(64);
    expect(lists.get(ids[0] as string, "0")?.key).toBe("0");
    expect(lists.get(ids[1] as string, "1")).toBeUndefined();
    const large = lists.keep(list("large", 499_990));
    expect(lists.size).toBeLessThan(15);
    expect(lists.get(large, "large")?.names.length).toBe(499_990);
    const larger = lists.keep(list("larger", 600_000));
    expect([lists.size, lists.get(larger, "larger")?.key]).toEqual([1, "larger"]);
    lists.close();
    expect([lists.size, clock.pending]).toEqual([0, 0]);
  });
});

it("sorts by UTF-16 units in turns", async () => {
  const clock = new ManualClock();
  const random = seeded(5);
  const signal = new AbortController().signal;
  for (const size of [0, 1, 2_048, 2_049, 20_000]) {
    const names = Array.from({ length: size }, () =>
      String.fromCodePoint(0x20 + Math.floor(random() * 0x1_0000)),
    );
    const pauses: number[] = [];
    const counted: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (ms, fn) => {
        pauses.push(ms);
        return clock.after(ms, fn);
      },
    };
    const breather = new Breather(counted, 1_000);
    const sorting = sortInTurns(names, breather, signal);
    await clock.advance(60_000);
    expect(await sorting).toEqual([...names].sort());
    if (size === 20_000) expect(pauses.length).toBeGreaterThan(10);
  }
});
