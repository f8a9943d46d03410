import { describe, expect, it } from "vitest";
import { sambaIfAny, sambaPrograms } from "../../../scripts/lab/samba-release.ts";
import { configuration } from "../../../scripts/torture/matrix/configurations.ts";
import { describeMatrix } from "../../../scripts/torture/matrix/report.ts";
import { tortureShare } from "../../../scripts/torture/matrix/run.ts";
import { SLICE_TIMEOUT_MS } from "./slice.ts";

/** A few of the kinds of share; `npm run torture -- --matrix` has all. */
const KINDS = ["case pairs", "odd modes", "mangled names", "share in a share", "recycle"].map(configuration);

describe("torture, one kind of share after the other", { timeout: SLICE_TIMEOUT_MS }, () => {
  for (const one of KINDS) {
    const here = one.modules?.every((name) => sambaPrograms().vfsModules.has(name)) ?? true;
    // What is skipped needs VFS modules that neither the installed Samba nor a later one has here.
    it.skipIf(!here && sambaIfAny("trixie") === undefined)(one.name, async () => {
      const report = await tortureShare({ configuration: one, seed: 3, seconds: 3 });
      expect(report.lost.length, describeMatrix(report)).toBe(0);
      expect(report.rounds).toBeGreaterThan(0);
      expect(report.changes.special).toBeGreaterThan(0);
    });
  }
});
