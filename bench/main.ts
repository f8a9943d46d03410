/**
 * npm run bench [-- --json FILE] [--only latency,burst,copy,large,scale,watches,fleet,checkpoints,gateway] [--quick]:
 * the numbers of docs/benchmarks.md.
 * Everything runs on loopback against servers of our own, is bounded, and ends by itself.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { burst } from "./burst.ts";
import { checkpoints } from "./checkpoints.ts";
import { fleet } from "./fleet.ts";
import { gateway } from "./gateway.ts";
import { largeDirectory } from "./large-directory.ts";
import { latency } from "./latency.ts";
import { roles } from "./roles.ts";
import { scale } from "./scale.ts";
import type { Section } from "./stats.ts";
import { treeCopy } from "./tree-copy.ts";
import { watches } from "./watches.ts";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
const sections: Record<string, () => Promise<Section>> = {
  latency: () => latency(values.quick ? 20 : 60),
  burst: () => burst(values.quick ? 2_000 : 20_000),
  copy: () => treeCopy(values.quick ? 50 : 500),
  large: () => largeDirectory(values.quick ? 20_000 : 200_000),
  scale: () => scale(values.quick ? 500 : 10_000),
  watches: () => watches(values.quick ? 500 : 10_000),
  checkpoints: () => checkpoints(values.quick ? 500 : 10_000, values.quick ? 20_000 : 200_000),
  fleet: () => fleet(values.quick),
  gateway: () => gateway(values.quick ? 1_000 : 10_000),
  roles: () => roles(values.quick ? 2 : 7),
};
const wanted = values.only?.split(",") ?? Object.keys(sections);
const unknown = wanted.filter((name) => !(name in sections));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(", ")}; there are ${Object.keys(sections).join(", ")}`);
  process.exit(2);
}

const results: Section[] = [];
for (const name of wanted) {
  console.error(`bench: ${name}`);
  const section = await sections[name]?.();
  if (section === undefined) continue;
  results.push(section);
  console.log(
    `\n### ${section.title}\n\n${section.method}\n\n| what | value | unit | note |\n|---|---|---|---|`,
  );
  for (const { name: what, value, unit, note = "" } of section.rows) {
    console.log(`| ${what} | ${value} | ${unit} | ${note} |`);
  }
}
const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model ?? "unknown" };
console.log(`\nNode ${machine.node}, ${machine.cpus} CPUs (${machine.cpu})`);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, sections: results }, null, 2)}\n`);
