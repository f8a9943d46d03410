import { closeSync, mkdirSync, openSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import { transitions } from "../src/watch/facts.ts";
import { Snapshot } from "../src/watch/picture/snapshot.ts";
import { type Row, rounded, type Section } from "./stats.ts";

/** Every tenth file is changed behind the server's back, so that only a comparison can find it. */
const CHANGED_OF = 10;
const RESCAN_MINUTES = 0.25;
const LIMIT_MS = 120_000;

/** One directory of very many files: what watching it costs, and whether the process stays awake meanwhile. */
export async function largeDirectory(entries: number): Promise<Section> {
  const samba = await startSamba({ global: { "kernel change notify": "no" } });
  const share = new Share({
    smb: {
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain }),
    },
    watch: { maxEntries: entries + 10 },
  });
  try {
    const directory = join(samba.path(), "large");
    mkdirSync(directory);
    const name = (i: number): string => `document-${String(i).padStart(7, "0")}.pdf`;
    for (let i = 0; i < entries; i++) closeSync(openSync(join(directory, name(i)), "w"));

    const before = settledMemory();
    const told = new Set<string>();
    const started = performance.now();
    const [loop, firstDelays] = delays();
    loop();
    const watch = share.watches.watch(
      { path: "/large", recursive: false },
      (event) => {
        if (event.type !== "changes") return;
        for (const change of event.changes) if (change.action === "modified") told.add(change.name);
      },
      { rescanMinutes: RESCAN_MINUTES },
    );
    await watch.live;
    const first: Run = { ms: performance.now() - started, ...(await firstDelays()) };
    const quiet = await nextRescan();
    const memory = settledMemory() - before;
    const changed = Math.floor(entries / CHANGED_OF);
    for (let i = 0; i < changed; i++) utimesSync(join(directory, name(i * CHANGED_OF)), 1, 1);
    const busy = await nextRescan();
    if (told.size < changed) throw new Error(`a rescan found ${told.size} of ${changed} changes`);

    const rows: Row[] = [
      {
        name: "memory",
        value: rounded(memory / 2 ** 20, 1),
        unit: "MiB",
        note: "resident, after collection",
      },
      {
        name: "picture",
        value: rounded(pictureBytes(entries, name) / entries, 1),
        unit: "bytes per entry",
        note: `names of ${name(0).length} characters included`,
      },
    ];
    for (const [what, run] of Object.entries({
      "first scan": first,
      "rescan, nothing changed": quiet,
      [`rescan, ${changed} modified`]: busy,
    })) {
      rows.push(
        {
          name: what,
          value: rounded(run.ms / 1_000),
          unit: "s",
          note: `${rounded(run.cpu / 1_000)} s of CPU in our process`,
        },
        {
          name: `${what}: event-loop delay`,
          value: `${rounded(run.p99, 1)} / ${rounded(run.max, 1)}`,
          unit: "ms p99 / max",
        },
      );
    }
    return {
      title: `One directory of ${entries} files`,
      method: "on tmpfs behind a Samba of our own; rescans are those that follow every doubt",
      rows,
    };
  } finally {
    await share.close();
    await samba.stop();
  }
}

interface Delays {
  /** Milliseconds. */
  readonly p99: number;
  readonly max: number;
  /** Of our process, all threads, milliseconds. */
  readonly cpu: number;
}

interface Run extends Delays {
  readonly ms: number;
}

/** Waits for the next rescan, and measures it from its first request to the last difference told. */
async function nextRescan(): Promise<Run> {
  const [begin, end] = delays();
  let started = 0;
  const ms = await new Promise<number>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no rescan")), LIMIT_MS);
    const stop = transitions.subscribe(({ from, to }) => {
      if (to === "rescanning") {
        started = performance.now();
        begin();
      } else if (from === "rescanning" && started > 0) {
        stop();
        clearTimeout(late);
        resolve(performance.now() - started);
      }
    });
  });
  return { ms, ...(await end()) };
}

function delays(): readonly [begin: () => void, end: () => Promise<Delays>] {
  const loop = monitorEventLoopDelay({ resolution: 5 });
  let before = process.cpuUsage();
  return [
    () => {
      before = process.cpuUsage();
      loop.enable();
    },
    async () => {
      const { user, system } = process.cpuUsage(before);
      // A delay is noted when it is over.
      await delay(20);
      loop.disable();
      return { p99: loop.percentile(99) / 1e6, max: loop.max / 1e6, cpu: (user + system) / 1_000 };
    },
  ];
}

function pictureBytes(entries: number, name: (i: number) => string): number {
  const mark = { flags: 4, identity: [1, 1], appearance: [1, 1] } as const;
  const snapshot = new Snapshot();
  for (let i = 0; i < entries; i++) snapshot.set(name(i), mark);
  return snapshot.compact().byteLength;
}

function settledMemory(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const status = /VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return Number(status) * 1_024;
}
