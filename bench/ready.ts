import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Samba, startSamba } from "../scripts/lab/samba.ts";
import { writersOf } from "../scripts/torture/ready/writers.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { canonicalPath, joinPath } from "../src/base/path.ts";
import { SmbDirectorySource } from "../src/share/source.ts";
import { requestFacts } from "../src/smb/facts.ts";
import { SmbPool } from "../src/smb/pool/pool.ts";
import { READY_DEFAULTS } from "../src/watch/ready-options.ts";
import { ShareWatcher } from "../src/watch/share-watcher.ts";
import { probesBeside } from "./ready-opens.ts";
import { SmbclientSession } from "./smbclient-session.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";

const IN = canonicalPath("/in");
const { quietMs: QUIET_MS } = READY_DEFAULTS;
/** Each starts a process: more often, and that is what is measured. */
const BEGUN_EVERY_MS = 250;
const HELD_MS = 12_000;
/** Times 20 ms: it is opened right after it was written. */
const AFTER_LAST = 25;
/** Longer than the longest pause between two questions about one file. */
const PATIENCE_MS = 45_000;

export interface ReadyCounts {
  /** Files one after the other, and all at once. */
  readonly files: number;
  readonly together: number;
  /** Of one file, beside a tenth as many questions. */
  readonly opens: number;
}

/** Files that are told when they are complete: how soon, with how many questions, and whether anybody is in the way of that. */
export async function ready(counts: ReadyCounts): Promise<Section> {
  const samba = await startSamba();
  try {
    mkdirSync(join(samba.path(), IN));
    return {
      title: "Files that are told when they are complete",
      method: `the watch engine with \`cover: directory\` and \`ready\` as it is by default (quietMs ${QUIET_MS}); the writer is smbclient, in processes of its own`,
      rows: [
        ...(await soon(samba, counts.files)),
        ...(await atOnce(samba, counts.together)),
        ...(await probesBeside(samba, counts.opens)),
      ],
    };
  } finally {
    await samba.stop();
  }
}

/** From the writer's closing to the news. */
async function soon(samba: Samba, count: number): Promise<Row[]> {
  await using watch = await watchIn(samba);
  const [smbclient] = writersOf(samba).writers;
  if (smbclient === undefined) throw new Error("there is no smbclient");
  const writing = Array.from({ length: count }, async (_, index) => {
    await delay(index * BEGUN_EVERY_MS);
    // All of it within the quiet time, early and late.
    const pauseMs = (QUIET_MS / 10) * (1 + (index % 8));
    const path = `in/soon-${index}`;
    const { closingAt } = await smbclient.write(path, [{ bytes: 1_000, pauseMs }], { append: false });
    return [path, closingAt] as const;
  });
  const closing = new Map(await Promise.all(writing));
  await watch.all(count);
  const ms = [...closing].map(([path, at]) => (watch.told.get(path) ?? Number.NaN) - at);
  return [
    {
      name: `${count} files, closed within the quiet time: from the closing to \`ready\`, less quietMs`,
      value: `${rounded(quantile(ms, 0.5) - QUIET_MS, 0)} / ${rounded(quantile(ms, 0.99) - QUIET_MS, 0)}`,
      unit: "ms median / p99",
      note: `a file begun every ${BEGUN_EVERY_MS} ms; ${watch.probes.length} questions`,
    },
  ];
}

