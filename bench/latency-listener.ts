/**
 * A process of bench/latency.ts: listens for names in one way, and notes when it hears of each for the first time. Each
 * listener has a process of its own, as in life: what one does with an answer keeps no other waiting.
 */
import { connect, createInbox } from "@nats-io/transport-node";
import WebSocket from "ws";
import { createNtlmProvider } from "../src/auth/ntlm.ts";
import { type Stage, stages } from "../src/base/channels.ts";
import { SmbPool } from "../src/smb/pool/pool.ts";

/** What to listen to. Passwords come by the channel between parent and child. */
export type ListenerOrder =
  | {
      readonly type: "bare";
      readonly host: string;
      readonly port: number;
      readonly username: string;
      readonly password: string;
      readonly domain: string;
      readonly share: string;
      readonly path: string;
    }
  | { readonly type: "nats"; readonly url: string; readonly subject: string }
  /** Listens to nothing: publishes a message of the same kind for each name it is told, and notes when. */
  | { readonly type: "publisher"; readonly url: string; readonly subject: string }
  | { readonly type: "ws"; readonly url: string; readonly connection: string; readonly path: string };

/** When something was, by the clock that all processes of the machine share, ms. */
export type Heard = readonly [what: string, at: number];

export type ListenerRequest =
  | ListenerOrder
  | { readonly type: "publish"; readonly name: string }
  | { readonly type: "end" };

export type ListenerAnswer =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly why: string }
  | { readonly type: "heard"; readonly names: readonly Heard[]; readonly stages: readonly Heard[] };

interface Changes {
  readonly changes?: readonly { readonly name: string }[];
}

const names = new Map<string, number>();
const passed: [Stage, number][] = [];

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function heard(changes: readonly { readonly name: string }[] | undefined): void {
  const at = now();
  for (const { name } of changes ?? []) if (!names.has(name)) names.set(name, at);
}

async function bare(order: Extract<ListenerOrder, { type: "bare" }>): Promise<void> {
  const { host, port, share, path, ...login } = order;
  stages.subscribe((stage) => passed.push([stage, now()]));
  const pool = new SmbPool({ host, port, share, auth: createNtlmProvider(login) });
  const handle = await pool.openDirectory(path);
  const arm = { recursive: false, filter: 0x1f };
  let [current, next] = [handle.arm(arm), handle.arm(arm)];
  await current.accepted;
  void (async () => {
    for (;;) {
      const outcome = await current.outcome;
      if (outcome.type !== "records") return;
      heard(outcome.records);
      current = next;
      next = handle.arm(arm);
    }
  })();
}

async function nats({ url, subject }: Extract<ListenerOrder, { type: "nats" }>): Promise<void> {
  const connection = await connect({ servers: url });
  connection.subscribe(subject, { callback: (_, message) => heard(message.json<Changes>().changes) });
  await connection.flush();
}

/** As large as what a worker publishes for one name, headers included. */
const BALLAST = "-".repeat(500);
let publish: (name: string) => void = () => {};

async function publisher({ url, subject }: Extract<ListenerOrder, { type: "publisher" }>): Promise<void> {
  const connection = await connect({ servers: url });
  const reply = createInbox();
  connection.subscribe(reply, { callback: () => {} });
  await connection.flush();
  publish = (name) => {
    names.set(name, now());
    connection.publish(subject, JSON.stringify({ changes: [{ name }], ballast: BALLAST }), { reply });
  };
}

async function webSocket(order: Extract<ListenerOrder, { type: "ws" }>): Promise<void> {
  const { url, connection, path } = order;
  const socket = new WebSocket(url);
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("open", () =>
      socket.send(
        JSON.stringify({ action: "subscribe", connection_id: connection, path, detail: "changes" }),
      ),
    );
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as Changes & { type: string };
      if (frame.type === "subscribed") resolve();
      else if (frame.type === "directory_changed") heard(frame.changes);
      else reject(new Error(`unexpected ${String(data)}`));
    });
  });
}

function answer(what: ListenerAnswer): void {
  process.send?.(what);
}

function listen(order: ListenerOrder): Promise<void> {
  switch (order.type) {
    case "bare":
      return bare(order);
    case "nats":
      return nats(order);
    case "publisher":
      return publisher(order);
    case "ws":
      return webSocket(order);
  }
}

process.on("message", (order: ListenerRequest) => {
  if (order.type === "publish") {
    publish(order.name);
    return;
  }
  if (order.type === "end") {
    // Sockets would keep it: nothing is left to be told. What is long leaves later than `send` comes back.
    process.send?.({ type: "heard", names: [...names], stages: passed } satisfies ListenerAnswer, () =>
      process.exit(),
    );
    return;
  }
  listen(order).then(
    () => answer({ type: "ready" }),
    (error: unknown) => answer({ type: "failed", why: String(error) }),
  );
});
