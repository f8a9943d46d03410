/**
 * node scripts/run.mjs scripts/docs/interop.ts [--check]: runs every dialect with every protection against a Samba of
 * each release, and writes docs/interop.md from what happened; with --check it only compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  combinationName,
  combinations,
  type InteropColumn,
  type InteropResult,
  interopTable,
  runCombination,
} from "../lab/interop.ts";
import { startSamba } from "../lab/samba.ts";
import type { SambaRelease } from "../lab/samba-release.ts";

const FILE = join(import.meta.dirname, "../../docs/interop.md");
const [BEGIN, END] = ["<!-- table: begin -->", "<!-- table: end -->"];
const RELEASES: readonly SambaRelease[] = ["installed", "trixie", "sid"];

let failures = 0;
const columns: InteropColumn[] = [];
for (const release of RELEASES) columns.push(await run(release));
const old = readFileSync(FILE, "utf8");
const [before, rest = ""] = old.split(BEGIN);
const after = rest.slice(rest.indexOf(END));
const table = interopTable(columns);
const versions = columns.map(({ version }) => version).join(", ");
console.log(table);
if (!process.argv.includes("--check"))
  writeFileSync(FILE, `${before}${BEGIN}\n${table}\n\nSamba ${versions}, Node ${process.version}.\n${after}`);
else if (!old.includes(table)) {
  console.error("docs/interop.md is not what the run says: node scripts/run.mjs scripts/docs/interop.ts");
  failures++;
}
process.exitCode = failures > 0 ? 1 : 0;

async function run(release: SambaRelease): Promise<InteropColumn> {
  const results = new Map<string, InteropResult>();
  const samba = await startSamba({ release });
  try {
    for (const combination of combinations()) {
      const name = combinationName(combination);
      try {
        results.set(name, await runCombination(samba, combination));
      } catch (error) {
        failures++;
        console.error(`Samba ${samba.version}, ${name}: ${error instanceof Error ? error.message : error}`);
      }
    }
  } finally {
    await samba.stop();
  }
  return { version: samba.version, results };
}
