import { mkdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Samba, startSamba } from "../scripts/lab/samba.ts";
import { startTcpProxy } from "../scripts/lab/tcp-proxy.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import { SmbDirectorySource } from "../src/share/source.ts";
import type { DirectoryHandle } from "../src/smb/files/handle.ts";
import { SmbPool } from "../src/smb/pool/pool.ts";
import type { PoolOptions } from "../src/smb/pool/pool-options.ts";
import { NotifyRequests } from "../src/watch/handle/notify-requests.ts";
import { resolveOptions } from "../src/watch/options.ts";
import { type Row, rounded, type Section, settledMemory } from "./stats.ts";

const OPENING_AT_ONCE = 256;
const IDLE_MS = 30_000;
const UPKEEP_OF = 200;
/** As `cover/handle-set.ts` has it. */
const SECOND_LOOKS_PER_SECOND = 100;

/** Many watched directories from one process: sockets, time to arm, memory, idle CPU and traffic, farewell. */
export async function scale(directories: number, withRenewals: boolean): Promise<Section> {
  const samba = await startSamba();
  try {
    // As most directories are: new ones are looked at once more when they are a minute old.
    const anHourAgo = Date.now() / 1_000 - 3_600;
    for (let i = 0; i < directories; i++) {
      const path = join(samba.path(), `d${i}`);
      mkdirSync(path);
      utimesSync(path, anHourAgo, anHourAgo);
    }
    return {
      title: `${directories} watched directories, one process`,
      method:
        "one handle per directory on a Samba of our own, two CHANGE_NOTIFY stacked on each; memory is heap and buffers after garbage collection",
      rows: [
        ...(await engine(samba, directories)),
        ...(await upkeep(samba)),
        ...(await watches(samba, directories, withRenewals)),
      ],
    };
  } finally {
    await samba.stop();
  }
}

function poolOptions(samba: Samba, port: number): PoolOptions {
  const { host, user: username, password, domain } = samba;
  return { host, port, share: "share", auth: createNtlmProvider({ username, password, domain }) };
}

