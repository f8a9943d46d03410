import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Worker as Thread } from "node:worker_threads";
import { startNats } from "../scripts/lab/nats.ts";
import { startSamba } from "../scripts/lab/samba.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { connectBroker } from "../src/broker/broker.ts";
import { FleetMember } from "../src/fleet/member.ts";
import { Share } from "../src/share/share.ts";
import { requestFacts } from "../src/smb/facts.ts";
import { type MirrorEntry, MirrorTree } from "../src/watch/mirror/tree.ts";
import { Snapshot } from "../src/watch/picture/snapshot.ts";
import type { DirectoryEntry } from "../src/watch/source.ts";
import { Worker } from "../src/worker/worker.ts";
import { browsers } from "./mirror-browsers.ts";
import { quantile, type Row, rounded, type Section, settledMemory } from "./stats.ts";

const ROUNDS = 9;
const FREEZES = 1_000;
const QUIET_MS = 3_000;
const SOCKETS = 1_000;
const OPENED = 5_000;

/** Takes the messages as they come, in another thread: what the owner's loop does is the owner's alone. */
const ASKER = `
const { workerData, parentPort } = require("node:worker_threads");
(async () => {
  const { connect } = await import("@nats-io/transport-node");
  const nc = await connect({ servers: workerData.url });
  const inbox = "_INBOX.bench." + process.pid + "." + Math.random().toString(36).slice(2);
  let bytes = 0, messages = 0;
  nc.subscribe(inbox, { callback: (error, message) => {
    messages++;
    bytes += message.data.length;
    const text = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.length);
    if (message.headers !== undefined || text.subarray(-40).includes('"last":true'))
      void nc.close().then(() => parentPort.postMessage({ bytes, messages, failed: message.headers !== undefined }));
  } });
  await nc.flush();
  nc.publish("smb2nats.directory.snapshot", JSON.stringify(workerData.request), { reply: inbox });
})();
`;

/** What a snapshot of a directory costs, beside a listing of it. */
export async function mirror(entries: number, many: number): Promise<Section> {
  const nats = await startNats();
  const samba = await startSamba({});
  const share = new Share({
    smb: {
      host: samba.host,
      port: samba.port,
      share: "share",
      auth: createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain }),
    },
    // Nothing but what is measured asks the file server meanwhile.
    watch: { maxEntries: many + entries + 10, cover: "directory", healthSeconds: 3_600 },
  });
  const broker = await connectBroker({ servers: [nats.url], name: "bench" });
  const worker = new Worker({
    broker,
    connections: new Map([
      [
        "lab",
        {
          name: "lab",
          caseSensitive: false,
          sourceUrl: share.url,
          watches: share.watches,
          list: (request, options) => share.page(request, options),
          close: async () => undefined,
        },
      ],
    ]),
  });
  let member: FleetMember | undefined;
  try {
    await worker.start();
    member = await FleetMember.start({ broker, kind: "client" });
    const rows: Row[] = [];
    for (const [path, count] of [
      ["/some", entries],
      ["/many", many],
    ] as const) {
      mkdirSync(join(samba.path(), path));
      for (let i = 0; i < count; i++) closeSync(openSync(join(samba.path(), path, name(i)), "w"));
      const ref = member.acquire({ connection: "lab", path, recursive: false });
      await ref.ready;
    }
    let requests = 0;
    const off = requestFacts.subscribe(() => requests++);
    // Second looks at new watches are no part of it.
    await quiet(() => requests);
    requests = 0;
    const fresh = await timed(3, () => listed(member as FleetMember, entries, true));
    await quiet(() => requests);
    const forListing = requests / 3;
    requests = 0;
    const told = await timed(ROUNDS, () => listed(member as FleetMember, entries, false));
    const forTold = requests;
    requests = 0;
    const target = { connection: "lab", path: "/some", recursive: false };
    const snapshot = await timed(ROUNDS, async () => {
      const { directories } = await (member as FleetMember).snapshot(target);
      if (directories[0]?.entries.length !== entries) throw new Error("not the whole directory");
    });
    rows.push(
      {
        name: `list ${entries} entries, \`fresh: true\``,
        value: rounded(fresh, 1),
        unit: "ms",
        note: `median; ${rounded(forListing, 0)} requests to the file server`,
      },
      {
        name: `list ${entries} entries, as told`,
        value: rounded(told, 1),
        unit: "ms",
        note: `median; ${forTold} requests to the file server in ${ROUNDS}`,
      },
      {
        name: `snapshot of ${entries} entries`,
        value: rounded(snapshot, 1),
        unit: "ms",
        note: `median; ${requests} requests to the file server in ${ROUNDS}`,
      },
      { name: "a snapshot takes", value: rounded((100 * snapshot) / fresh, 1), unit: "% of a listing" },
    );
    off();
    const loop = monitorEventLoopDelay({ resolution: 1 });
    loop.enable();
    const started = performance.now();
    const { bytes, messages, failed } = await asked(nats.url, { ...target, path: "/many" });
    loop.disable();
    if (failed) throw new Error("the snapshot was refused");
    rows.push(
      {
        name: `snapshot of ${many} entries`,
        value: rounded((performance.now() - started) / 1_000),
        unit: "s",
        note: `${messages} messages, ${rounded(bytes / 2 ** 20, 1)} MiB; with the start of who asks`,
      },
      {
        name: "event-loop delay of the owner",
        value: `${rounded(loop.percentile(99) / 1e6 - 1, 1)} / ${rounded(loop.max / 1e6 - 1, 1)}`,
        unit: "ms p99 / max",
      },
      {
        name: `freeze ${many} entries`,
        value: rounded(freezing(many) * 1_000, 2),
        unit: "µs",
        note: `mean of ${FREEZES}; nothing is written meanwhile`,
      },
      ...(await browsers(SOCKETS, OPENED)),
      {
        name: "memory of a mirrored entry",
        value: rounded(mirrored(many), 0),
        unit: "bytes",
        note: "in a gateway or a client, with type, size and time",
      },
    );
    return {
      title: "The mirror",
      method:
        "one worker, a Samba and a nats-server of our own; file server and NATS on loopback; who asks for the large one is a thread of its own",
      rows,
    };
  } finally {
    await member?.close();
    await worker.close();
    await broker.close();
    await share.close();
    await samba.stop();
    await nats.stop();
  }
}

