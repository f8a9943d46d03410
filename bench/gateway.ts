import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Stack, startStack } from "../scripts/lab/stack.ts";
import { account, cpuSeconds, favour, spent } from "./gateway-accounting.ts";
import type { Answer, Order } from "./gateway-clients.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";

const IDLE_MS = 20_000;
const SETTLE_MS = 5_000;
const ROUNDS = 10;
/** Beyond the gateway's 250 ms window, and with time for 10,000 frames. */
const ROUND_MS = 2_000;
const DIRECTORIES = 1_000;
const PER_SECOND = 1_000;
const RATE_SECONDS = 10;
/** Of each socket, at the end. */
const SUBSCRIPTIONS = 10;
/** Files a process needs beside its sockets. */
const OTHER_FILES = 500;

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

/** One gateway under very many sockets: what each costs idle, how fast one change reaches all, how many changes it relays. */
export async function gateway(wanted: number): Promise<Section> {
  const sockets = Math.min(wanted, openFilesLimit() - OTHER_FILES);
  const room = { connections: sockets + 10, connectionsPerAddress: sockets + 10 };
  const stack = await startStack({
    connection: { cover: "directory" },
    config: {
      gateway: { host: "127.0.0.1", auth: { mode: "none" }, limits: room },
      log: { level: "info", format: "json" },
    },
  });
  const clients = new Clients();
  const roles = [...stack.workers, ...stack.gateways].map(({ process: role }) => role.pid);
  const unfavour = favour(
    [...roles, stack.samba.pid(), stack.nats.pid(), process.pid].filter((pid) => pid !== undefined),
  );
  try {
    const [role] = stack.gateways;
    if (role?.process.pid === undefined) throw new Error("no gateway");
    const { pid } = role.process;
    mkdirSync(join(stack.samba.path(), "all"));
    for (let i = 0; i < DIRECTORIES; i++) mkdirSync(join(stack.samba.path(), `d${i}`));
    const rows: Row[] = [];

    const empty = residentKiB(pid);
    const opening = now();
    await clients.do({ type: "open", port: Number(new URL(role.url).port), count: sockets });
    const openMs = now() - opening;
    await delay(SETTLE_MS);
    const idle = residentKiB(pid);
    const cpu = cpuSeconds(pid);
    await delay(IDLE_MS);
    const used = cpuSeconds(pid) - cpu;
    rows.push(
      {
        name: "memory per idle socket",
        value: rounded((idle - empty) / sockets, 1),
        unit: "KiB",
        note: "growth of the process's resident memory; Centrifugo publishes 27-30 KB",
      },
      {
        name: "idle CPU",
        value: rounded((used / IDLE_MS) * 100_000),
        unit: "% of a core",
        note: "a ping per socket and 30 s included",
      },
      { name: "opened at", value: rounded(sockets / (openMs / 1_000), 0), unit: "sockets/s" },
    );

    await clients.do({ type: "subscribe", count: sockets, each: 1, path: "/all", modulo: 1 });
    await delay(SETTLE_MS);
    rows.push({
      name: "memory per socket with a subscription",
      value: rounded((residentKiB(pid) - empty) / sockets, 1),
      unit: "KiB",
    });
    rows.push(...(await fanOut(stack, clients, sockets)), ...(await rate(stack, clients)));
    await clients.do({
      type: "subscribe",
      count: sockets,
      each: SUBSCRIPTIONS - 1,
      path: "/d%",
      modulo: DIRECTORIES,
    });
    await delay(SETTLE_MS);
    rows.push({
      name: `memory per socket with ${SUBSCRIPTIONS} subscriptions`,
      value: rounded((residentKiB(pid) - empty) / sockets, 1),
      unit: "KiB",
      note: `${SUBSCRIPTIONS * sockets} subscriptions in one process`,
    });
    const favoured = unfavour === undefined ? "" : ", all with a larger share of the processors than others";
    const short = sockets < wanted ? `; ${wanted} were wanted, the limit of open files allows these` : "";
    return {
      title: `${sockets} WebSockets on one gateway`,
      method: `clients in a second process, changes made on the server, worker and broker beside them${favoured}${short}`,
      rows,
    };
  } finally {
    unfavour?.();
    clients.close();
    await stack.close();
  }
}

