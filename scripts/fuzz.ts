// Feeds mutated messages to every reader of foreign bytes: the codec's and those of authentication.
import { parseArgs } from "node:util";
import { fuzzTargets } from "../test/support/bytes/fuzz-targets.ts";
import { FuzzFinding, type FuzzReport, fuzz } from "../test/support/bytes/fuzzer.ts";

const USAGE = `usage: fuzz [--frames N] [--seed N] [--target NAME]

  --frames N     mutated inputs in all (default 1000000)
  --seed N       same seed, same inputs (default: the time; always printed)
  --target NAME  only targets whose name contains NAME

Exits 1 with the input in hexadecimal when a reader throws anything but its own error, takes over 250 ms for
one input, reads what it wrote otherwise than before, or lets memory grow without bound.`;

function main(args: readonly string[]): number {
  let options: { frames: number; seed: number; target: string };
  try {
    options = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  const { frames, seed, target } = options;
  const targets = fuzzTargets.filter(({ name }) => name.toLowerCase().includes(target.toLowerCase()));
  if (targets.length === 0) {
    console.error(
      `no target of that name; there are:\n${fuzzTargets.map(({ name }) => `  ${name}`).join("\n")}`,
    );
    return 2;
  }
  console.error(`fuzz: ${frames} frames, ${targets.length} targets, seed ${seed}`);
  // Stacks are most of the cost of a refusal, and nobody reads those of the expected ones.
  Error.stackTraceLimit = 3;
  try {
    const onProgress = (done: number): void => console.error(`fuzz: ${done} of ${frames}`);
    console.log(summary(fuzz({ targets, frames, seed, onProgress }), seed));
    return 0;
  } catch (error) {
    if (!(error instanceof FuzzFinding)) throw error;
    console.error(`fuzz: finding with seed ${seed}: ${error.message}`);
    if (error.cause instanceof Error) console.error(error.cause.stack);
    return 1;
  }
}

function parse(args: readonly string[]): { frames: number; seed: number; target: string } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      frames: { type: "string", default: "1000000" },
      seed: { type: "string", default: String(Date.now() % 0x1_0000_0000) },
      target: { type: "string", default: "" },
    },
  });
  return { frames: count("frames", values.frames), seed: count("seed", values.seed), target: values.target };
}

function count(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--${name} is not a number: ${text}`);
  return Number(text);
}

function summary(report: FuzzReport, seed: number): string {
  const { frames, read, refused, elapsedMs, slowestMs, slowestTarget, grownBytes } = report;
  const rate = Math.round((frames / elapsedMs) * 1_000);
  return [
    `${frames} frames in ${(elapsedMs / 1_000).toFixed(1)} s (${rate} frames/s), seed ${seed}`,
    `${read} read, ${refused} refused, 0 findings`,
    `slowest ${slowestMs.toFixed(1)} ms (${slowestTarget})`,
    `${(grownBytes / (1 << 20)).toFixed(0)} MiB grown`,
  ].join("; ");
}

process.exitCode = main(process.argv.slice(2));
