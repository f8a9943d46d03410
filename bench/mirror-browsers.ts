import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startStack } from "../scripts/lab/stack.ts";
import { Clients } from "./gateway.ts";
import { quantile, type Row, rounded } from "./stats.ts";

const PATH = "/opened";
const TIMEOUT_MS = 120_000;
const REST_MS = 5_000;

/** Very many browsers that open the same directory at once. */
export async function browsers(sockets: number, entries: number): Promise<Row[]> {
  const limits = { connections: sockets + 10, connectionsPerAddress: sockets + 10 };
  const stack = await startStack({
    config: {
      gateway: { host: "127.0.0.1", auth: { mode: "none" }, limits },
      log: { level: "info", format: "json" },
    },
  });
  const clients = new Clients();
  const watcher = new Clients();
  try {
    const [worker, gateway] = [stack.workers[0], stack.gateways[0]];
    if (worker === undefined || gateway === undefined) throw new Error("no gateway");
    mkdirSync(join(stack.samba.path(), PATH));
    for (let i = 0; i < entries; i++) {
      closeSync(openSync(join(stack.samba.path(), PATH, `document-${i}.pdf`), "w"));
    }
    const port = Number(new URL(gateway.url).port);
    await watcher.do({ type: "open", port, count: 1 });
    await watcher.do({ type: "subscribe", count: 1, each: 1, path: PATH, modulo: 1 });
    await clients.do({ type: "open", port, count: sockets });
    const asked = (): Promise<number> => metric(worker.ops, "smb2nats_smb_requests_total");
    for (let before = -1; before !== (await asked()); ) {
      before = await asked();
      await delay(REST_MS);
    }
    const requests = await asked();
    const commands = await byCommand(worker.ops);
    /** What a worker asks of its own accord is told apart. */
    const which = async (): Promise<string> => {
      const moved = [...(await byCommand(worker.ops))].filter(
        ([name, count]) => count !== (commands.get(name) ?? 0),
      );
      return moved.length === 0 ? "" : `: ${moved.map(([name]) => name).join(", ")}`;
    };
    const began = Number(process.hrtime.bigint()) / 1e6;
    const answer = await clients.do({ type: "snapshot", path: PATH, entries, timeoutMs: TIMEOUT_MS });
    const at = answer.type === "seen" ? answer.at : [];
    if (at.length !== sockets) throw new Error(`${at.length} of ${sockets} have the whole directory`);
    const taken = await metric(gateway.ops, "smb2nats_gateway_mirror_snapshots_total");
    return [
      {
        name: `${sockets} browsers open ${entries} entries`,
        value: rounded((quantile(at, 1) - began) / 1_000),
        unit: "s",
        note: `until the last has all; the first half after ${rounded((quantile(at, 0.5) - began) / 1_000)} s; one process reads for all`,
      },
      {
        name: "for which the gateway asked",
        value: taken,
        unit: "snapshots",
        note: `${(await asked()) - requests} requests to the file server meanwhile${await which()}`,
      },
      {
        name: "largest memory of the gateway",
        value: rounded(peakKiB(gateway.process.pid ?? 0) / 1_024, 0),
        unit: "MiB",
        note: "resident, from its start on",
      },
    ];
  } finally {
    clients.close();
    watcher.close();
    await stack.close();
  }
}

function peakKiB(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

async function byCommand(ops: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${ops}/metrics`)).text();
  const counts = new Map<string, number>();
  for (const [, command = "", count] of text.matchAll(
    /^smb2nats_smb_requests_total\{.*command="(\w+)".*\} (\d+)$/gm,
  )) {
    counts.set(command, (counts.get(command) ?? 0) + Number(count));
  }
  return counts;
}

async function metric(ops: string, name: string): Promise<number> {
  const text = await (await fetch(`${ops}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
