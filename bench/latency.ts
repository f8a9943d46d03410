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
/** Between the two series: by then the code that a change passes is compiled. */
const BETWEEN = 1_500;
const BETWEEN_MS = 30;

const PUBLISHER = "publisher";

/**
 * From a change on the server to three listeners of the same run: a bare CHANGE_NOTIFY loop, a plain NATS
 * subscriber, and a WebSocket client; and, between the changes, from one plain NATS client to another. Worker, gateway and each listener are processes of their own. `twice`: once more after
 * many changes, since a worker that has told of few runs code that is not compiled yet.
 */
export async function latency(rounds: number, traced = false, twice = false): Promise<Section> {
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
    // The broker's own way, beside ours: from one plain NATS client to another, by the same stream.
    await listen("broker alone", { type: "nats", url: nats.url, subject: "smb.bench.broker" });
    await listen(PUBLISHER, { type: "publisher", url: nats.url, subject: "smbin.bench.broker" });
    const publisher = listeners.at(-1)?.listener;
    await listen("bare CHANGE_NOTIFY loop", { type: "bare", ...login, path: "/bench" });

    const make = async (prefix: string, count: number, everyMs: number): Promise<Map<string, number>> => {
      const begun = new Map<string, number>();
      for (let i = 0; i < count; i++) {
        const name = `${prefix}${i}`;
        await delay(everyMs / 2);
        publisher?.publish(name);
        await delay(everyMs / 2);
        begun.set(name, Number(process.hrtime.bigint()) / 1e6);
        mkdirSync(join(samba.path(), "bench", name));
      }
      return begun;
    };
    await make("w", WARM_UP, EVERY_MS);
    const begun = await make("d", rounds, EVERY_MS);
    if (twice) await make("b", BETWEEN, BETWEEN_MS);
    const later = twice ? await make("l", rounds, EVERY_MS) : undefined;
    await delay(1_000);
    const heard: Record<string, Awaited<ReturnType<Listener["end"]>>> = {};
    for (const { what, listener } of listeners.splice(0)) heard[what] = await listener.end();
    rows = describe(begun, heard);
    if (later !== undefined) {
      const rest = describe(later, heard).map((row) => ({ ...row, name: `${row.name}, later` }));
      rows.push(...rest);
    }
    if (trace !== undefined) {
      await stack.close();
      const traced = { "": [...begun.values()], ...(later && { ", later": [...later.values()] }) };
      rows.push(...trace.rows(traced, heard));
    }
  } finally {
    for (const { listener } of listeners) listener.kill();
    await stack.close();
  }
  return {
    title: "From a change to a listener",
    method: `${rounds} directories made on the server, ${EVERY_MS} ms apart${twice ? `, and as many later, after ${BETWEEN} more of them, ${BETWEEN_MS} ms apart` : ""}; all three listen in one run, each in a process of its own`,
    rows,
  };
}

function describe(
  begun: ReadonlyMap<string, number>,
  heard: Readonly<Record<string, { readonly names: ReadonlyMap<string, number> }>>,
): Row[] {
  const listeners = ["bare CHANGE_NOTIFY loop", "NATS subscriber", "WebSocket client"];
  const timesOf = (name: string, from: ReadonlyMap<string, number>) => {
    const values = [...begun.keys()].flatMap((each) => {
      const [start, end] = [from.get(each), heard[name]?.names.get(each)];
      return start === undefined || end === undefined ? [] : [end - start];
    });
    if (values.length !== begun.size)
      throw new Error(`${name} saw ${values.length} of ${begun.size} changes`);
    return { name, p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
  };
  const series = listeners.map((name) => timesOf(name, begun));
  const broker = timesOf("broker alone", heard[PUBLISHER]?.names ?? new Map());
  const floor = series[0] ?? { p50: Number.NaN, p99: Number.NaN };
  const brokerRow: Row = {
    name: broker.name,
    value: `${rounded(broker.p50)} / ${rounded(broker.p99)}`,
    unit: "ms p50 / p99",
    note: "one plain NATS client publishes to the stream, another has it: no part of the way can be shorter",
  };
  const rows = series.map(({ name, p50, p99 }, index) => ({
    name,
    value: `${rounded(p50)} / ${rounded(p99)}`,
    unit: "ms p50 / p99",
    note:
      index === 0
        ? "the floor: the file server's own time"
        : `the floor + ${rounded(p50 - floor.p50)} / ${rounded(p99 - floor.p99)}; ${rounded(p50 / floor.p50)} x the bare loop`,
  }));
  return [...rows, brokerRow];
}
