import { describe, expect, it } from "vitest";
import type { Change } from "../../../../src/watch/events.ts";
import { MirrorTree } from "../../../../src/watch/mirror/tree.ts";

const added = (name: string, more: Partial<Change> = {}): Change => ({ action: "added", name, ...more });
const renamed = (oldName: string, name: string, more: Partial<Change> = {}): Change => ({
  action: "renamed",
  oldName,
  name,
  ...more,
});
const paths = (tree: MirrorTree): string[] => [...tree.walk()].map(([path]) => path).sort();

function tree(caseSensitive = true): MirrorTree {
  const made = new MirrorTree("/d", true, () => caseSensitive);
  made.load([
    {
      path: "/d",
      entries: [
        { name: "f", type: "file", size: 1 },
        { name: "x", type: "directory" },
      ],
    },
    { path: "/d/x", entries: [{ name: "y", type: "directory" }] },
    { path: "/d/x/y", entries: [{ name: "z", type: "file", size: 2 }] },
  ]);
  return made;
}

describe("a mirror's tree", () => {
  it("is what the snapshot says, and nothing else", () => {
    const made = tree();
    expect(paths(made)).toEqual(["/d/f", "/d/x", "/d/x/y", "/d/x/y/z"]);
    expect(made.get("/d/x/y/z")).toEqual({ name: "z", type: "file", size: 2 });
    expect(made.get("/e")).toBeUndefined();
    made.load([{ path: "/d", entries: [] }]);
    expect(paths(made)).toEqual([]);
  });

  it("moves along what lies below a renamed directory, but not where it is told anew", () => {
    const moving = tree();
    moving.apply("/d", [renamed("x", "w")]);
    expect(paths(moving)).toEqual(["/d/f", "/d/w", "/d/w/y", "/d/w/y/z"]);
    const emptied = tree();
    emptied.apply("/d", [renamed("x", "w", { emptied: true })]);
    expect(paths(emptied)).toEqual(["/d/f", "/d/w"]);
  });

  it("a name that was renamed to itself has come from somewhere, and may be anything", () => {
    const made = tree();
    made.apply("/d", [renamed("n", "n"), renamed("f", "f")]);
    expect(made.get("/d/n")).toEqual({ name: "n" });
    expect(made.get("/d/f")).toEqual({ name: "f" });
    made.apply("/d", [renamed("x", "x")]);
    expect(paths(made)).toEqual(["/d/f", "/d/n", "/d/x", "/d/x/y", "/d/x/y/z"]);
  });

  it("a directory that takes another's place leaves nothing of it", () => {
    const made = tree();
    made.apply("/d", [added("n"), renamed("n", "x")]);
    expect(paths(made)).toEqual(["/d/f", "/d/x"]);
  });

  it("knows no size of what was modified, until it is told", () => {
    const made = tree();
    made.apply("/d", [{ action: "modified", name: "f", stream: true }]);
    expect(made.get("/d/f")).toEqual({ name: "f", type: "file", size: 1 });
    made.apply("/d", [{ action: "modified", name: "f" }]);
    expect(made.get("/d/f")).toEqual({ name: "f", type: "file" });
    made.apply("/d", [
      { action: "modified", name: "f", type: "file", size: 7, modified: "2026-01-01T00:00:00.000Z" },
    ]);
    expect(made.get("/d/f")).toEqual({
      name: "f",
      type: "file",
      size: 7,
      modified: "2026-01-01T00:00:00.000Z",
    });
  });

  it("does not know what a comparison found to be modified", () => {
    const made = tree();
    made.apply("/d", [{ action: "modified", name: "f" }], "rescan");
    expect(made.get("/d/f")).toEqual({ name: "f" });
    made.apply("/d", [{ action: "modified", name: "x" }], "rescan");
    expect(made.get("/d/x")).toEqual({ name: "x", type: "directory" });
  });

  it("does not take a directory for the file that had its name", () => {
    const made = tree();
    made.apply("/d", [added("f")]);
    expect(made.get("/d/f")).toEqual({ name: "f" });
    made.apply("/d/f", [added("g")]);
    expect(made.get("/d/f")).toEqual({ name: "f", type: "directory" });
  });

  it("hands out the same list until something of it changes", () => {
    const made = tree();
    const [root, below] = [made.entries(), made.entries("/d/x")];
    made.apply("/d/x", [added("more")]);
    expect(made.entries()).toBe(root);
    expect(made.entries("/d/x")).not.toBe(below);
    expect(made.apply("/d/unknown", [added("a")])).toBe(false);
    expect(made.entries("/d/unknown")).toEqual([]);
  });

  it("finds a directory in another spelling where the server does", () => {
    const made = tree(false);
    made.apply("/D/X", [added("more")]);
    expect(made.entries("/d/x").map(({ name }) => name)).toEqual(["y", "more"]);
    expect(tree(true).apply("/D/X", [added("more")])).toBe(false);
  });

  it("holds what a directory alone has", () => {
    const made = new MirrorTree("/d", false);
    made.load([{ path: "/d", entries: [{ name: "x", type: "directory" }] }]);
    expect(made.apply("/d/x", [added("below")])).toBe(false);
    expect(paths(made)).toEqual(["/d/x"]);
    expect(made.isWhole()).toBe(true);
    made.load([{ path: "/d", entries: [], tooLarge: true }]);
    expect(made.isWhole()).toBe(false);
  });
});
