/**
 * node scripts/run.mjs scripts/interop.ts [--check]: runs every dialect with every protection against a Samba of
 * our own, and writes docs/interop.md from what happened; with --check it only compares.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Combination,
  combinationName,
  combinations,
  type InteropResult,
  interopTable,
  runCombination,
} from "./lab/interop.ts";
import { startSamba } from "./lab/samba.ts";

const FILE = join(import.meta.dirname, "../docs/interop.md");
const [BEGIN, END] = ["<!-- table: begin -->", "<!-- table: end -->"];

const rows: [Combination, Partial<InteropResult>][] = [];
let failures = 0;
const samba = await startSamba();
try {
  for (const combination of combinations()) {
    const result = await runCombination(samba, combination).catch((error: unknown) => {
      failures++;
      console.error(`${combinationName(combination)}: ${error instanceof Error ? error.message : error}`);
      return {};
    });
    rows.push([combination, result]);
  }
} finally {
  await samba.stop();
}
const old = readFileSync(FILE, "utf8");
const [before, rest = ""] = old.split(BEGIN);
const after = rest.slice(rest.indexOf(END));
const made = `${before}${BEGIN}\n${interopTable(rows)}\n\nSamba ${samba.version}, Node ${process.version}.\n${after}`;
console.log(interopTable(rows));
if (!process.argv.includes("--check")) writeFileSync(FILE, made);
else if (!old.includes(interopTable(rows))) {
  console.error("docs/interop.md is not what the run says: node scripts/run.mjs scripts/interop.ts");
  failures++;
}
process.exitCode = failures > 0 ? 1 : 0;