/** Many files that are open at the same time, and stay so for a while. */
async function atOnce(samba: Samba, count: number): Promise<Row[]> {
  await using watch = await watchIn(samba);
  const closingAt = await heldTogether(samba, count);
  await watch.all(count);
  const { probes, requests } = watch;
  const last = new Map<string, number>();
  const each = new Map<string, number>();
  let shortest = Number.POSITIVE_INFINITY;
  for (const { path, at } of probes) {
    shortest = Math.min(shortest, at - (last.get(path) ?? Number.NEGATIVE_INFINITY));
    last.set(path, at);
    each.set(path, (each.get(path) ?? 0) + 1);
  }
  const begun = probes[0]?.at ?? 0;
  const seconds = new Map<number, number>();
  for (const { at } of probes) {
    const second = Math.floor((at - begun) / 1_000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  const delays = [...watch.told.values()].map((at) => at - closingAt);
  const early = delays.filter((ms) => ms < 0).length;
  return [
    {
      name: `${count} files open at once for ${HELD_MS / 1_000} s: questions about one file`,
      value: `${rounded(probes.length / count, 1)} / ${Math.max(...each.values())}`,
      unit: "mean / most",
      note: `${probes.length} in all, at most ${Math.max(...seconds.values())} in a second; ${requests.get("CREATE") ?? 0} CREATE requests`,
    },
    {
      name: "shortest time between two about the same file",
      value: rounded(shortest, 0),
      unit: "ms",
      note: "begin to begin",
    },
    { name: "told before they were closed", value: early, unit: "files" },
    {
      name: "from the closing to `ready`",
      value: `${rounded(quantile(delays, 0.5) / 1_000, 1)} / ${rounded(quantile(delays, 0.99) / 1_000, 1)}`,
      unit: "s median / p99",
      note: "closed after more than the quiet time: a matter of the pauses between questions, and of 200 a second for all",
    },
  ];
}

interface ReadyWatch extends AsyncDisposable {
  /** Path without a slash at the start, and ms of the wall clock. */
  readonly told: ReadonlyMap<string, number>;
  readonly probes: readonly { readonly path: string; readonly at: number }[];
  /** By command, since the watch was live. */
  readonly requests: ReadonlyMap<string, number>;
  /** Until so many have been told, or none has been for long. @throws Error */
  all(count: number): Promise<void>;
}

async function watchIn(samba: Samba): Promise<ReadyWatch> {
  const { host, port, user: username, password, domain } = samba;
  const auth = createNtlmProvider({ username, password, domain });
  const pool = new SmbPool({ label: "bench", host, port, share: "share", auth });
  const probes: { path: string; at: number }[] = [];
  class Counting extends SmbDirectorySource {
    override probe(
      ...args: Parameters<SmbDirectorySource["probe"]>
    ): ReturnType<SmbDirectorySource["probe"]> {
      probes.push({ path: args[0], at: performance.now() });
      return super.probe(...args);
    }
  }
  const watcher = new ShareWatcher(new Counting(pool), { cover: "directory", ready: { only: true } });
  const told = new Map<string, number>();
  let heardAt = performance.now();
  const handle = watcher.watch({ path: IN, recursive: false }, (event) => {
    if (event.type !== "changes") return;
    heardAt = performance.now();
    for (const { action, name } of event.changes)
      if (action === "ready") told.set(joinPath(event.path, name).slice(1), Date.now());
  });
  const requests = new Map<string, number>();
  const unsubscribe = requestFacts.subscribe(({ connection, command }) => {
    if (connection === "bench") requests.set(command, (requests.get(command) ?? 0) + 1);
  });
  const close = async (): Promise<void> => {
    unsubscribe();
    await watcher.close();
    await pool.close();
  };
  try {
    await handle.live;
    requests.clear();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ told, probes, requests },
    async all(count) {
      heardAt = performance.now();
      while (told.size < count) {
        if (performance.now() - heardAt > PATIENCE_MS) throw new Error(`told ${told.size} of ${count} files`);
        await delay(20);
      }
      console.error(`bench: ready: ${count} files told, ${probes.length} questions`);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Writes files, opens all of them, and holds them; returns when it was about to close them: ms of the wall clock. */
async function heldTogether(samba: Samba, count: number): Promise<number> {
  const local = join(samba.dir, "content");
  writeFileSync(local, "content");
  const session = new SmbclientSession(samba);
  try {
    for (let number = 0; number < count; number++)
      session.do(`put ${local} in\\at-once-${number}\nopen in\\at-once-${number}\n`);
    const last = join(samba.path(), `in/at-once-${count - 1}`);
    const until = Date.now() + PATIENCE_MS;
    for (let after = 0; after < AFTER_LAST; await delay(20)) {
      if (existsSync(last)) after++;
      if (Date.now() > until) throw new Error("the writer did not open all files in time");
      session.wake();
    }
    console.error(`bench: ready: ${count} files are open`);
    await delay(HELD_MS);
    const closingAt = Date.now();
    // Its handles have numbers from 1.
    for (let number = 1; number <= count; number++) session.do(`close ${number}\n`);
    session.finish();
    await session.ended(count);
    if (session.refused.length > 0) throw new Error(`the writer was refused: ${session.refused[0]}`);
    return closingAt;
  } finally {
    await session.close();
  }
}
