import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { startNats } from "../scripts/lab/nats.ts";
import { systemClock } from "../src/base/clock.ts";
import { connectBroker } from "../src/broker/broker.ts";
import type { Broker, ObjectBucket } from "../src/broker/port.ts";
import { Snapshot } from "../src/watch/picture/snapshot.ts";
import { Archivist } from "../src/worker/archivist.ts";
import { checkpointFacts } from "../src/worker/facts.ts";
import { Inheritance, shareOf } from "../src/worker/inheritance.ts";
import type { LocalWatch } from "../src/worker/local-watch.ts";
import type { ConnectionRuntime } from "../src/worker/runtime.ts";
import { type Row, rounded, type Section } from "./stats.ts";

const KIB = 1_024;
/** As many watches as a worker starts at once. */
const AT_ONCE = 1_000;
const PATIENCE_MS = 600_000;
const runtime = { caseSensitive: false, sourceUrl: "smb://server/share" } as ConnectionRuntime;

interface Effort {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What saving and taking over cost: many small pictures, and one that is large. */
export async function checkpoints(watches: number, entries: number): Promise<Section> {
  return {
    title: "Checkpoints",
    method: "pictures from memory, saved to and read from a nats-server of our own; nothing told after them",
    rows: [...(await round(watches, 20)), ...(await round(1, entries))],
  };
}

async function round(count: number, entries: number): Promise<Row[]> {
  const nats = await startNats();
  const broker = await connectBroker({ servers: [nats.url], name: "bench" });
  try {
    // Where every watch has told something, behind which its silence is looked for.
    const cursor = await broker.feed.end();
    const watches = Array.from({ length: count }, (_, index) => watchOf(index, entries, cursor));
    const copied = performance.now();
    watches[0]?.checkpoint();
    const copyMs = performance.now() - copied;
    const saved = await measured(() => saveAll(broker, watches));
    const stored = (await broker.link.request("$JS.API.STREAM.INFO.OBJ_SMB_CHECKPOINTS", new Uint8Array()))
      .data;
    const { state } = JSON.parse(Buffer.from(stored).toString()) as {
      state: { messages: number; bytes: number };
    };
    const read = await measured(() => readAll(broker, watches));
    const what = `${count} of ${entries} entries`;
    return [
      effort(`saved: ${what}`, saved, `small ones a few together; ${rounded(copyMs)} ms to freeze one`),
      { name: "in the bucket", value: state.messages, unit: "messages", note: kib(state.bytes) },
      effort(`read by a new owner: ${what}`, read, `${AT_ONCE} want theirs at once`),
    ];
  } finally {
    await broker.close();
    await nats.stop();
  }
}

function effort(name: string, { seconds, cpuSeconds, p99Ms, maxMs }: Effort, note: string): Row {
  const delays = `event loop late by ${rounded(p99Ms, 1)} ms p99, ${rounded(maxMs, 1)} ms at most`;
  return {
    name,
    value: rounded(seconds),
    unit: "s",
    note: `${note}; ${rounded(cpuSeconds)} s CPU; ${delays}`,
  };
}

const kib = (bytes: number): string => `${rounded(bytes / KIB, 0)} KiB`;

function watchOf(index: number, entries: number, cursor: string): LocalWatch {
  const path = `/share/projects/directory-${index}`;
  const snapshot = new Snapshot();
  for (let i = 0; i < entries; i++) {
    const mark = { flags: 4, identity: [i, index], appearance: [index, i] } as const;
    snapshot.set(`a file of some name ${i}.txt`, mark);
  }
  const head = { epoch: "bench-1", seq: 1, cursor, share: shareOf(runtime) };
  return {
    target: { connection: "lab", path, recursive: false },
    runtime,
    publishing: true,
    closed: false,
    stored: async () => undefined,
    checkpoint: () => ({ ...head, directories: [{ path, snapshot: snapshot.freeze(), modified: 1n }] }),
  } as unknown as LocalWatch;
}

function objectsOf({ checkpoints }: Broker): ObjectBucket {
  if (checkpoints === undefined) throw new Error("this broker keeps no checkpoints");
  return checkpoints;
}

async function saveAll(broker: Broker, watches: readonly LocalWatch[]): Promise<void> {
  const objects = objectsOf(broker);
  let saved = 0;
  const off = checkpointFacts.subscribe(({ type }) => {
    if (type === "saved") saved++;
  });
  const archivist = new Archivist({ objects, clock: systemClock, afterMs: 1 });
  try {
    for (const watch of watches) archivist.told(watch);
    const deadline = performance.now() + PATIENCE_MS;
    while (saved < watches.length) {
      if (performance.now() > deadline) throw new Error(`${saved} of ${watches.length} saved`);
      await delay(10);
    }
  } finally {
    off();
    await archivist.close();
  }
}

async function readAll(broker: Broker, watches: readonly LocalWatch[]): Promise<void> {
  const { feed } = broker;
  const objects = objectsOf(broker);
  const inheritance = new Inheritance({ objects, feed, clock: systemClock, deadlineMs: PATIENCE_MS });
  const { signal } = new AbortController();
  const reasons: string[] = [];
  const off = checkpointFacts.subscribe((fact) => {
    if (fact.type === "unusable") reasons.push(fact.reason);
  });
  const queue = [...watches];
  const lane = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const found = await inheritance.of(next.target, runtime, signal);
      if (found === undefined) throw new Error(`nothing was left of ${next.target.path}: ${reasons}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane)).finally(off);
}

async function measured(work: () => Promise<void>): Promise<Effort> {
  const loop = monitorEventLoopDelay({ resolution: 5 });
  loop.enable();
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(cpu);
  await delay(20);
  loop.disable();
  const [p99Ms, maxMs] = [loop.percentile(99) / 1e6, loop.max / 1e6];
  return { seconds, cpuSeconds: (user + system) / 1e6, p99Ms, maxMs };
}
