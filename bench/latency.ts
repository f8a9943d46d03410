import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startStack } from "../scripts/lab/stack.ts";
import type { ListenerOrder } from "./latency-listener.ts";
import { Listener } from "./latency-processes.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";
import { Trace } from "./trace.ts";

/**
 * Each change has company (the directory's own times change with it), which goes out at the end of the gateway's
 * 250 ms window and opens another: further apart than two of them, each change is a leading edge.
 */
const EVERY_MS = 600;
const WARM_UP = 5;

/**
 * From a change on the server to three listeners of the same run: a bare CHANGE_NOTIFY loop, a plain NATS
 * subscriber, and a WebSocket client. Worker, gateway and each listener are processes of their own.
 */
export async function latency(rounds: number, traced = false): Promise<Section> {
  const trace = traced ? new Trace() : undefined;
  const stack = await startStack({
    connection: { cover: "directory" },
    ...(trace === undefined ? {} : { env: trace.env }),
  });
  const { samba, nats } = stack;
  mkdirSync(join(samba.path(), "bench"));
  const listeners: { readonly what: string; readonly listener: Listener }[] = [];
  const listen = async (what: string, order: ListenerOrder): Promise<void> => {
    listeners.push({ what, listener: await Listener.start(order) });
  };
  let rows: Row[] = [];
  try {
    const { host, port, user: username, password, domain } = samba;
    const login = { host, port, username, password, domain, share: "share" };
    // The worker's watch is there before the bare loop's, as it would be beside a newcomer.
    const url = `${stack.gateways[0]?.url.replace("http", "ws")}/ws`;
    await listen("WebSocket client", { type: "ws", url, connection: "lab", path: "/bench" });
    await listen("NATS subscriber", { type: "nats", url: nats.url, subject: "smb.lab.bench" });
    if (traced) await listen("stored", { type: "nats", url: nats.url, subject: "smbin.lab.bench" });
    await listen("bare CHANGE_NOTIFY loop", { type: "bare", ...login, path: "/bench" });

    const begun = new Map<string, number>();
    for (let i = -WARM_UP; i < rounds; i++) {
      const name = `d${i}`;
      await delay(EVERY_MS);
      if (i >= 0) begun.set(name, Number(process.hrtime.bigint()) / 1e6);
      mkdirSync(join(samba.path(), "bench", name));
    }
    await delay(1_000);
    const heard: Record<string, Awaited<ReturnType<Listener["end"]>>> = {};
    for (const { what, listener } of listeners.splice(0)) heard[what] = await listener.end();
    rows = describe(begun, heard);
    if (trace !== undefined) {
      await stack.close();
      rows.push(...trace.rows([...begun.values()], heard));
    }
  } finally {
    for (const { listener } of listeners) listener.kill();
    await stack.close();
  }
  return {
    title: "From a change to a listener",
    method: `${rounds} directories made on the server, ${EVERY_MS} ms apart; all three listen in one run, each in a process of its own`,
    rows,
  };
}

function describe(
  begun: ReadonlyMap<string, number>,
  heard: Readonly<Record<string, { readonly names: ReadonlyMap<string, number> }>>,
): Row[] {
  const listeners = ["bare CHANGE_NOTIFY loop", "NATS subscriber", "WebSocket client"];
  const series = listeners.map((name) => {
    const values = [...begun].flatMap(([each, start]) => {
      const end = heard[name]?.names.get(each);
      return end === undefined ? [] : [end - start];
    });
    if (values.length !== begun.size)
      throw new Error(`${name} saw ${values.length} of ${begun.size} changes`);
    return { name, p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
  });
  const floor = series[0] ?? { p50: Number.NaN, p99: Number.NaN };
  return series.map(({ name, p50, p99 }, index) => ({
    name,
    value: `${rounded(p50)} / ${rounded(p99)}`,
    unit: "ms p50 / p99",
    note:
      index === 0
        ? "the floor: the file server's own time"
        : `the floor + ${rounded(p50 - floor.p50)} / ${rounded(p99 - floor.p99)}; ${rounded(p50 / floor.p50)} x the bare loop`,
  }));
}
