import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EntryFlag,
  markOf,
  sameAppearance,
  sameFile,
  UNKNOWN,
} from "../../../../src/watch/picture/entry-mark.ts";
import { Snapshot } from "../../../../src/watch/picture/snapshot.ts";
import { entry } from "./entries.ts";

describe("a snapshot", () => {
  it("behaves as a map from names to marks", () => {
    const command = fc.record({
      name: fc.oneof(
        fc.string({ unit: "binary", minLength: 1, maxLength: 4 }),
        fc.constantFrom("a", "b", "é", "日本", "\ud800"),
      ),
      kind: fc.constantFrom("set", "delete", "compact"),
      size: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const snapshot = new Snapshot();
        const model = new Map<string, number>();
        for (const { name, kind, size } of commands) {
          if (kind === "set") {
            snapshot.put(entry(name, { size }));
            model.set(name, size);
          } else if (kind === "delete") expect(snapshot.delete(name)).toBe(model.delete(name));
          else snapshot.compact();
        }
        expect(snapshot.size).toBe(model.size);
        expect([...snapshot.entries()].map(([name]) => name).sort()).toEqual([...model.keys()].sort());
        for (const [name, size] of model) {
          const mark = snapshot.get(name);
          expect(mark && sameAppearance(mark, markOf(entry(name, { size })))).toBe(true);
        }
        expect(snapshot.has("never")).toBe(false);
      }),
    );
  });

  it("finds the names that another lacks or has marked otherwise, in slices", () => {
    const rows = fc.uniqueArray(
      fc.record({
        name: fc.oneof(
          fc.string({ unit: "binary", minLength: 1, maxLength: 2 }),
          fc.constantFrom("a", "é", "日"),
        ),
        size: fc.nat(1),
        alive: fc.boolean(),
      }),
      { selector: ({ name }) => name, maxLength: 60 },
    );
    type Rows = readonly { name: string; size: number; alive: boolean }[];
    const build = (given: Rows): Snapshot => {
      const snapshot = new Snapshot();
      for (const { name, size } of given) snapshot.put(entry(name, { size, fileId: 1n }));
      for (const { name, alive } of given) if (!alive) snapshot.delete(name);
      return snapshot;
    };
    const modelOf = (given: Rows): Map<string, number> =>
      new Map(given.filter(({ alive }) => alive).map(({ name, size }) => [name, size]));
    fc.assert(
      fc.property(rows, rows, fc.integer({ min: 1, max: 9 }), (mine, other, slice) => {
        const expected = [...modelOf(mine)].filter(([name, size]) => modelOf(other).get(name) !== size);
        const found = [...build(mine).unlike(build(other), slice)].flat();
        expect(found.sort()).toEqual(expected.map(([name]) => name).sort());
      }),
    );
  });

  it("goes on being read as it was while it is rebuilt", () => {
    const snapshot = new Snapshot();
    for (let i = 0; i < 50; i++) snapshot.put(entry(`old ${i}`));
    const slices = snapshot.unlike(new Snapshot(), 10);
    const found = slices.next().value ?? [];
    for (let i = 0; i < 500; i++) snapshot.put(entry(`new ${i}`));
    snapshot.compact();
    for (const slice of slices) found.push(...slice);
    expect(found).toEqual(Array.from({ length: 50 }, (_, i) => `old ${i}`));
  });

  it("notices each thing that can change, and nothing else", () => {
    const before = markOf(entry("x"));
    for (const other of [{ size: 9 }, { modified: 9n }, { changed: 9n }, { attributes: 0x22 }]) {
      expect(sameAppearance(before, markOf(entry("x", other)))).toBe(false);
    }
    expect(sameAppearance(before, markOf(entry("y")))).toBe(true);
    // Samba's creation times move when files are read.
    expect(sameFile(before, markOf(entry("x", { created: 9n })))).toBe(true);
    expect(sameAppearance(before, markOf(entry("x", { created: 9n })))).toBe(true);
    expect(sameFile(before, markOf(entry("x", { fileId: 9n })))).toBe(false);
    expect(sameFile(before, markOf(entry("x", { size: 9 })))).toBe(true);
  });

  it("names directories, but not links: they may lead in circles", () => {
    const snapshot = new Snapshot();
    snapshot.put(entry("file"));
    snapshot.put(entry("dir", { type: "directory", attributes: 0x10 }));
    snapshot.put(entry("junction", { type: "directory", attributes: 0x410 }));
    snapshot.set("heard of", UNKNOWN);
    expect([...snapshot.directories()]).toEqual(["dir"]);
    expect(snapshot.get("heard of")?.flags).toBe(0);
    expect(snapshot.get("dir")?.flags).toBe(EntryFlag.known | EntryFlag.directory);
  });

  it("holds an entry with a name of 20 letters in less than 80 bytes", () => {
    const snapshot = new Snapshot();
    const count = 100_000;
    for (let i = 0; i < count; i++) snapshot.put(entry(`photo-2026-${String(i).padStart(9, "0")}`));
    snapshot.compact();
    expect(snapshot.size).toBe(count);
    expect(snapshot.byteLength / count).toBeLessThan(80);
  });

  it("freezes without a copy, and what is written later does not change what was frozen", () => {
    const snapshot = new Snapshot();
    for (let i = 0; i < 100; i++) snapshot.put(entry(`n${i}`, { size: i }));
    const before = snapshot.byteLength;
    const frozen = snapshot.freeze();
    const again = snapshot.freeze();
    // Nobody has arrays of his own as long as nobody writes.
    expect([snapshot.shared, frozen.shared, again.shared]).toEqual([true, true, true]);
    expect(snapshot.byteLength).toBe(before);
    snapshot.delete("n1");
    snapshot.outdate("n2");
    snapshot.put(entry("n3", { size: 9_999 }));
    for (let i = 100; i < 1_000; i++) snapshot.put(entry(`n${i}`));
    expect(snapshot.shared).toBe(false);
    for (const one of [frozen, again]) {
      const found = new Map([...one.shown()].map(({ name, facts }) => [name, facts?.size]));
      expect(found).toEqual(new Map(Array.from({ length: 100 }, (_, i) => [`n${i}`, i])));
      expect([one.size, one.has("n1"), one.has("n100"), one.get("n3")?.facts?.size]).toEqual([
        100,
        true,
        false,
        3,
      ]);
    }
    // A frozen one may be written to, too: it is nobody else's.
    again.put(entry("only here"));
    expect([again.has("only here"), frozen.has("only here"), snapshot.has("only here")]).toEqual([
      true,
      false,
      false,
    ]);
    expect([...frozen.unlike(snapshot, 10)].flat()).toEqual(["n1", "n3"]);
  });

  it("knows size and last write until it hears of a change", () => {
    const snapshot = new Snapshot();
    snapshot.put(entry("a", { size: 5_000_000_000, modified: 133_000_000_000_000_000n }));
    snapshot.set("b", UNKNOWN);
    const shown = (): unknown => [...snapshot.shown()].map(({ name, facts }) => [name, facts]);
    const facts = { size: 5_000_000_000, modifiedMs: 1_655_526_400_000 };
    expect(shown()).toEqual([
      ["a", facts],
      ["b", undefined],
    ]);
    snapshot.outdate("a");
    expect([...snapshot.unseen()]).toEqual(["a", "b"]);
    snapshot.learn("b", facts);
    expect(shown()).toEqual([
      ["a", undefined],
      ["b", facts],
    ]);
    // Looked at apart from a listing, it still differs from one: the next comparison tells it.
    expect(snapshot.get("b")).toEqual({ ...UNKNOWN, facts });
  });
});
