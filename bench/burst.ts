import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import { SmbPool } from "../src/smb/pool.ts";
import { rounded, type Section } from "./stats.ts";

const WARM = 5_000;

/** Makes files as fast as the machine can, on a thread of its own, and says how long it took. */
const WRITER = `
const { parentPort, workerData } = require("node:worker_threads");
const { closeSync, openSync } = require("node:fs");
const started = performance.now();
for (let i = 0; i < workerData.count; i++) closeSync(openSync(workerData.dir + "/" + workerData.prefix + i, "w"));
parentPort.postMessage(performance.now() - started);
`;

/** One directory, very many creates: who is told of how many by name, and what covers the rest. */
export async function burst(count: number): Promise<Section> {
  const samba = await startSamba();
  const auth = createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain });
  const smb = { host: samba.host, port: samba.port, share: "share", auth };
  const share = new Share({ smb });
  const pool = new SmbPool(smb);
  try {
    mkdirSync(join(samba.path(), "ours"));
    const named = new Set<string>();
    const rescanned = new Set<string>();
    let resyncs = 0;
    const handle = share.watches.watch({ path: "/ours", recursive: false }, (event) => {
      if (event.type === "resync") resyncs++;
      if (event.type !== "changes") return;
      for (const change of event.changes) {
        if (change.action === "added") (event.via === "notify" ? named : rescanned).add(change.name);
      }
    });
    await handle.live;
    await warm(join(samba.path(), "ours"), () => named.size + rescanned.size);
    resyncs = 0;
    for (const told of [named, rescanned]) told.clear();
    const rate = await fill(join(samba.path(), "ours"), count, () => named.size + rescanned.size >= count);

    const singles = new Map<number, Heard>();
    for (const bytes of [65_536, 4_096]) {
      const dir = `single-${bytes}`;
      mkdirSync(join(samba.path(), dir));
      singles.set(bytes, await single(pool, samba.path(), dir, bytes, count));
    }
    const found = [...rescanned].filter((name) => !named.has(name)).length;
    return {
      title: "A burst in one directory",
      method: `${count} creates at ${rounded(rate, 0)}/s on tmpfs, made on the server`,
      rows: [
        { name: "watch: told by the server", value: named.size, unit: `of ${count}` },
        {
          name: "watch: found by comparing listings",
          value: found,
          unit: `of ${count}`,
          note: `${resyncs} resyncs`,
        },
        ...[...singles].map(([bytes, { names, overflows }]) => ({
          name: `one request at a time, ${bytes} bytes, no rescan`,
          value: names,
          unit: `of ${count}`,
          note: `${overflows} overflows, each an unknown loss`,
        })),
      ],
    };
  } finally {
    await pool.close();
    await share.close();
    await samba.stop();
  }
}

interface Heard {
  readonly names: number;
  readonly overflows: number;
}

/** A bare loop with one request at a time, as the peers have it. */
async function single(
  pool: SmbPool,
  root: string,
  dir: string,
  bufferBytes: number,
  count: number,
): Promise<Heard> {
  const names = new Set<string>();
  let overflows = 0;
  const directory = await pool.openDirectory(`/${dir}`);
  let stopped = false;
  const loop = (async () => {
    while (!stopped) {
      const outcome = await directory.arm({ recursive: false, filter: 0x1f, bufferBytes }).outcome;
      if (outcome.type === "overflow") overflows++;
      else if (outcome.type === "records") for (const { name } of outcome.records) names.add(name);
      else return;
    }
  })();
  await warm(join(root, dir), () => names.size);
  names.clear();
  overflows = 0;
  await fill(join(root, dir), count, () => names.size >= count);
  stopped = true;
  await directory.close();
  await loop;
  return { names: names.size, overflows };
}

/** What a process does for the first time it does slowly. */
async function warm(dir: string, told: () => number): Promise<void> {
  await fill(dir, WARM, () => told() >= WARM, "warm");
  // The second look that Samba needs after a watch has gone live is over by then.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
}

/** Returns creates per second; waits until `done` or 20 s have passed. */
async function fill(dir: string, count: number, done: () => boolean, prefix = "f"): Promise<number> {
  const worker = new Worker(WRITER, { eval: true, workerData: { dir, count, prefix } });
  const ms = await new Promise<number>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  const deadline = performance.now() + 20_000;
  while (!done() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  return (count / ms) * 1_000;
}
