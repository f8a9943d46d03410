import { describe, expect, it } from "vitest";
import { heard } from "../../../../src/watch/deliver/concealed.ts";
import { Picture, Snapshot, TouchLog } from "../../../../src/watch/picture/index.ts";

describe("names that consumers do not have", () => {
  it.each([
    { action: "removed", name: "a" },
    { action: "renamed", name: "b", oldName: "a" },
  ] as const)("are gone for a listing that began before they were %o", (change) => {
    const node = new Picture<object>(true).root;
    node.snapshot = new Snapshot();
    const listing = new TouchLog();
    node.listen(listing);
    // The first listing of a new directory is under way, and shows it.
    expect(heard(node, { action: "modified", name: "a" }, 1).ask).toEqual(["a"]);
    heard(node, change, 2);
    expect(listing.get("a")).toBe(false);
  });
});
