import { describe, expect, it } from "vitest";
import { configuration } from "../../../scripts/torture/matrix/configurations.ts";
import { describeMatrix } from "../../../scripts/torture/matrix/report.ts";
import { tortureShare } from "../../../scripts/torture/matrix/run.ts";
import { SLICE_TIMEOUT_MS } from "./slice.ts";

/** A few of the kinds of share; `npm run torture -- --matrix` has all. */
const KINDS = ["case pairs", "odd modes", "mangled names", "links back", "saves"].map(configuration);

describe("torture, one kind of share after the other", { timeout: SLICE_TIMEOUT_MS }, () => {
  for (const one of KINDS) {
    it(one.name, async () => {
      const report = await tortureShare({ configuration: one, seed: 3, seconds: 3 });
      expect(report.lost.length, describeMatrix(report)).toBe(0);
      expect(report.rounds).toBeGreaterThan(0);
      expect(report.changes.special).toBeGreaterThan(0);
    });
  }
});
