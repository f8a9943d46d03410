import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { type Samba, startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import type { DirectoryHandle } from "../src/smb/files/handle.ts";
import { SmbPool } from "../src/smb/pool/pool.ts";
import { type Row, rounded, type Section } from "./stats.ts";

/** Each listener in turn, so many times: what else runs on the machine hits all of them alike. */
const ROUNDS = 3;
/** Clients that make a burst through SMB. */
const WRITERS = 4;
/** So many files a run of smbclient: Linux allows 128 KiB for one argument. */
const A_RUN = 2_000;
const WARM = 5_000;
/** Nothing new for this long after the last create: nothing will come any more. Comparing takes its time. */
const SILENCE_MS = 15_000;
const LIMIT_MS = 60_000;

/** Makes files as fast as the machine can, on a thread of its own, and says how long it took. */
const WRITER = `
const { parentPort, workerData } = require("node:worker_threads");
const { closeSync, openSync } = require("node:fs");
const started = performance.now();
for (let i = 0; i < workerData.count; i++) closeSync(openSync(workerData.dir + "/" + workerData.prefix + i, "w"));
parentPort.postMessage(performance.now() - started);
`;

/** What one listener heard of one burst. */
interface Heard {
  readonly named: Set<string>;
  /** Found by comparing listings. */
  readonly compared: Set<string>;
  /** The server lost track, or a `resync` said so. */
  gaps: number;
}

type Listen = (dir: string, heard: Heard) => Promise<() => Promise<void>>;

/** One directory, very many creates: who is told of how many by name, and what covers the rest. */
export async function burst(count: number): Promise<Section> {
  const samba = await startSamba();
  const auth = createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain });
  const smb = { host: samba.host, port: samba.port, share: "share", auth };
  // What is made on the server itself only a handle on the directory hears at once.
  const share = new Share({ smb, watch: { cover: "directory" } });
  const byDefault = new Share({ smb });
  const pool = new SmbPool(smb);
  const listeners: Record<string, Listen> = {
    "the watch engine": (dir, heard) => watching(share, dir, false, heard),
    "the watch engine, recursive": (dir, heard) => watching(share, dir, true, heard),
    "bare loop, two requests stacked, 65536 bytes": (dir, heard) => looping(pool, dir, 2, 65_536, heard),
    "bare loop, one request, 65536 bytes": (dir, heard) => looping(pool, dir, 1, 65_536, heard),
    "bare loop, one request, 4096 bytes (Sambee's)": (dir, heard) => looping(pool, dir, 1, 4_096, heard),
  };
  // By another client of the share, with the defaults of a watch.
  const throughSmb: typeof listeners = {
    "the watch engine, made by SMB clients": (dir, heard) => watching(byDefault, dir, false, heard),
    "the watch engine, recursive, made by SMB clients": (dir, heard) => watching(byDefault, dir, true, heard),
  };
  const results = new Map<string, Result[]>();
  const rates = { server: [] as number[], smb: [] as number[] };
  try {
    for (let round = 0; round < ROUNDS; round++) {
      for (const [who, those] of [["server", listeners] as const, ["smb", throughSmb] as const]) {
        for (const [name, listen] of Object.entries(those)) {
          const result = await once(samba, listen, count, who === "server" ? makeOnServer : bySmbClients);
          results.set(name, [...(results.get(name) ?? []), result]);
          rates[who].push(result.rate);
        }
      }
    }
  } finally {
    await pool.close();
    await share.close();
    await byDefault.close();
    await samba.stop();
  }
  const range = (all: readonly number[]): string =>
    `${rounded(Math.min(...all), 0)} to ${rounded(Math.max(...all), 0)}`;
  return {
    title: "A burst in one directory",
    method: `${count} creates on tmpfs, made on the server at ${range(rates.server)}/s, or by ${WRITERS} smbclient at ${range(rates.smb)}/s and watched with the defaults; ${ROUNDS} rounds, all listeners in turn`,
    rows: [...results].map(([name, all]) => row(name, all, count)),
  };
}

interface Result {
  readonly heard: Heard;
  /** Creates per second. */
  readonly rate: number;
  /** From the last create to the last that was told of. */
  readonly lagMs: number;
}

function row(name: string, results: readonly Result[], count: number): Row {
  const each = (value: (heard: Heard) => number): string =>
    results.map(({ heard }) => value(heard)).join(" / ");
  const engine = name.startsWith("the watch engine");
  const covered = (heard: Heard): number => found(heard).length;
  return {
    name: `${name}: named`,
    value: each(({ named }) => named.size),
    unit: `of ${count}`,
    note: engine
      ? `${each(covered)} found by comparing, ${each(({ gaps }) => gaps)} resyncs; the last told ${results.map(({ lagMs }) => rounded(lagMs, 0)).join(" / ")} ms after the last was made`
      : `${each(({ gaps }) => gaps)} overflows, each an unknown loss`,
  };
}

