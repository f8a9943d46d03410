import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type Role, startStack } from "../scripts/lab/stack.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";

/** How long a role is left alone before its memory is read: the first collections are over by then. */
const IDLE_MS = 20_000;

/** Start-up and idle memory of each role as a process of its own, with nothing to watch and nobody connected. */
export async function roles(starts: number): Promise<Section> {
  const stack = await startStack({ workers: 0, gateways: 0 });
  const rows: Row[] = [];
  try {
    for (const name of ["worker", "gateway"] as const) {
      const times: number[] = [];
      let role: Role | undefined;
      for (let i = 0; i < starts; i++) {
        await role?.stop();
        const started = performance.now();
        role = await stack.startRole(name);
        times.push(performance.now() - started);
      }
      await delay(IDLE_MS);
      const { rss, shared } = memoryOf(role?.process.pid ?? 0);
      const ended = performance.now();
      await role?.stop();
      rows.push(
        {
          name: `${name}: from the command to ready`,
          value: `${rounded(quantile(times, 0.5), 0)} / ${rounded(Math.max(...times), 0)}`,
          unit: "ms median / longest",
          note: `of ${starts}; /readyz asked every 50 ms`,
        },
        {
          name: `${name}: idle memory`,
          value: rounded(rss / 2 ** 20, 1),
          unit: "MiB",
          note: `resident; ${rounded(shared / 2 ** 20, 1)} of it files (the binary of Node), shared between processes`,
        },
        {
          name: `${name}: from SIGTERM to its end`,
          value: rounded(performance.now() - ended, 0),
          unit: "ms",
        },
      );
    }
  } finally {
    await stack.close();
  }
  return {
    title: "Each role at rest",
    method: "one process each, against a NATS and a Samba of our own, nothing watched, nobody connected",
    rows,
  };
}

/** Bytes, from the kernel. */
function memoryOf(pid: number): { readonly rss: number; readonly shared: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
  return { rss: kib("VmRSS") * 1024, shared: kib("RssFile") * 1024 };
}
