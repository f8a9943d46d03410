/**
 * Where the time of bench/gateway.ts goes: processor time of every process that a change passes, and what the
 * stages' own histograms say. On a machine with fewer processors than processes the first explains the latency.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Stack } from "../scripts/lab/stack.ts";

/** Seconds of a processor by name, and sums of histograms. */
export interface Account {
  /** Of everything on this machine. */
  readonly machine: number;
  readonly cpu: Readonly<Record<string, number>>;
  readonly stages: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface Spent {
  readonly machine: number;
  /** Seconds of a processor. */
  readonly cpu: Readonly<Record<string, number>>;
  /** Mean of each stage, ms. */
  readonly stages: Readonly<Record<string, number>>;
}

/** `others` are processes outside the stack, by pid. */
export async function account(stack: Stack, others: Readonly<Record<string, number>>): Promise<Account> {
  const [worker] = stack.workers;
  const [gateway] = stack.gateways;
  const groups: Record<string, number | undefined> = {
    samba: stack.samba.pid(),
    worker: worker?.process.pid,
    broker: stack.nats.pid(),
    gateway: gateway?.process.pid,
    ...others,
  };
  return {
    machine: machineSeconds(),
    cpu: Object.fromEntries(Object.entries(groups).map(([name, pid]) => [name, cpuSeconds(pid ?? 0)])),
    stages: {
      "worker to stored": sums(await metrics(worker?.ops), "smb2nats_publish_seconds"),
      "worker to socket": sums(await metrics(gateway?.ops), "smb2nats_gateway_delivery_seconds"),
    },
  };
}

export function spent(before: Account, after: Account): Spent {
  const cpu = Object.fromEntries(
    Object.entries(after.cpu).map(([name, seconds]) => [name, seconds - (before.cpu[name] ?? 0)]),
  );
  const stages = Object.fromEntries(
    Object.entries(after.stages).map(([name, { sum = 0, count = 0 }]) => {
      const was = before.stages[name] ?? {};
      return [name, (1_000 * (sum - (was["sum"] ?? 0))) / Math.max(1, count - (was["count"] ?? 0))];
    }),
  );
  return { machine: after.machine - before.machine, cpu, stages };
}

/** User and system time of a process and those it forked into its group; the kernel counts in hundredths. */
export function cpuSeconds(pid: number): number {
  let ticks = 0;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const fields = readFileSync(`/proc/${entry}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      if (Number(entry) === pid || Number(fields[2]) === pid)
        ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended while we looked.
    }
  }
  return ticks / 100;
}

/**
 * Asks the kernel for a larger share of the processors for the sessions of these processes, so that what else runs on the
 * machine is measured less: Linux shares them out by session before it looks at niceness (sched(7), "The autogroup
 * feature"). Returns how to give it back; `undefined` where it was not to be had.
 */
export function favour(pids: readonly number[]): (() => void) | undefined {
  const set = (nice: number): void => {
    for (const pid of pids) writeFileSync(`/proc/${pid}/autogroup`, String(nice));
  };
  try {
    set(-10);
    return () => {
      try {
        set(0);
      } catch {
        // One has ended: with it, its session.
      }
    };
  } catch {
    return undefined;
  }
}

function machineSeconds(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8")
    .split(/\s+/)
    .map(Number);
  return ((user ?? 0) + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0)) / 100;
}

/** What a role says at `/metrics`. */
export async function metrics(ops: string | undefined): Promise<string> {
  return (await fetch(`${ops}/metrics`)).text();
}

/** Over all labels. */
function sums(text: string, name: string): { readonly sum: number; readonly count: number } {
  const total = (suffix: string): number =>
    [...text.matchAll(new RegExp(`^${name}_${suffix}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  return { sum: total("sum"), count: total("count") };
}