/** What comparing has found before the server told it. */
function found({ named, compared }: Heard): string[] {
  return [...compared].filter((created) => !named.has(created));
}

/** One listener, one burst, in a directory of its own. */
async function once(samba: Samba, listen: Listen, count: number, make: Make): Promise<Result> {
  const dir = "burst";
  const folder = join(samba.path(), dir);
  mkdirSync(folder);
  const heard: Heard = { named: new Set(), compared: new Set(), gaps: 0 };
  const stop = await listen(`/${dir}`, heard);
  // What a process does for the first time it does slowly.
  await fill(make, samba, dir, WARM, heard, "warm");
  // The second look that Samba needs after a watch has gone live is over by then.
  await delay(4_000);
  heard.named.clear();
  heard.compared.clear();
  heard.gaps = 0;
  const { rate, lagMs } = await fill(make, samba, dir, count, heard, "f");
  await stop();
  rmSync(folder, { recursive: true });
  return { heard, rate, lagMs };
}

async function watching(
  share: Share,
  path: string,
  recursive: boolean,
  heard: Heard,
): Promise<() => Promise<void>> {
  const handle = share.watches.watch({ path, recursive }, (event) => {
    if (event.type === "resync") heard.gaps++;
    if (event.type !== "changes") return;
    const told = event.via === "notify" ? heard.named : heard.compared;
    for (const { action, name } of event.changes) if (action === "added") told.add(name);
  });
  await handle.live;
  return () => handle.close();
}

/** `depth` requests kept at the server, each answered one replaced; no listing, no comparing. */
async function looping(
  pool: SmbPool,
  path: string,
  depth: number,
  bufferBytes: number,
  heard: Heard,
): Promise<() => Promise<void>> {
  const directory = await pool.openDirectory(path);
  const loops = Array.from({ length: depth }, () => loop(directory, bufferBytes, heard));
  return async () => {
    await directory.close();
    await Promise.all(loops);
  };
}

async function loop(directory: DirectoryHandle, bufferBytes: number, heard: Heard): Promise<void> {
  for (;;) {
    const outcome = await directory.arm({ recursive: false, filter: 0x1f, bufferBytes }).outcome;
    if (outcome.type === "overflow") heard.gaps++;
    else if (outcome.type === "records") {
      for (const { action, name } of outcome.records) if (action === 1) heard.named.add(name);
    } else return;
  }
}

/** Makes `<prefix><i>` in a directory of the share. Returns how many ms it took. */
type Make = (samba: Samba, dir: string, count: number, prefix: string) => Promise<number>;

/** Makes files on the server itself. Returns how many ms it took. */
export async function makeOnServer(
  samba: Samba,
  dir: string,
  count: number,
  prefix: string,
): Promise<number> {
  const workerData = { dir: join(samba.path(), dir), count, prefix };
  const worker = new Worker(WRITER, { eval: true, workerData });
  return new Promise<number>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

async function bySmbClients(samba: Samba, dir: string, count: number, prefix: string): Promise<number> {
  const empty = join(samba.dir, "empty");
  writeFileSync(empty, "");
  const started = performance.now();
  await Promise.all(
    Array.from({ length: WRITERS }, async (_, writer) => {
      for (let from = writer; from < count; from += WRITERS * A_RUN) {
        const to = Math.min(count, from + WRITERS * A_RUN);
        const puts: string[] = [];
        for (let i = from; i < to; i += WRITERS) puts.push(`put ${empty} ${dir}\\${prefix}${i}`);
        await samba.smbclient(puts.join(";"));
      }
    }),
  );
  return performance.now() - started;
}

/** Waits until all have been told of, or nothing comes any more. */
async function fill(
  make: Make,
  samba: Samba,
  dir: string,
  count: number,
  heard: Heard,
  prefix: string,
): Promise<{ readonly rate: number; readonly lagMs: number }> {
  const ms = await make(samba, dir, count, prefix);
  const made = performance.now();
  const told = (): number => heard.named.size + found(heard).length;
  const deadline = made + LIMIT_MS;
  let lastAt = made;
  for (let before = told(); before < count; ) {
    await delay(50);
    const now = performance.now();
    if (told() !== before) lastAt = now;
    before = told();
    if (now > deadline || now - lastAt > SILENCE_MS) break;
  }
  return { rate: (count / ms) * 1_000, lagMs: lastAt - made };
}
