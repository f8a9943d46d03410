import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import WebSocket from "ws";
import { startStack } from "../scripts/lab/stack.ts";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { SmbPool } from "../src/smb/pool/pool.ts";
import { quantile, type Row, rounded, type Section } from "./stats.ts";

/**
 * Each change has company (the directory's own times change with it), which goes out at the end of the gateway's
 * 250 ms window and opens another: further apart than two of them, each change is a leading edge.
 */
const EVERY_MS = 600;

/**
 * From a change on the server to three listeners of the same run: a bare CHANGE_NOTIFY loop, a plain NATS
 * subscriber, and a WebSocket client. Worker and gateway are processes of their own.
 */
export async function latency(rounds: number): Promise<Section> {
  const stack = await startStack({ connection: { cover: "directory" } });
  const seen = {
    bare: new Map<string, number>(),
    nats: new Map<string, number>(),
    ws: new Map<string, number>(),
  };
  const { samba } = stack;
  mkdirSync(join(samba.path(), "bench"));
  const pool = new SmbPool({
    host: samba.host,
    port: samba.port,
    share: "share",
    auth: createNtlmProvider({ username: samba.user, password: samba.password, domain: samba.domain }),
  });
  const nats = await connect({ servers: stack.nats.url });
  const socket = new WebSocket(`${stack.gateways[0]?.url.replace("http", "ws")}/ws`);
  try {
    nats.subscribe("smb.lab.bench", {
      callback: (_error, message) =>
        stamp(seen.nats, message.json<{ changes?: { name: string }[] }>().changes),
    });
    await nats.flush();
    const subscribed = new Promise<void>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () =>
        socket.send(
          JSON.stringify({ action: "subscribe", connection_id: "lab", path: "/bench", detail: "changes" }),
        ),
      );
      socket.on("message", (data) => {
        const frame = JSON.parse(String(data)) as { type: string; changes?: { name: string }[] };
        if (frame.type === "subscribed") resolve();
        else if (frame.type === "directory_changed") stamp(seen.ws, frame.changes);
        else reject(new Error(`unexpected ${String(data)}`));
      });
    });
    await subscribed;

    const handle = await pool.openDirectory("/bench");
    const options = { recursive: false, filter: 0x1f };
    let stopped = false;
    const loop = async (): Promise<void> => {
      let current = handle.arm(options);
      let next = handle.arm(options);
      while (!stopped) {
        const outcome = await current.outcome;
        if (outcome.type !== "records") return;
        stamp(seen.bare, outcome.records);
        current = next;
        next = handle.arm(options);
      }
    };
    const running = loop();

    const started = new Map<string, number>();
    for (let i = 0; i < rounds; i++) {
      const name = `d${i}`;
      await delay(EVERY_MS);
      started.set(name, performance.now());
      mkdirSync(join(samba.path(), "bench", name));
    }
    await delay(1_000);
    stopped = true;
    await handle.close();
    await running;
    for (const name of started.keys()) rmdirSync(join(samba.path(), "bench", name));

    const rows: Row[] = [];
    const series = Object.entries(seen).map(([listener, at]) => {
      const values = [...started].flatMap(([name, start]) => {
        const end = at.get(name);
        return end === undefined ? [] : [end - start];
      });
      if (values.length !== rounds) throw new Error(`${listener} saw ${values.length} of ${rounds} changes`);
      return { listener, p50: quantile(values, 0.5), p99: quantile(values, 0.99) };
    });
    const labels: Record<string, string> = {
      bare: "bare CHANGE_NOTIFY loop",
      nats: "NATS subscriber",
      ws: "WebSocket client",
    };
    const base = series[0];
    for (const { listener, p50, p99 } of series) {
      const ratio = base === undefined ? 1 : p50 / base.p50;
      rows.push({
        name: labels[listener] ?? listener,
        value: `${rounded(p50)} / ${rounded(p99)}`,
        unit: "ms p50 / p99",
        note:
          listener === "bare" ? "the floor: the file server's own time" : `${rounded(ratio)} x the bare loop`,
      });
    }
    return {
      title: "From a change to a listener",
      method: `${rounds} directories made on the server, ${EVERY_MS} ms apart; all three listen in one run`,
      rows,
    };
  } finally {
    socket.terminate();
    await nats.close();
    await pool.close();
    await stack.close();
  }
}

function stamp(at: Map<string, number>, changes: readonly { readonly name: string }[] | undefined): void {
  const now = performance.now();
  for (const { name } of changes ?? []) if (!at.has(name)) at.set(name, now);
}