/** One change to all sockets. */
async function fanOut(stack: Stack, clients: Clients, sockets: number): Promise<Row[]> {
  const latencies: number[] = [];
  const last: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const name = `round-${round}`;
    const seen = clients.do({ type: "expect", name, timeoutMs: 10_000 });
    // The order must have arrived before the change.
    await delay(ROUND_MS);
    const start = now();
    mkdirSync(join(stack.samba.path(), "all", name));
    const answer = await seen;
    if (answer.type !== "seen" || answer.at.length !== sockets) {
      throw new Error(
        `only ${answer.type === "seen" ? answer.at.length : 0} of ${sockets} sockets saw a change`,
      );
    }
    latencies.push(...answer.at.map((at) => at - start));
    last.push(Math.max(...answer.at.map((at) => at - start)));
  }
  return [
    {
      name: `one change to ${sockets} sockets`,
      value: `${rounded(quantile(latencies, 0.5), 0)} / ${rounded(quantile(latencies, 0.99), 0)}`,
      unit: "ms p50 / p99",
      note: `from the change on the server; the last socket after ${rounded(quantile(last, 0.5), 0)} ms`,
    },
  ];
}

/** Many changes a second, each in another directory than the one before; one socket listens to each. */
async function rate(stack: Stack, clients: Clients): Promise<Row[]> {
  await clients.do({ type: "subscribe", count: DIRECTORIES, each: 1, path: "/d%", modulo: DIRECTORIES });
  await clients.do({ type: "collect" });
  const started = new Map<string, number>();
  const others = { clients: clients.pid, "the change maker": process.pid };
  const before = await account(stack, others);
  const begin = now();
  const total = PER_SECOND * RATE_SECONDS;
  for (let made = 0; made < total; ) {
    const due = Math.min(total, Math.floor(((now() - begin) / 1_000) * PER_SECOND));
    for (; made < due; made++) {
      const name = `n${made}`;
      started.set(name, now());
      mkdirSync(join(stack.samba.path(), `d${made % DIRECTORIES}`, name));
    }
    await delay(1);
  }
  const seconds = (now() - begin) / 1_000;
  await delay(SETTLE_MS);
  const { machine, cpu, stages } = spent(before, await account(stack, others));
  const own = Object.values(cpu).reduce((sum, one) => sum + one, 0);
  const answer = await clients.do({ type: "collected" });
  if (answer.type !== "names") throw new Error("no names");
  const latencies = [...started].flatMap(([name, start]) => {
    const at = answer.at[name];
    return at === undefined ? [] : [at - start];
  });
  return [
    {
      name: `${rounded(total / seconds, 0)} changes/s over ${DIRECTORIES} directories, for ${RATE_SECONDS} s`,
      value: `${rounded(quantile(latencies, 0.5), 1)} / ${rounded(quantile(latencies, 0.99), 1)}`,
      unit: "ms p50 / p99",
      note: `${latencies.length} of ${total} told by name, in ${answer.frames} frames`,
    },
    ...Object.entries(stages).map(([name, ms]) => ({
      name: `of it, ${name}`,
      value: rounded(ms, 1),
      unit: "ms mean",
    })),
    {
      name: "processor time per change",
      value: Object.entries(cpu)
        .map(([name, seconds]) => `${name} ${rounded((1_000 * seconds) / total, 2)}`)
        .join(", "),
      unit: "ms",
      note: `together ${rounded(own, 1)} s; ${rounded(machine - own, 1)} s went to what else ran on these ${cpus().length} processors`,
    },
  ];
}

/** The process with the sockets. */
export class Clients {
  readonly #child: ChildProcess;

  constructor() {
    const file = join(import.meta.dirname, "gateway-clients.ts");
    this.#child = fork(file, { execArgv: ["--import", "tsx"] });
  }

  /** @throws Error for what the clients could not do */
  async do(order: Order): Promise<Answer> {
    this.#child.send(order);
    const [answer] = (await once(this.#child, "message")) as [Answer];
    if (answer.type === "failed") throw new Error(`clients: ${answer.reason}`);
    return answer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  close(): void {
    this.#child.kill();
  }
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

export function openFilesLimit(): number {
  return Number(/Max open files\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
}
