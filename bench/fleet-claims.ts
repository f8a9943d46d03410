import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startNats } from "../scripts/lab/nats.ts";
import { connectBroker } from "../src/broker/broker.ts";
import type { NatsLink } from "../src/broker/link/link.ts";
import type { Broker } from "../src/broker/port.ts";
import { FleetMember } from "../src/fleet/member.ts";
import type { WorkerReport } from "./fleet-worker.ts";
import { quantile, type Row, rounded } from "./stats.ts";

const PATIENCE_MS = 300_000;
/** Longer than the time between two renewals. */
const WINDOW_MS = 6_000;
const WINDOWS = 6;
const CALM_MS = 3_000;
const MIB = 1_048_576;

/** A worker in a process of its own. */
class BenchWorker {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(url: string): Promise<BenchWorker> {
    const file = join(import.meta.dirname, "fleet-worker.ts");
    const child = fork(file, [url], { execArgv: ["--import", "tsx"] });
    await once(child, "message");
    return new BenchWorker(child);
  }

  async report(): Promise<WorkerReport> {
    this.#child.send("report");
    const [report] = (await once(this.#child, "message")) as [WorkerReport];
    return report;
  }

  async stop(): Promise<void> {
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exit;
  }
}

/**
 * One worker takes `count` watches in one go, two more join; and what five processes say to the broker when nothing
 * happens, with no watch and with `count`.
 */
export async function claims(count: number): Promise<Row[]> {
  const nats = await startNats();
  const brokers: Broker[] = [];
  const members: FleetMember[] = [];
  const workers: BenchWorker[] = [];
  try {
    for (const host of ["a", "b"]) {
      const broker = await connectBroker({ servers: [nats.url], name: `bench-${host}` });
      brokers.push(broker);
      members.push(await FleetMember.start({ broker, kind: "gateway", host }));
    }
    const [member] = members as [FleetMember];
    const addWorker = async (): Promise<void> => void workers.push(await BenchWorker.start(nats.url));
    const said = async (): Promise<number> => {
      let sum = 0;
      for (const { link } of brokers) {
        const { inMsgs, outMsgs } = (link as NatsLink).nc.stats();
        sum += inMsgs + outMsgs;
      }
      for (const worker of workers) sum += (await worker.report()).messages;
      return sum;
    };
    let changedAt = performance.now();
    member.view.onChange(({ leases, refs, claims }) => {
      if (leases || refs || claims) changedAt = performance.now();
    });
    const idle = async (): Promise<number[]> => {
      await until(() => performance.now() - changedAt > CALM_MS);
      const rates: number[] = [];
      while (rates.length < WINDOWS) {
        const [before, begun] = [await said(), performance.now()];
        await delay(WINDOW_MS);
        rates.push(((await said()) - before) / ((performance.now() - begun) / 1_000));
      }
      return rates;
    };

    for (let i = 0; i < 3; i++) await addWorker();
    const idleEmpty = await idle();
    const base = (await (workers[0] as BenchWorker).report()).memory;
    for (const worker of workers.splice(0)) await worker.stop();

    const wanted = performance.now();
    for (let i = 0; i < count; i++) member.acquire({ connection: "lab", path: `/d${i}`, recursive: false });
    await until(() => member.view.refs.size === count);
    const refsMs = performance.now() - wanted;

    await addWorker();
    const joined = performance.now();
    await until(() => live(member) === count);
    const liveMs = performance.now() - joined;
    const one = await (workers[0] as BenchWorker).report();

    await addWorker();
    await addWorker();
    const three = performance.now();
    await until(() => isBalanced(member, workers.length));
    const balanceMs = performance.now() - three;
    const shares = [...owners(member).values()].sort((a, b) => b - a);
    const idleFull = await idle();

    return [
      { name: "refs of one holder, written in", value: rounded(refsMs / 1_000), unit: "s", note: `${count}` },
      {
        name: `${count} watches claimed by one worker in one go`,
        value: rounded(liveMs / 1_000),
        unit: "s",
        note: `all live; longest stall of its event loop ${rounded(one.stalledMs, 0)} ms`,
      },
      {
        name: "memory of that worker for them",
        value: rounded((one.memory - base) / MIB, 1),
        unit: "MiB",
        note: `${rounded((one.memory - base) / count / 1_024, 1)} KiB a watch: mirror, plan, claims; no SMB`,
      },
      {
        name: "then by three: balanced in",
        value: rounded(balanceMs / 1_000),
        unit: "s",
        note: `make before break; shares ${shares.join(" / ")}, ${spread(shares)} % from even at most`,
      },
      {
        name: "idle traffic, 5 processes, 0 watches",
        value: medianAndMost(idleEmpty),
        unit: "messages/s median / most",
        note: "sent and received by all five: renewals, their echoes, heartbeats",
      },
      {
        name: `idle traffic, 5 processes, ${count} watches`,
        value: medianAndMost(idleFull),
        unit: "messages/s median / most",
        note: `of ${WINDOWS} windows of ${WINDOW_MS / 1_000} s`,
      },
    ];
  } finally {
    await Promise.allSettled(workers.map((worker) => worker.stop()));
    await Promise.allSettled(members.map((member) => member.close()));
    await Promise.allSettled(brokers.map((broker) => broker.close()));
    await nats.stop();
  }
}

function medianAndMost(rates: readonly number[]): string {
  return `${rounded(quantile(rates, 0.5))} / ${rounded(Math.max(...rates))}`;
}

function live({ view }: FleetMember): number {
  let count = 0;
  for (const { record } of view.claims.values()) if (record.state === "live") count++;
  return count;
}

function owners({ view }: FleetMember): Map<string, number> {
  const owned = new Map<string, number>();
  for (const { record } of view.claims.values()) owned.set(record.lease, (owned.get(record.lease) ?? 0) + 1);
  return owned;
}

/** All live, within 20 % of even, and nothing on its way. */
function isBalanced(member: FleetMember, workers: number): boolean {
  const shares = [...owners(member).values()];
  if (shares.length !== workers || spread(shares) > 20) return false;
  for (const { record } of member.view.claims.values()) {
    if (record.state !== "live" || record.next !== undefined) return false;
  }
  return true;
}

function spread(shares: readonly number[]): number {
  const even = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return rounded(Math.max(...shares.map((share) => Math.abs(share - even) / even)) * 100, 1);
}

async function until(done: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!done()) {
    if (Date.now() > end) throw new Error(`not within ${PATIENCE_MS} ms`);
    await delay(200);
  }
}
