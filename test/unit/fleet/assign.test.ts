import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AssignableWatch, assignWatches, type WorkerSeat } from "../../../src/fleet/assign.ts";

const seat = (lease: string, capacity = 10_000, refuses: readonly string[] = []): WorkerSeat => ({
  lease,
  capacity,
  serves: (connection) => !refuses.includes(connection),
});

const watches = (count: number, connections = 3): AssignableWatch[] =>
  Array.from({ length: count }, (_, i) => ({
    key: `nas${i % connections}\nd\n/dir/${i}`,
    connection: `nas${i % connections}`,
    owner: undefined,
  }));

const owned = (list: AssignableWatch[], by: ReadonlyMap<string, string>): AssignableWatch[] =>
  list.map((watch) => ({ ...watch, owner: by.get(watch.key) }));

function loads(answer: ReadonlyMap<string, string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const lease of answer.values()) counts.set(lease, (counts.get(lease) ?? 0) + 1);
  return counts;
}

function moved(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...before].filter(([key, lease]) => after.get(key) !== lease).map(([key]) => key);
}

describe("assignWatches", () => {
  it.each([1, 3, 50])(
    "balances 10,000 watches of %i connections over 3 workers within a fifth",
    (connections) => {
      const answer = assignWatches(watches(10_000, connections), [seat("w1"), seat("w2"), seat("w3")]);
      expect(answer.size).toBe(10_000);
      for (const count of loads(answer).values()) {
        expect(count).toBeGreaterThan((10_000 / 3) * 0.8);
        expect(count).toBeLessThan((10_000 / 3) * 1.2);
      }
    },
  );

  it("gathers a small connection on one worker", () => {
    const answer = assignWatches(watches(10, 1), [seat("w1"), seat("w2"), seat("w3")]);
    expect(loads(answer).size).toBe(1);
  });

  it("keeps what is owned while the fleet is balanced", () => {
    const list = watches(1_000);
    const seats = [seat("w1"), seat("w2"), seat("w3")];
    const first = assignWatches(list, seats);
    expect(moved(first, assignWatches(owned(list, first), seats))).toEqual([]);
  });

  it("moves only the watches of a worker that left", () => {
    const list = watches(3_000);
    const first = assignWatches(list, [seat("w1"), seat("w2"), seat("w3")]);
    const second = assignWatches(owned(list, first), [seat("w1"), seat("w3")]);
    expect(moved(first, second).every((key) => first.get(key) === "w2")).toBe(true);
    expect(second.size).toBe(3_000);
  });

  it.each([2, 4, 10])("gives a newcomer among %i its share, and moves little else", (n) => {
    const list = watches(4_000);
    const old = Array.from({ length: n }, (_, i) => seat(`w${i}`));
    const first = assignWatches(list, old);
    const second = assignWatches(owned(list, first), [...old, seat("new")]);
    const changes = moved(first, second);
    const fair = 4_000 / (n + 1);
    const before = loads(first);
    // Who gets something lacked its share; nobody gives and takes.
    for (const key of changes) expect(before.get(second.get(key)!) ?? 0).toBeLessThan(fair);
    expect(loads(second).get("new")).toBeGreaterThan(fair * 0.8);
    expect(changes.length).toBeLessThan(fair * 1.5);
    expect(moved(second, assignWatches(owned(list, second), [...old, seat("new")]))).toEqual([]);
  });

  it("weighs by capacity and never exceeds it", () => {
    const answer = assignWatches(watches(600), [seat("small", 200), seat("large", 600)]);
    const counts = loads(answer);
    expect(counts.get("small")).toBeGreaterThan(100);
    expect(counts.get("small")).toBeLessThanOrEqual(200);
    expect(assignWatches(watches(50), [seat("tiny", 20)]).size).toBe(20);
  });

  it("respects deny lists even of the present owner", () => {
    const list = watches(90);
    const first = assignWatches(list, [seat("w1"), seat("w2")]);
    const second = assignWatches(owned(list, first), [seat("w1", 10_000, ["nas1"]), seat("w2")]);
    for (const watch of list) {
      if (watch.connection === "nas1") expect(second.get(watch.key)).toBe("w2");
    }
  });

  it("holds for any fleet: deterministic, within capacity, stable once reached", () => {
    const fleets = fc.record({
      count: fc.integer({ min: 0, max: 300 }),
      connections: fc.integer({ min: 1, max: 8 }),
      capacities: fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 6 }),
      owners: fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 300 }),
    });
    fc.assert(
      fc.property(fleets, ({ count, connections, capacities, owners }) => {
        const seats = capacities.map((capacity, i) => seat(`w${i}`, capacity, i % 2 ? ["nas0"] : []));
        const list = watches(count, connections).map((watch, i) => ({ ...watch, owner: `w${owners[i]}` }));
        const answer = assignWatches(list, seats, { gather: 4 });
        const reversed = assignWatches([...list].reverse(), [...seats].reverse(), { gather: 4 });
        expect(moved(answer, reversed)).toEqual([]);
        for (const [lease, load] of loads(answer)) {
          expect(load).toBeLessThanOrEqual(seats.find((s) => s.lease === lease)!.capacity);
        }
        for (const watch of list) {
          const lease = answer.get(watch.key);
          if (lease === undefined) continue;
          expect(seats.find((s) => s.lease === lease)!.serves(watch.connection)).toBe(true);
        }
      }),
    );
  });
});
