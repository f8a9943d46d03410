import { describe, it } from "vitest";
import { FAULTS } from "../../../scripts/torture/faults.ts";
import { SLICE_TIMEOUT_MS, slice } from "./slice.ts";

/** A share that was missing is asked for again after a minute: too long for a slice. */
const QUICK = FAULTS.filter((name) => name !== "share removed");

describe("torture, a handle per directory", { timeout: SLICE_TIMEOUT_MS }, () => {
  it("one directory", () => slice({ seed: 11, faults: QUICK }));

  it("a tree", () => slice({ seed: 12, recursive: true, faults: QUICK }));

  it("a tree, encrypted", () => slice({ seed: 13, recursive: true, encrypted: true, faults: QUICK }));

  it("names that SMB reserves, where the share lists them", () =>
    slice({ seed: 14, recursive: true, reservedNames: true, faults: QUICK }));

  // Handles of renamed directories stayed registered with Samba, and others heard of their changes.
  it("a tree without faults, by the seed that found stray records", () =>
    slice({ seed: 101, recursive: true, faults: [] }));

  // A directory was renamed while a consumer was about to list it.
  it("a tree, by the seed that found a listing come too late", () =>
    slice({ seed: 501, recursive: true, faults: QUICK }));
});
