import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startSamba } from "../scripts/lab/samba.ts";
import { startTcpProxy } from "../scripts/lab/tcp-proxy.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import type { DirectoryHandle } from "../src/smb/handle.ts";
import { SmbPool } from "../src/smb/pool.ts";
import { type Row, rounded, type Section } from "./stats.ts";

const OPENING_AT_ONCE = 256;
const IDLE_MS = 20_000;

/** Many watched directories from one process: sockets, time to arm, memory, idle CPU and traffic. */
export async function scale(directories: number): Promise<Section> {
  const samba = await startSamba();
  const proxy = await startTcpProxy({ port: samba.port });
  const pool = new SmbPool({
    host: samba.host,
    port: proxy.port,
    share: "share",
    auth: createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain }),
  });
  try {
    for (let i = 0; i < directories; i++) mkdirSync(join(samba.path(), `d${i}`));
    await pool.ready();
    const before = settledMemory();
    const started = performance.now();
    const handles: DirectoryHandle[] = [];
    let next = 0;
    const opener = async (): Promise<void> => {
      while (next < directories) {
        const handle = await pool.openDirectory(`/d${next++}`);
        const accepted = await handle.arm({ recursive: false, filter: 0x1f }).accepted;
        if (!accepted) throw new Error("a notify was not accepted");
        handles.push(handle);
      }
    };
    await Promise.all(Array.from({ length: OPENING_AT_ONCE }, opener));
    const armedMs = performance.now() - started;
    const memory = settledMemory() - before;
    const info = pool.info();

    await delay(1_000);
    const bytes = proxy.bytes;
    const cpu = process.cpuUsage();
    await delay(IDLE_MS);
    const used = process.cpuUsage(cpu);
    const idleBytes = proxy.bytes - bytes;
    const perMinute = (idleBytes / directories) * (60_000 / IDLE_MS);

    const rows: Row[] = [
      { name: "sockets", value: info.connections, unit: "", note: "one of them for listings" },
      { name: "opened and armed in", value: rounded(armedMs / 1_000), unit: "s" },
      { name: "memory per watch", value: rounded(memory / directories / 1_024, 1), unit: "KiB" },
      {
        name: "idle CPU",
        value: rounded(((used.user + used.system) / 1_000 / IDLE_MS) * 100),
        unit: "% of a core",
        note: "client and measuring proxy together",
      },
      {
        name: "idle traffic",
        value: rounded(perMinute, 3),
        unit: "bytes per watch and minute",
        note: "shared ECHO",
      },
    ];
    return {
      title: `${directories} watched directories, one process`,
      method: "handles opened and armed on a Samba of our own, then left alone",
      rows,
    };
  } finally {
    await pool.close();
    await proxy.close();
    await samba.stop();
  }
}

/** Resident bytes after garbage collection, where node was started with --expose-gc. */
function settledMemory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const status = /VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(status) * 1_024;
}
