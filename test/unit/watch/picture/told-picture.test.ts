import { describe, expect, it } from "vitest";
import type { CheckpointDirectory } from "../../../../src/watch/picture/checkpoint.ts";
import { diff } from "../../../../src/watch/picture/diff.ts";
import { Snapshot } from "../../../../src/watch/picture/snapshot.ts";
import { ToldPicture } from "../../../../src/watch/picture/told-picture.ts";
import { entry } from "./entries.ts";

function directory(path: string, ...names: string[]): CheckpointDirectory {
  const snapshot = new Snapshot();
  for (const name of names) snapshot.put(entry(name));
  return { path, snapshot, modified: 5n };
}

const pictureOf = (...directories: CheckpointDirectory[]): ToldPicture =>
  new ToldPicture(directories, (path) => path.toLowerCase());

const shown = ({ directories }: ToldPicture): Record<string, string> =>
  Object.fromEntries(
    directories
      .map(({ path, snapshot, modified }) => {
        const names = snapshot === undefined ? "?" : [...snapshot.entries()].map(([name]) => name).sort();
        return [path, `${names}${modified === undefined ? " (doubtful)" : ""}`] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

describe("what was told after a checkpoint", () => {
  it("changes names as a consumer would change them", () => {
    const picture = pictureOf(directory("/d", "a", "b", "c"));
    picture.changes("/d", [
      { action: "removed", name: "a" },
      { action: "added", name: "x" },
      { action: "renamed", name: "y", oldName: "b" },
      { action: "modified", name: "c" },
    ]);
    expect(shown(picture)).toEqual({ "/d": "c,x,y" });
  });

  it("knows a directory by what was told below it: a file of that name would be another", () => {
    const picture = pictureOf(directory("/d", "a"));
    picture.changes("/d", [
      { action: "added", name: "e" },
      { action: "added", name: "f" },
    ]);
    picture.changes("/d/e", [{ action: "added", name: "b" }]);
    const [root] = picture.directories;
    const now = directory("/d", "a", "e", "f").snapshot ?? new Snapshot();
    expect(diff(root?.snapshot ?? new Snapshot(), now)).toEqual([
      { action: "removed", name: "e" },
      { action: "added", name: "e" },
      { action: "modified", name: "f" },
    ]);
  });

  it("keeps what is known of a file that was renamed, and of one that was told once more", () => {
    const given = directory("/d", "a", "c");
    const before = given.snapshot?.get("a");
    const picture = pictureOf(given);
    picture.changes("/d", [
      { action: "renamed", name: "b", oldName: "a" },
      { action: "added", name: "b" },
    ]);
    expect(picture.directories[0]?.snapshot?.get("b")).toEqual(before);
  });

  it("does not claim to know what consumers have below a directory that was renamed", () => {
    const picture = pictureOf(
      directory("/", "Old", "new", "file"),
      directory("/Old", "x"),
      directory("/new", "z"),
    );
    expect(picture.changes("/", [{ action: "renamed", name: "file2", oldName: "file" }])).toBe(true);
    expect(picture.changes("/", [{ action: "renamed", name: "moved", oldName: "Old" }])).toBe(false);
  });

  it("drops what lay where something else was renamed to", () => {
    const picture = pictureOf(
      directory("/", "file", "new"),
      directory("/new", "z"),
      directory("/new/in", "y"),
    );
    expect(picture.changes("/", [{ action: "renamed", name: "new", oldName: "file" }])).toBe(true);
    expect(shown(picture)).toEqual({ "/": "new" });
  });

  it("forgets what lay below a directory that was removed, and begins anew with one of its name", () => {
    const picture = pictureOf(directory("/", "d"), directory("/d", "x", "sub"), directory("/d/sub", "y"));
    picture.changes("/", [{ action: "removed", name: "d" }]);
    picture.changes("/", [{ action: "added", name: "d" }]);
    picture.changes("/d", [{ action: "added", name: "z" }]);
    expect(shown(picture)).toEqual({ "/": "d", "/d": "z (doubtful)" });
  });

  it("doubts a directory that consumers were asked to list, and gives up on a whole scope", () => {
    const picture = pictureOf(directory("/d", "a"), directory("/e", "b"));
    expect(picture.resync("/d", "self")).toBe(true);
    expect(shown(picture)).toEqual({ "/d": "a (doubtful)", "/e": "b" });
    expect(picture.resync("/d", "subtree")).toBe(false);
  });

  it("leaves a directory alone that was too large to remember", () => {
    const picture = pictureOf({ path: "/d", snapshot: undefined });
    picture.changes("/d", [
      { action: "added", name: "x" },
      { action: "renamed", name: "y", oldName: "x" },
      { action: "removed", name: "y" },
    ]);
    expect(shown(picture)).toEqual({ "/d": "? (doubtful)" });
  });
});
