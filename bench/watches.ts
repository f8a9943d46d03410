import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Samba, startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { Share } from "../src/share/share.ts";
import type { Interest } from "../src/watch/interest.ts";
import { ShareWatcher } from "../src/watch/share-watcher.ts";
import { MemoryShare } from "./memory-share.ts";
import { type Row, rounded, type Section, settledMemory } from "./stats.ts";

const IDLE_MS = 20_000;

/** The watch engine at scale: over memory, where only its own work counts, and over a real server. */
export async function watches(directories: number): Promise<Section> {
  const each = Array.from(
    { length: directories },
    (_, i): Interest => ({ path: `/d${i}`, recursive: false }),
  );
  const tree: Interest[] = [{ path: "/", recursive: true }];
  const samba = await startSamba();
  try {
    for (const { path } of each) mkdirSync(join(samba.path(), path));
    return {
      title: `${directories} directories through the watch engine`,
      method:
        "all asked for at once; live: armed, listed, remembered. Over memory every answer is there at once: the engine's own work",
      rows: [
        ...(await overMemory("interests, a handle each", each, "directory")),
        ...(await overMemory("interests, one recursive handle", each, "tree")),
        ...(await overMemory("recursive interest, a handle per directory", tree, "directory", directories)),
        ...(await overSamba(samba, "interests", each)),
        ...(await overSamba(samba, "recursive interest", tree)),
      ],
    };
  } finally {
    await samba.stop();
  }
}

async function overMemory(
  what: string,
  interests: readonly Interest[],
  cover: "directory" | "tree",
  directories: number = interests.length,
): Promise<Row[]> {
  const source = new MemoryShare(
    interests.length === 1 ? Array.from({ length: directories }, (_, i) => `d${i}`) : [],
  );
  const watcher = new ShareWatcher(source, { cover, maxHandles: 20_000 });
  // What an earlier run has left is collected first.
  await delay(1_000);
  const before = settledMemory();
  const started = performance.now();
  await Promise.all(interests.map((interest) => watcher.watch(interest, () => undefined).live));
  const ms = performance.now() - started;
  const { handles } = watcher;
  const memory = settledMemory() - before;
  const closing = performance.now();
  await watcher.close();
  const closed = performance.now() - closing;
  const name = `memory, ${interests.length} ${what}`;
  return [
    { name: `${name}: live in`, value: rounded(ms / 1_000), unit: "s", note: `${handles} handles` },
    { name: `${name}: memory per directory`, value: rounded(memory / directories / 1_024, 1), unit: "KiB" },
    { name: `${name}: closed in`, value: rounded(closed / 1_000), unit: "s" },
  ];
}

async function overSamba(samba: Samba, what: string, interests: readonly Interest[]): Promise<Row[]> {
  const { host, port, user: username, password, domain } = samba;
  const share = new Share({
    smb: { host, port, share: "share", auth: createNtlmProvider({ username, password, domain }) },
    watch: { cover: "directory", maxHandles: 20_000 },
  });
  try {
    await share.connect();
    const started = performance.now();
    await Promise.all(interests.map((interest) => share.watches.watch(interest, () => undefined).live));
    const ms = performance.now() - started;
    const { handles } = share;
    // The second look that Samba needs is over by then.
    await delay(3_000 + handles * 10);
    const cpu = process.cpuUsage();
    await delay(IDLE_MS);
    const { user, system } = process.cpuUsage(cpu);
    const name = `Samba, ${interests.length} ${what}`;
    return [
      { name: `${name}: live in`, value: rounded(ms / 1_000), unit: "s", note: `${handles} handles` },
      {
        name: `${name}: idle CPU`,
        value: rounded(((user + system) / 1_000 / IDLE_MS) * 100),
        unit: "% of a core",
        note: "health checks included",
      },
    ];
  } finally {
    await share.close();
  }
}
