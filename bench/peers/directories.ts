import { setTimeout as delay } from "node:timers/promises";
import { type Row, rounded, type Section } from "../stats.ts";
import type { Contestant } from "./contestants.ts";
import { type Peer, PeerError } from "./peer.ts";
import { type Cost, costOf } from "./process-cost.ts";
import type { Stage } from "./stage.ts";

/** All directories of one listener. */
const ARM_MS = 90_000;
const HEARD_MS = 15_000;
const SETTLED_MS = 1_500;
const KIB = 1_024;
const MIB = 1_024 * KIB;

/** What one listener costs at a number of directories. */
export interface Point extends Cost {
  readonly directories: number;
  /** To arm them, the first excepted: with it a process starts and logs in. */
  readonly seconds: number;
}

export interface Costs {
  readonly id: Contestant["id"];
  readonly name: string;
  readonly points: readonly Point[];
  /** Memory of the most directories once nothing has happened for so long: a collector gives back then, where it does. */
  readonly rested?: { readonly seconds: number; readonly bytes: number };
  /** Of the most directories, how many were heard from; undefined where it did not come so far. */
  readonly heard: number | undefined;
  readonly error?: string;
}

/** More and more directories, one listener after another: until all are armed, and what the process has by then. */
export async function directories(
  stage: Stage,
  all: readonly Contestant[],
  steps: readonly number[],
  restSeconds: number,
): Promise<{ readonly section: Section; readonly costs: readonly Costs[] }> {
  const most = Math.max(...steps);
  for (let i = 0; i < most; i++) stage.make(`many/d${i}`);
  const costs: Costs[] = [];
  for (const contestant of all) costs.push(await grow(stage, contestant, steps, restSeconds));
  return {
    section: {
      title: "Beside the peers: many directories",
      method: `one listener after another, each in a process that is given more and more directories (${steps.join(", ")}) on a Samba of our own, the time without that for the first, which has start and login in it; armed as far as the listener itself knows, and then one directory is made in each; memory is the process's part of what is resident (PSS)`,
      rows: costs.flatMap((each) => describeCosts(each, steps)),
    },
    costs,
  };
}

async function grow(
  stage: Stage,
  contestant: Contestant,
  steps: readonly number[],
  restSeconds: number,
): Promise<Costs> {
  const { id, name } = contestant;
  const points: Point[] = [];
  // What a worker watches for a program costs the worker.
  const worker = id === "worker" ? await stage.freshWorker() : undefined;
  const peer = stage.start(contestant);
  const deadline = performance.now() + ARM_MS;
  try {
    let [armed, seconds] = [0, 0];
    for (const step of steps) {
      const paths = Array.from({ length: step - armed }, (_, i) => `many/d${armed + i}`);
      const began = performance.now();
      await peer.arm(paths, Math.max(1, deadline - began));
      if (armed > 0) seconds += (performance.now() - began) / 1_000;
      armed = step;
      await delay(SETTLED_MS, undefined, { signal: stage.signal });
      points.push({ directories: step, seconds, ...costOf(worker ?? peer.pid, stage.stack.samba.port) });
    }
    await delay(restSeconds * 1_000, undefined, { signal: stage.signal });
    const { bytes } = costOf(worker ?? peer.pid, stage.stack.samba.port);
    const rested = { seconds: restSeconds, bytes };
    return { id, name, points, rested, heard: await heardFrom(stage, peer, id, armed) };
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { id, name, points, heard: undefined, error: error.message };
  } finally {
    await stage.end(peer);
  }
}

async function heardFrom(stage: Stage, peer: Peer, id: string, armed: number): Promise<number> {
  await peer.clear(`${id}-`);
  for (let i = 0; i < armed; i++) stage.make(`many/d${i}/${id}-${i}`);
  const deadline = performance.now() + HEARD_MS;
  for (;;) {
    const { names } = await peer.count();
    if (names >= armed || performance.now() > deadline) return names;
    await delay(200, undefined, { signal: stage.signal });
  }
}

/** @param steps - the numbers of directories; the table shows all but the first few */
export function describeCosts(
  { name, points, rested, heard, error }: Costs,
  steps: readonly number[],
): Row[] {
  const shown = steps.slice(-2);
  const at = shown.join(" / ");
  const each = (value: (point: Point) => number): string =>
    shown
      .map((step) => points.find(({ directories }) => directories === step))
      .map((point) => (point === undefined ? "-" : value(point)))
      .join(" / ");
  const [first, last] = [points[0], points.at(-1)];
  const growth =
    first === undefined || last === undefined || first === last
      ? undefined
      : (last.bytes - first.bytes) / (last.directories - first.directories) / KIB;
  return [
    {
      name: `${name}: armed in`,
      value: each(({ seconds }) => rounded(seconds)),
      unit: `s at ${at}`,
      note: error ?? `changes heard from ${heard} of ${last?.directories}`,
    },
    {
      name: `${name}: memory`,
      value: each(({ bytes }) => rounded(bytes / MIB, 1)),
      unit: `MiB at ${at}`,
      note:
        growth === undefined
          ? ""
          : `${rounded(growth, 1)} KiB more for each directory, from ${first?.directories} to ${last?.directories}`,
    },
    ...(rested === undefined || last === undefined
      ? []
      : [
          {
            name: `${name}: memory after ${rested.seconds} s of rest`,
            value: rounded(rested.bytes / MIB, 1),
            unit: `MiB at ${last.directories}`,
          },
        ]),
    { name: `${name}: threads`, value: each(({ threads }) => threads), unit: `at ${at}` },
    { name: `${name}: connections`, value: each(({ connections }) => connections), unit: `at ${at}` },
  ];
}
