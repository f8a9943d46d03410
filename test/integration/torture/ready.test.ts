import { expect, it } from "vitest";
import { READY_FAULTS } from "../../../scripts/torture/ready/faults.ts";
import { tortureReady } from "../../../scripts/torture/ready/run.ts";

it("files of other clients are told once each when they are closed, through faults, 60 files", async () => {
  const report = await tortureReady({
    seed: 19,
    files: 60,
    seconds: 60,
    cover: "directory",
    faults: READY_FAULTS,
  });
  expect(report.wrong).toEqual([]);
  expect(report.files).toBe(60);
  expect(report.told).toBeGreaterThan(40);
  expect(report.probes["open"] ?? 0).toBeGreaterThan(0);
}, 120_000);
