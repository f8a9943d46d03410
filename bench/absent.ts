import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { startStack } from "../scripts/lab/stack.ts";
import { Clients, openFilesLimit } from "./gateway.ts";
import { account, favour, metrics, spent } from "./gateway-accounting.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";

const TIMEOUT_MS = 120_000;
/** Files a process needs beside its sockets. */
const OTHER_FILES = 500;
const RENEWALS = "smb2nats_lease_renewals_total";

/** Sockets that open all at once, and right after it ask for directories none of which exists. */
export async function absent(wanted: {
  readonly sockets: number;
  readonly directories: number;
}): Promise<Section> {
  const { directories } = wanted;
  const sockets = Math.min(wanted.sockets, openFilesLimit() - OTHER_FILES);
  const room = { connections: sockets + 10, connectionsPerAddress: sockets + 10 };
  const stack = await startStack({
    config: {
      gateway: { host: "127.0.0.1", auth: { mode: "none" }, limits: room },
      log: { level: "info", format: "json" },
    },
  });
  const clients = new Clients();
  const roles = { gateway: stack.gateways[0], worker: stack.workers[0] };
  const pids = [roles.gateway?.process.pid, roles.worker?.process.pid, stack.samba.pid(), stack.nats.pid()];
  const unfavour = favour([...pids, process.pid].filter((pid) => pid !== undefined));
  try {
    for (let i = 0; i < 10; i++) mkdirSync(join(stack.samba.path(), `there-${i}`));
    const others = { clients: clients.pid };
    const accountBefore = await account(stack, others);
    // Reading the delay of the loop begins it anew.
    const before = { gateway: await metrics(roles.gateway?.ops), worker: await metrics(roles.worker?.ops) };
    const opening = performance.now();
    const { port } = new URL(roles.gateway?.url ?? "");
    await clients.do({ type: "open", port: Number(port), count: sockets, atOnce: sockets });
    const openMs = performance.now() - opening;
    const opened = await metrics(roles.gateway?.ops);
    const answer = await clients.do({
      type: "ask",
      total: directories,
      path: "/none-%",
      timeoutMs: TIMEOUT_MS,
    });
    if (answer.type !== "answered") throw new Error("no answers");
    const after = { gateway: await metrics(roles.gateway?.ops), worker: await metrics(roles.worker?.ops) };
    const { cpu, machine } = spent(accountBefore, await account(stack, others));
    const { ms, outcomes } = answer;
    const rows: Row[] = [
      {
        name: "answered",
        value: `${ms.length} of ${directories}`,
        unit: "",
        note: Object.entries(outcomes)
          .map(([name, count]) => `${count} ${name}`)
          .join(", "),
      },
      {
        name: "after",
        value: `${seconds(quantile(ms, 0.5))} / ${seconds(quantile(ms, 0.99))} / ${seconds(Math.max(...ms, 0))}`,
        unit: "s p50 / p99 / last",
        note: `sockets opened in ${seconds(openMs)} s`,
      },
      delay("gateway: delay of the event loop, while sockets open", opened),
      delay("gateway: delay of the event loop, while directories are asked for", after.gateway),
      delay("worker: delay of the event loop", after.worker),
    ];
    for (const role of ["gateway", "worker"] as const) {
      const grown = (name: string, labels?: string): number =>
        total(after[role], name, labels) - total(before[role], name, labels);
      rows.push({
        name: `${role}: lease renewed / not / lost`,
        value: `${grown(RENEWALS, 'outcome="renewed"')} / ${grown(RENEWALS, 'outcome="failed"')} / ${grown("smb2nats_lease_losses_total")}`,
        unit: "",
      });
    }
    rows.push({
      name: "processor time",
      value: Object.entries(cpu)
        .map(([name, used]) => `${name} ${rounded(used, 1)}`)
        .join(", "),
      unit: "s",
      note: `of ${rounded(machine, 1)} s of the whole machine`,
    });
    return {
      title: `${directories} directories that do not exist, asked for by ${sockets} sockets`,
      method:
        "all sockets open at once and then ask at once; the delay is what monitorEventLoopDelay measures in each role",
      rows,
    };
  } finally {
    unfavour?.();
    clients.close();
    await stack.close();
  }
}

function seconds(ms: number): number {
  return rounded(ms / 1_000);
}

function delay(name: string, text: string): Row {
  const ms = (which: string): number =>
    rounded(1_000 * total(text, `nodejs_eventloop_lag_${which}_seconds`), 0);
  return { name, value: `${ms("p99")} / ${ms("max")}`, unit: "ms p99 / max" };
}

/** The sum of a metric's values, of those whose labels hold `labels`. */
function total(text: string, name: string, labels = ""): number {
  return [...text.matchAll(new RegExp(`^${name}(?:\\{([^}]*)\\})? (\\S+)$`, "gm"))]
    .filter(([, found = ""]) => found.includes(labels))
    .reduce((sum, [, , value]) => sum + Number(value), 0);
}
