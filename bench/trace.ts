import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Stage } from "../src/base/channels.ts";
import type { Heard } from "./latency-listener.ts";
import { quantile, type Row, rounded } from "./stats.ts";

type Place = "worker" | "gateway" | "bare CHANGE_NOTIFY loop";

/** What a change passes, in this order: where, and what it means. A listener's own mark is "heard of". */
const WAY: readonly (readonly [where: string, stage: Stage | "heard of", means: string])[] = [
  ["worker", "received", "the server's answer is read from the socket"],
  ["worker", "verified", "unframed, signature verified, matched to its request"],
  ["worker", "heard", "decoded, with the watch of its directory"],
  ["worker", "told", "picture and interests know it"],
  ["worker", "sealed", "a message is made of it, and goes to the NATS client"],
  ["stored", "heard of", "a subscriber of the subject that workers publish on has it"],
  ["NATS subscriber", "heard of", "a subscriber of the republished subject has it"],
  ["gateway", "relayed", "the gateway has it, in order"],
  ["gateway", "framed", "a frame is made of it"],
  ["WebSocket client", "heard of", "a browser has it"],
];
/** Beside the way. */
const BESIDE: typeof WAY = [
  ["bare CHANGE_NOTIFY loop", "received", "the same change, read by the bare loop"],
  ["bare CHANGE_NOTIFY loop", "heard of", "the floor"],
  ["worker", "stored", "the stream's acknowledgement is back at the worker"],
];

/** Follows changes through all processes: give `env` to the roles, end them, ask for `rows`. */
export class Trace {
  readonly #dir = mkdtempSync(join(tmpdir(), "smb2nats-bench-"));

  get env(): Record<string, string> {
    const hook = pathToFileURL(join(import.meta.dirname, "trace-hook.mjs")).href;
    return { BENCH_TRACE_DIR: this.#dir, NODE_OPTIONS: `--import ${hook}` };
  }

  /** Medians over all changes of each series, by when they were made; a series' name follows that of its rows. The roles have ended. */
  rows(
    series: Readonly<Record<string, readonly number[]>>,
    heard: Readonly<
      Record<string, { readonly names: ReadonlyMap<string, number>; readonly stages: readonly Heard[] }>
    >,
  ): Row[] {
    const marks: (Heard & { readonly length: 2 })[] = [];
    const add = (where: string, all: Iterable<Heard>): void => {
      for (const [stage, at] of all) marks.push([`${where}: ${stage}`, at]);
    };
    for (const file of readdirSync(this.#dir)) {
      const role = file.split("-")[0] as Place;
      add(role, JSON.parse(readFileSync(join(this.#dir, file), "utf8")) as Heard[]);
    }
    rmSync(this.#dir, { recursive: true, force: true });
    for (const [who, { names, stages }] of Object.entries(heard)) {
      add(who, stages);
      add(
        who,
        [...names.values()].map((at): Heard => ["heard of", at]),
      );
    }
    return Object.entries(series).flatMap(([name, begun]) => rowsOf(name, begun, marks));
  }
}

function rowsOf(series: string, begun: readonly number[], marks: readonly Heard[]): Row[] {
  const median = (name: string): { readonly p50: number; readonly p99: number } => {
    const times = after(
      begun,
      marks.filter(([each]) => each === name).map(([, at]) => at),
    );
    return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  };
  let before = 0;
  const row = ([where, stage, means]: (typeof WAY)[number], onTheWay: boolean): Row => {
    const name = `${where}: ${stage}`;
    const { p50, p99 } = median(name);
    const step = onTheWay ? `+ ${rounded(p50 - before)}; ` : "";
    if (onTheWay) before = p50;
    return {
      name: name + series,
      value: `${rounded(p50)} / ${rounded(p99)}`,
      unit: "ms p50 / p99",
      note: step + means,
    };
  };
  return [...WAY.map((each) => row(each, true)), ...BESIDE.map((each) => row(each, false))];
}

/** From each change to the first mark behind it, where there is one before the next change. */
function after(begun: readonly number[], at: readonly number[]): number[] {
  const sorted = [...at].sort((a, b) => a - b);
  return begun.flatMap((start, index) => {
    const end = begun[index + 1] ?? Number.POSITIVE_INFINITY;
    const first = sorted.find((time) => time >= start && time < end);
    return first === undefined ? [] : [first - start];
  });
}
