import { expect } from "vitest";
import { describeReport } from "../../../scripts/torture/report.ts";
import { type TortureOptions, type TortureReport, torture } from "../../../scripts/torture/run.ts";

/** Judging the last round may take this much longer than the run. */
export const SLICE_TIMEOUT_MS = 120_000;

/** A short run. On a loss the assertion shows what was done and told last. */
export async function slice(
  options: Partial<TortureOptions> & Pick<TortureOptions, "seed">,
): Promise<TortureReport> {
  const report = await torture({
    seconds: 9,
    mode: "directory",
    recursive: false,
    encrypted: false,
    ...options,
  });
  expect(report.lost.length, describeReport(report)).toBe(0);
  expect(report.rounds).toBeGreaterThan(0);
  expect(report.changes.local + report.changes.smb).toBeGreaterThan(0);
  return report;
}
