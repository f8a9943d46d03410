import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { tortureFleet } from "../../../scripts/torture/fleet-run.ts";

const SEED = Date.now() % 1_000_000;
const SECONDS = 75;
/** With the default a round lasts a minute: every other run has more rounds instead. */
const COVER = SEED % 2 === 0 ? "auto" : "directory";

// Another plan each time: the seed is in the name, and in the message.
it(`torture, a whole fleet, cover ${COVER}, seed ${SEED}`, { timeout: 420_000 }, async () => {
  const keepIn = mkdtempSync(join(tmpdir(), "smb2nats-fleet-"));
  const report = await tortureFleet({
    seed: SEED,
    seconds: SECONDS,
    nodes: 1,
    // Beyond what a lease lives; half a minute of it belongs to the long runs.
    outageMs: 6_000,
    rooms: 24,
    cover: COVER,
    contents: false,
    keepIn,
  });
  const again = `npm run torture -- --fleet --nodes 1 --outage 6 --rooms 24 --cover ${COVER} --seed ${SEED}; journal and logs in ${keepIn}`;
  expect(report.wrong, again).toEqual([]);
  expect(report.rounds, again).toBeGreaterThan(0);
  expect(report.changes, again).toBeGreaterThan(0);
  rmSync(keepIn, { recursive: true, force: true });
});
