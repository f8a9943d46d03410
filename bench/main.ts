/**
 * npm run bench [-- --json FILE] [--only latency,burst,copy,large,scale,watches,fleet,checkpoints,mirror,gateway,absent,ready] [--quick]:
 * the numbers of docs/benchmarks.md. With --trace, `latency` says when a change passes each stage. With --compare REF [--rounds N] each section is measured with that commit and with
 * this tree, in turn, N times (4). With --peers [--quick] [--plots]: other SMB clients beside this one, instead (--only latency,burst,directories,listing); --plots
 * draws two of the tables into docs/images.
 * Everything runs on loopback against servers of our own, is bounded, and ends by itself.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { absent } from "./absent.ts";
import { burst } from "./burst.ts";
import { checkpoints } from "./checkpoints.ts";
import { compare } from "./compare.ts";
import { fleet } from "./fleet.ts";
import { gateway } from "./gateway.ts";
import { largeDirectory } from "./large-directory.ts";
import { latency } from "./latency.ts";
import { mirror } from "./mirror.ts";
import { CompareError } from "./other-commit.ts";
import { PEER_SECTIONS, peers } from "./peers/main.ts";
import { costPlot, latencyPlot } from "./peers/plots.ts";
import { ready } from "./ready.ts";
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
    trace: { type: "boolean", default: false },
    compare: { type: "string" },
    rounds: { type: "string", default: "4" },
    peers: { type: "boolean", default: false },
    plots: { type: "boolean", default: false },
  },
});
const sections: Record<string, () => Promise<Section>> = {
  latency: () => latency(values.quick ? 20 : 60, values.trace, !values.quick),
  burst: () => burst(values.quick ? 2_000 : 20_000),
  copy: () => treeCopy(values.quick ? 50 : 500),
  large: () => largeDirectory(values.quick ? 20_000 : 200_000),
  scale: () => scale(values.quick ? 500 : 10_000, !values.quick),
  watches: () => watches(values.quick ? 500 : 10_000),
  checkpoints: () => checkpoints(values.quick ? 500 : 10_000, values.quick ? 20_000 : 200_000),
  mirror: () => mirror(values.quick ? 2_000 : 10_000, values.quick ? 20_000 : 200_000),
  fleet: () => fleet(values.quick),
  gateway: () => gateway(values.quick ? 1_000 : 10_000),
  absent: () =>
    absent(values.quick ? { sockets: 300, directories: 1_000 } : { sockets: 3_000, directories: 10_000 }),
  ready: () =>
    ready(
      values.quick
        ? { files: 40, together: 200, opens: 5_000 }
        : { files: 100, together: 1_000, opens: 100_000 },
    ),
  roles: () => roles(values.quick ? 2 : 7),
};
if (values.plots && !values.peers) {
  console.error("--plots draws what --peers measures");
  process.exit(2);
}
const there: readonly string[] = values.peers ? PEER_SECTIONS : Object.keys(sections);
const wanted = values.only?.split(",") ?? there;
const unknown = wanted.filter((name) => !there.includes(name));
if (unknown.length > 0) {
  console.error(`no such section: ${unknown.join(", ")}; there are ${there.join(", ")}`);
  process.exit(2);
}

const machine = { node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model ?? "unknown" };
const result = values.peers
  ? await besidePeers()
  : values.compare === undefined
    ? await measureAll()
    : await compareAll(values.compare);
console.log(`\nNode ${machine.node}, ${machine.cpus} CPUs (${machine.cpu})`);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ machine, ...result }, null, 2)}\n`);

async function measureAll(): Promise<object> {
  const results: Section[] = [];
  for (const name of wanted) {
    console.error(`bench: ${name}`);
    const section = await sections[name]?.();
    if (section === undefined) continue;
    results.push(section);
    print(section);
  }
  return { sections: results };
}

function print({ title, method, rows }: Section): void {
  console.log(`\n### ${title}\n\n${method}\n\n| what | value | unit | note |\n|---|---|---|---|`);
  for (const { name: what, value, unit, note = "" } of rows)
    console.log(`| ${what} | ${value} | ${unit} | ${note} |`);
}

async function besidePeers(): Promise<object> {
  const signal = interrupted();
  try {
    const only = PEER_SECTIONS.filter((name) => wanted.includes(name));
    const report = await peers({ only, quick: values.quick, signal, onSection: print });
    const { skipped, load, latencies, costs } = report;
    if (values.plots) {
      const images = join(dirname(import.meta.dirname), "docs", "images");
      if (latencies.length > 0) writeFileSync(join(images, "peers-latency.svg"), latencyPlot(latencies));
      if (costs.length > 0) writeFileSync(join(images, "peers-cost.svg"), costPlot(costs));
    }
    for (const { peer, why } of skipped) console.log(`\nskipped: ${peer}: ${why}`);
    console.log(
      `\n${skipped.length} peers skipped; load ${load.map((each) => each.toFixed(1)).join(" to ")}`,
    );
    return report;
  } catch (error) {
    if (signal.aborted) process.exit(130);
    throw error;
  }
}

/** Aborts where the command is told to end: what it has started is ended first. */
function interrupted(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => stop.abort(new CompareError(`ended by ${signal}`)));
  return stop.signal;
}

async function compareAll(ref: string): Promise<object> {
  const rounds = Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    console.error("--rounds wants a whole number from 1");
    process.exit(2);
  }
  const signal = interrupted();
  const root = dirname(import.meta.dirname);
  try {
    const report = await compare({
      root,
      ref,
      sections: wanted,
      rounds,
      quick: values.quick,
      signal,
    });
    if (report.left.length > 0) process.exitCode = 1;
    return report;
  } catch (error) {
    if (!(error instanceof CompareError)) throw error;
    console.error(`bench: ${error.message}`);
    process.exit(signal.aborted ? 130 : 1);
  }
}