/** The SMB engine alone: open handles with armed requests. */
async function engine(samba: Samba, directories: number): Promise<Row[]> {
  const proxy = await startTcpProxy({ port: samba.port });
  const pool = new SmbPool(poolOptions(samba, proxy.port));
  try {
    await pool.ready();
    const before = settledMemory();
    const started = performance.now();
    const handles: DirectoryHandle[] = [];
    let next = 0;
    const opener = async (): Promise<void> => {
      while (next < directories) {
        const handle = await pool.openDirectory(`/d${next++}`);
        const notifies = [0, 1].map(() => handle.arm({ recursive: false, filter: 0x1f }));
        for (const { accepted } of notifies) {
          if (!(await accepted)) throw new Error("a notify was not accepted");
        }
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
    const perMinute = ((proxy.bytes - bytes) / directories) * (60_000 / IDLE_MS);
    const leaving = performance.now();
    await pool.close();
    const left = performance.now() - leaving;
    return [
      { name: "sockets", value: info.connections, unit: "", note: "one of them for listings" },
      { name: "opened and armed in", value: rounded(armedMs / 1_000), unit: "s" },
      { name: "memory per open, armed handle", value: rounded(memory / directories / 1_024, 1), unit: "KiB" },
      {
        name: "idle CPU",
        value: rounded(((used.user + used.system) / 1_000 / IDLE_MS) * 100),
        unit: "% of a core",
        note: "client and measuring relay together",
      },
      {
        name: "idle traffic",
        value: rounded(perMinute, 3),
        unit: "bytes per watch and minute",
        note: "the shared ECHO",
      },
      {
        name: "orderly farewell",
        value: rounded(left / 1_000),
        unit: "s",
        note: "TREE_DISCONNECT and LOGOFF on every connection; given up after 2 s",
      },
    ];
  } finally {
    await pool.close();
    await proxy.close();
  }
}

/** What a watch does about servers that forget it, or the directory, without a word: bytes on the wire, both ways. */
async function upkeep(samba: Samba): Promise<Row[]> {
  const proxy = await startTcpProxy({ port: samba.port });
  const pool = new SmbPool(poolOptions(samba, proxy.port));
  const source = new SmbDirectorySource(pool);
  try {
    await pool.ready();
    const subscriptions: NotifyRequests[] = [];
    for (let i = 0; i < UPKEEP_OF; i++) {
      const directory = await source.open(`/d${i}`, {});
      const options = { recursive: false, filter: 0x1f, depth: source.traits.notifyDepth };
      const subscription = new NotifyRequests(directory, options, { answered: () => undefined });
      subscriptions.push(subscription);
      if (!(await subscription.start())) throw new Error("a notify was not accepted");
    }
    const cost = async (work: () => Promise<unknown>): Promise<number> => {
      await delay(500);
      const before = proxy.bytes;
      await work();
      await delay(500);
      return (proxy.bytes - before) / UPKEEP_OF;
    };
    const refresh = await cost(() => Promise.all(subscriptions.map((each) => each.refresh())));
    const health = await cost(() =>
      Promise.all(Array.from({ length: UPKEEP_OF }, (_, i) => source.stat(`/d${i}`, {}))),
    );
    for (const each of subscriptions) each.stop();
    const { refreshMinutes } = resolveOptions({});
    return [
      {
        name: "refresh of a subscription",
        value: rounded(refresh, 0),
        unit: "bytes",
        note: `every ${refreshMinutes} minutes: ${rounded(refresh / refreshMinutes, 0)} bytes per watch and minute`,
      },
      {
        name: "health check",
        value: rounded(health, 0),
        unit: "bytes",
        note: "once a minute and watch, five a second over all at most",
      },
    ];
  } finally {
    await pool.close();
    await proxy.close();
  }
}

/** The same through the watch engine: each directory is listed and remembered as well. */
async function watches(samba: Samba, directories: number, withRenewals: boolean): Promise<Row[]> {
  const share = new Share({ smb: poolOptions(samba, samba.port), watch: { cover: "directory" } });
  try {
    await share.connect();
    const before = settledMemory();
    const resident = process.memoryUsage.rss();
    const started = performance.now();
    const cpu = process.cpuUsage();
    const live = Array.from({ length: directories }, async (_, i) => {
      await share.watches.watch({ path: `/d${i}`, recursive: false }, () => undefined).live;
    });
    await Promise.all(live);
    const liveMs = performance.now() - started;
    const used = process.cpuUsage(cpu);
    const more = process.memoryUsage.rss() - resident;
    const memory = settledMemory() - before;
    // Each directory is looked at once more after it came live, spread over the share, and what coming live left is collected: that
    // is no rest yet. The first round of renewals is spread over the second half of a period.
    const { refreshMinutes } = resolveOptions({});
    const second = (directories / SECOND_LOOKS_PER_SECOND) * 1_000 + IDLE_MS;
    const atRest = started + (withRenewals ? refreshMinutes * 30_000 - 2 * IDLE_MS : second);
    await delay(atRest - performance.now());
    const rest = await shareOfACore();
    const rows: Row[] = [
      {
        name: "watches live in",
        value: rounded(liveMs / 1_000),
        unit: "s",
        note: `armed, listed, pictured; all asked for at once; ${rounded((used.user + used.system) / 1_000_000)} s of CPU in our process`,
      },
      { name: "memory per live watch", value: rounded(memory / directories / 1_024, 1), unit: "KiB" },
      {
        name: "resident memory that they took",
        value: rounded(more / 1_024 / 1_024, 0),
        unit: "MiB",
        note: "garbage included, when the last is live",
      },
      {
        name: "idle CPU of live watches",
        value: rounded(rest),
        unit: "% of a core",
        note: `with health checks, without renewals; for ${(2 * IDLE_MS) / 1_000} s`,
      },
    ];
    if (!withRenewals) return rows;
    await delay(IDLE_MS);
    const renewing = await shareOfACore();
    return [
      ...rows,
      {
        name: "the same with renewals",
        value: rounded((rest + renewing) / 2),
        unit: "% of a core",
        note: `each watch is renewed and listed every ${refreshMinutes} minutes; ${rounded(renewing)} in a minute of the first round, which is done in half that time`,
      },
    ];
  } finally {
    await share.close();
  }
}

/** Of this process, for two idle periods. */
async function shareOfACore(): Promise<number> {
  const before = process.cpuUsage();
  await delay(2 * IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1_000 / (2 * IDLE_MS)) * 100;
}
