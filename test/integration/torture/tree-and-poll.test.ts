import { describe, it } from "vitest";
import { FAULTS } from "../../../scripts/torture/faults.ts";
import { SLICE_TIMEOUT_MS, slice } from "./slice.ts";

const QUICK = FAULTS.filter((name) => name !== "share removed");

// Samba does not tell a recursive watch what is done on the server below its top: rescans every 6 s find it.
describe("torture, otherwise than by a handle per directory", { timeout: SLICE_TIMEOUT_MS }, () => {
  it("one recursive handle and rescans", () =>
    slice({ seed: 21, mode: "tree", recursive: true, faults: QUICK }));

  it("polling a tree", () => slice({ seed: 22, mode: "poll", recursive: true, faults: QUICK }));
});
