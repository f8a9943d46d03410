import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../../../src/watch/events.ts";
import { diff, pairMoves } from "../../../../src/watch/picture/diff.ts";
import { UNKNOWN } from "../../../../src/watch/picture/entry-mark.ts";
import { Snapshot } from "../../../../src/watch/picture/snapshot.ts";
import type { DirectoryEntry } from "../../../../src/watch/source.ts";
import { entry } from "./entries.ts";

function snapshotOf(entries: readonly DirectoryEntry[]): Snapshot {
  const snapshot = new Snapshot();
  for (const each of entries) snapshot.put(each);
  return snapshot;
}

/** What a consumer knows: which file a name means, and the content it last read. */
type Known = Map<string, { id: bigint; content: string }>;

const contentOf = (each: DirectoryEntry): string => `${each.size}/${each.modified}`;
const knownOf = (entries: readonly DirectoryEntry[]): Known =>
  new Map(entries.map((each) => [each.name, { id: each.fileId ?? 0n, content: contentOf(each) }]));

/** Applies changes as a consumer does, reading the new state where a change tells it to. */
function apply(known: Known, changes: readonly Change[], now: readonly DirectoryEntry[]): Known {
  const current = knownOf(now);
  const after: Known = new Map(known);
  for (const { action, name, oldName = "" } of changes) {
    if (action === "removed") expect(after.delete(name), `removed ${name}`).toBe(true);
    else if (action === "renamed") {
      const moved = after.get(oldName);
      expect(after.delete(oldName), `renamed ${oldName}`).toBe(true);
      expect(after.has(name), `onto ${name}`).toBe(false);
      if (moved !== undefined) after.set(name, moved);
    } else {
      expect(after.has(name), `${action} ${name}`).toBe(action === "modified");
      const read = current.get(name);
      if (read !== undefined) after.set(name, read);
    }
  }
  return after;
}

const entries = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      fileId: fc.bigInt(1n, 5n),
      size: fc.nat(2),
      modified: fc.bigInt(1n, 2n),
    })
    .map(({ name, ...rest }) => entry(name, rest)),
  { selector: ({ name }) => name },
);

describe("diff", () => {
  it("applied to the old picture gives the new one", () => {
    fc.assert(
      fc.property(entries, entries, (before, after) => {
        const changes = diff(snapshotOf(before), snapshotOf(after));
        expect(apply(knownOf(before), changes, after)).toEqual(knownOf(after));
      }),
      { numRuns: 1_000 },
    );
  });

  it("has nothing to say about equal pictures", () => {
    fc.assert(
      fc.property(entries, (same) => void expect(diff(snapshotOf(same), snapshotOf(same))).toEqual([])),
    );
  });

  it("pairs a rename by file id and creation time", () => {
    const before = snapshotOf([entry("old", { fileId: 7n })]);
    expect(diff(before, snapshotOf([entry("new", { fileId: 7n })]))).toEqual([
      { action: "renamed", name: "new", oldName: "old" },
    ]);
    expect(diff(before, snapshotOf([entry("new", { fileId: 7n, created: 2n })]))).toEqual([
      { action: "removed", name: "old" },
      { action: "added", name: "new" },
    ]);
  });

  it("knows a file by its id when its creation time moves, as Samba's do when files are read", () => {
    const before = snapshotOf([entry("dir", { type: "directory" }), entry("file")]);
    const after = snapshotOf([
      entry("dir", { type: "directory", created: 2n }),
      entry("file", { created: 2n, modified: 2n }),
    ]);
    expect(diff(before, after)).toEqual([{ action: "modified", name: "file" }]);
  });

  it("tells a rename with a new content twice", () => {
    expect(diff(snapshotOf([entry("old")]), snapshotOf([entry("new", { size: 2 })]))).toEqual([
      { action: "renamed", name: "new", oldName: "old" },
      { action: "modified", name: "new" },
    ]);
  });

  it("tells an entry of which only the name was known as modified", () => {
    const before = new Snapshot();
    before.set("x", UNKNOWN);
    expect(diff(before, snapshotOf([entry("x")]))).toEqual([{ action: "modified", name: "x" }]);
  });

  it("tells a file in the place of a directory as another thing", () => {
    const before = snapshotOf([entry("x", { type: "directory", fileId: undefined })]);
    expect(diff(before, snapshotOf([entry("x", { fileId: undefined })])).map(({ action }) => action)).toEqual(
      ["removed", "added"],
    );
  });
});

describe("moves between the directories of one watch", () => {
  const one = { path: "/a", before: snapshotOf([entry("x", { fileId: 7n })]), after: new Snapshot() };
  const two = { path: "/b", before: new Snapshot(), after: snapshotOf([entry("y", { fileId: 7n })]) };

  it("are told with both ends where the file id proves them", () => {
    const diffs = [one, two].map((each) => ({ ...each, changes: diff(each.before, each.after) }));
    expect(pairMoves(diffs)).toEqual([
      [{ action: "removed", name: "x", movedTo: "/b/y" }],
      [{ action: "added", name: "y", movedFrom: "/a/x" }],
    ]);
  });

  it("are not claimed for hard links", () => {
    const three = { path: "/c", before: new Snapshot(), after: snapshotOf([entry("z", { fileId: 7n })]) };
    const diffs = [one, two, three].map((each) => ({ ...each, changes: diff(each.before, each.after) }));
    expect(
      pairMoves(diffs)
        .flat()
        .some(({ movedTo, movedFrom }) => movedTo ?? movedFrom),
    ).toBe(false);
  });
});
