import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Entry, file, folder, pageModule } from "./modules.ts";

interface Order {
  readonly by: "name" | "size" | "modified";
  readonly descending: boolean;
}
interface Listing {
  readonly rows: readonly Entry[];
  readonly order: Order;
  load(entries: readonly Entry[]): Map<string, string>;
  update(names: Iterable<string>, get: (name: string) => Entry | undefined): void;
  sort(order: Order): void;
  indexOf(name: string): number;
}
interface Cursor {
  readonly name: string | undefined;
  readonly index: number;
  to(index: number, rows: readonly Entry[]): void;
  move(where: string, rows: readonly Entry[], page: number): void;
  rename(from: string, to: string): void;
  follow(listing: Listing): void;
}

const { Listing } = await pageModule<{ Listing: new () => Listing }>("listing");
const { Cursor } = await pageModule<{ Cursor: new () => Cursor }>("cursor");
const { asked, comparator } = await pageModule<{
  asked(column: string, before: Order): Order;
  comparator(order: Order): (a: Entry, b: Entry) => number;
}>("order");

const listingOf = (...entries: Entry[]): Listing => {
  const listing = new Listing();
  listing.load(entries);
  return listing;
};
const names = ({ rows }: Listing): string => rows.map(({ name }) => name).join(" ");

const anyEntry: fc.Arbitrary<Entry> = fc.record(
  {
    name: fc.oneof(fc.constantFrom("a", "A", "á", "a\u0301", "a\u200b", "9", "10", "\u202e"), fc.string()),
    type: fc.constantFrom("file" as const, "directory" as const),
    size: fc.integer({ min: 0, max: 3 }),
    modified: fc.constantFrom("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"),
  },
  { requiredKeys: ["name"] },
);
const anyOrder: fc.Arbitrary<Order> = fc.record({
  by: fc.constantFrom("name", "size", "modified"),
  descending: fc.boolean(),
});

describe("the order of entries", () => {
  const entries = [
    file("10.txt", 5, "2026-01-03T00:00:00.000Z"),
    file("9.txt", 700, "2026-01-01T00:00:00.000Z"),
    folder("zoo"),
    file("new"),
    folder("Alps"),
  ];
  it.each([
    ["name", false, "Alps zoo 9.txt 10.txt new"],
    ["name", true, "zoo Alps new 10.txt 9.txt"],
    ["size", true, "Alps zoo 9.txt 10.txt new"],
    ["size", false, "Alps zoo 10.txt 9.txt new"],
    ["modified", true, "Alps zoo 10.txt 9.txt new"],
    ["modified", false, "Alps zoo 9.txt 10.txt new"],
  ] as const)("by %s, descending %s: folders first, what is not known last", (by, descending, wanted) => {
    const listing = listingOf(...entries);
    listing.sort({ by, descending });
    expect(names(listing)).toBe(wanted);
  });

  it("turns round for the same column, and begins as one looks for it", () => {
    const byName = { by: "name", descending: false } as const;
    expect(asked("name", byName)).toEqual({ by: "name", descending: true });
    expect(asked("size", byName)).toEqual({ by: "size", descending: true });
    expect(asked("modified", byName)).toEqual({ by: "modified", descending: true });
    expect(asked("name", { by: "size", descending: true })).toEqual(byName);
  });

  it("is total: two names are never equal, and no three go round", () => {
    fc.assert(
      fc.property(anyOrder, anyEntry, anyEntry, anyEntry, (order, a, b, c) => {
        const compare = comparator(order);
        expect(Math.sign(compare(a, b)) + Math.sign(compare(b, a)) || 0).toBe(0);
        if (a.name !== b.name) expect(compare(a, b)).not.toBe(0);
        if (compare(a, b) < 0 && compare(b, c) < 0) expect(compare(a, c)).toBeLessThan(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a listing", () => {
  it("is after any changes as if it had been read anew, each row where it says it is", () => {
    const step = fc.oneof(
      fc.record({ put: fc.array(anyEntry, { minLength: 1, maxLength: 60 }) }),
      fc.record({ gone: fc.array(fc.nat(200), { minLength: 1, maxLength: 5 }) }),
      fc.record({ order: anyOrder }),
    );
    fc.assert(
      fc.property(
        fc.array(anyEntry, { maxLength: 60 }),
        fc.array(step, { maxLength: 12 }),
        (start, steps) => {
          const truth = new Map(start.map((entry) => [entry.name, entry]));
          const listing = listingOf(...truth.values());
          for (const change of steps) {
            if ("order" in change) {
              listing.sort(change.order);
              continue;
            }
            const touched =
              "put" in change
                ? change.put.map(({ name }) => name)
                : change.gone.flatMap((index) => [...truth.keys()][index] ?? []);
            if ("put" in change) for (const entry of change.put) truth.set(entry.name, entry);
            else for (const name of touched) truth.delete(name);
            listing.update(touched, (name) => truth.get(name));
          }
          const anew = new Listing();
          anew.load([...truth.values()]);
          anew.sort(listing.order);
          expect(listing.rows).toEqual(anew.rows);
          listing.rows.forEach(({ name }, index) => {
            expect(listing.indexOf(name)).toBe(index);
          });
          expect(listing.indexOf("nobody's")).toBe(-1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("says what is another than when it was read before, and not what is only known better", () => {
    const listing = listingOf(file("same", 1), file("grown", 1), file("seen"), file("gone", 1));
    expect([...listing.load([file("same", 1), file("grown", 2), file("seen", 3), file("new", 1)])]).toEqual([
      ["grown", "modified"],
      ["new", "added"],
    ]);
  });

  it("takes nothing in another spelling for the name it asked about", () => {
    const listing = listingOf(file("Readme"));
    listing.update(["README"], () => file("Readme"));
    expect(names(listing)).toBe("Readme");
  });
});

describe("the cursor", () => {
  it("stays with its entry where others come and go, and moves in bounds", () => {
    const listing = listingOf(file("b"), file("c"), file("d"));
    const cursor = new Cursor();
    expect(cursor.index).toBe(-1);
    cursor.move("down", listing.rows, 2);
    expect(cursor.name).toBe("b");
    cursor.move("up", listing.rows, 2);
    expect(cursor.name).toBe("b");
    cursor.move("pageDown", listing.rows, 2);
    expect(cursor.name).toBe("d");
    cursor.move("first", listing.rows, 2);
    cursor.move("last", listing.rows, 2);
    cursor.move("up", listing.rows, 2);
    expect(cursor.name).toBe("c");
    listing.update(["a"], file);
    cursor.follow(listing);
    expect([cursor.name, cursor.index]).toEqual(["c", 2]);
    listing.update(["c", "x"], (name) => (name === "x" ? file("x") : undefined));
    cursor.rename("c", "x");
    cursor.follow(listing);
    expect([cursor.name, cursor.index]).toEqual(["x", 3]);
  });

  it("goes to what is in the place of an entry that is gone", () => {
    const listing = listingOf(file("a"), file("b"), file("c"));
    const cursor = new Cursor();
    cursor.to(1, listing.rows);
    listing.update(["b"], () => undefined);
    cursor.follow(listing);
    expect(cursor.name).toBe("c");
    listing.update(["a", "c"], () => undefined);
    cursor.follow(listing);
    expect(cursor.index).toBe(-1);
    cursor.move("down", listing.rows, 5);
    expect(cursor.name).toBeUndefined();
  });
});