const name = (i: number): string => `document-${String(i).padStart(7, "0")}.pdf`;

/** Until a count stands still. */
async function quiet(count: () => number): Promise<void> {
  for (let before = -1; before !== count(); await delay(QUIET_MS)) before = count();
}

async function listed(member: FleetMember, entries: number, fresh: boolean): Promise<void> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await member.list({
      connection: "lab",
      path: "/some",
      limit: 5_000,
      fresh,
      ...(after === undefined ? {} : { after }),
    });
    count += page.entries.length;
    after = page.next;
  } while (after !== undefined);
  if (count !== entries) throw new Error(`listed ${count} of ${entries}`);
}

async function timed(rounds: number, work: () => Promise<void>): Promise<number> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await work();
    took.push(performance.now() - started);
  }
  return quantile(took, 0.5);
}

/** ms each. */
function freezing(entries: number): number {
  const snapshot = new Snapshot();
  const entry: Omit<DirectoryEntry, "name"> = {
    type: "file",
    fileId: 1n,
    created: 1n,
    modified: 1n,
    changed: 1n,
    size: 1,
    attributes: 0x20,
  };
  for (let i = 0; i < entries; i++) snapshot.put({ ...entry, name: name(i) });
  const started = performance.now();
  for (let i = 0; i < FREEZES; i++) snapshot.freeze();
  return (performance.now() - started) / FREEZES;
}

/** Bytes each. */
function mirrored(entries: number): number {
  const before = settledMemory();
  const tree = new MirrorTree("/", false, () => true);
  // As they come from the wire: each a text of its own.
  tree.load([{ path: "/", entries: JSON.parse(listing(entries)) as MirrorEntry[] }]);
  const bytes = (settledMemory() - before) / entries;
  if (tree.entries().length !== entries) throw new Error("not all are in it");
  return bytes;
}

function listing(entries: number): string {
  return JSON.stringify(
    Array.from({ length: entries }, (_, i) => ({
      name: name(i),
      type: "file",
      size: i,
      modified: new Date(1_700_000_000_000 + i * 997).toISOString(),
    })),
  );
}

function asked(url: string, request: object): Promise<{ bytes: number; messages: number; failed: boolean }> {
  return new Promise((resolve, reject) => {
    const thread = new Thread(ASKER, { eval: true, workerData: { url, request } });
    thread.once("message", resolve);
    thread.once("error", reject);
  });
}
