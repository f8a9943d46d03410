/**
 * Takes files that are ready: one program a file, and as many takers as there is work for. See README.md.
 *
 *   npx tsx examples/work-queue/taker.ts smbin.nas1.incoming ./fetch.sh /srv/incoming
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { AckPolicy, DeliverPolicy, type JsMsg, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { connect, nanos } from "@nats-io/transport-node";

const [filter, program, ...args] = process.argv.slice(2);
if (filter === undefined || program === undefined) {
  console.error("usage: npx tsx taker.ts FILTER PROGRAM [ARG...]   (NATS_URL, NATS_STREAM, NATS_DURABLE)");
  process.exit(2);
}
const {
  NATS_URL: servers = "nats://127.0.0.1:4222",
  NATS_STREAM: stream = "SMB",
  NATS_DURABLE: durable = "takers",
} = process.env;
/** Who says nothing for so long has died: his message goes to somebody else. */
const ACK_WAIT_MS = 30_000;
const TRIES = 5;

interface Ready {
  readonly action: string;
  readonly name: string;
  readonly size?: number;
  readonly modified?: string;
  readonly fileId?: string;
  readonly closed?: boolean;
}

/** Deals with the files of one message. Returns whether all of them are done. */
async function take(message: JsMsg, taken: KV): Promise<boolean> {
  const body = message.json<{ connection: string; path: string; changes?: Ready[] }>();
  for (const { action, ...file } of body.changes ?? []) {
    if (action !== "ready") continue;
    const path = body.path === "/" ? `/${file.name}` : `${body.path}/${file.name}`;
    const what = [body.connection, path, file.fileId, file.size, file.modified];
    const key = createHash("sha256").update(JSON.stringify(what)).digest("hex");
    if ((await taken.get(key)) !== null) continue;
    const share = message.headers?.get("ce-source").replace(/^smb:/, "");
    if (!(await run(JSON.stringify({ type: "ready", connection: body.connection, share, path, ...file })))) {
      console.error(`failed, ${message.info.deliveryCount} of ${TRIES}: ${JSON.stringify(path)}`);
      return false;
    }
    await taken.put(key, new Date().toISOString());
    console.log(`taken: ${JSON.stringify(path)}`);
  }
  return true;
}

function run(line: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program as string, args, { stdio: ["pipe", "inherit", "inherit"] });
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
    // It need not read what it gets.
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${line}\n`);
  });
}

const nats = await connect({ servers, name: "taker", maxReconnectAttempts: -1 });
const manager = await jetstreamManager(nats);
// Found as it is, or made: all takers share it, and with it the work.
await manager.consumers.add(stream, {
  durable_name: durable,
  filter_subject: filter,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.New,
  ack_wait: nanos(ACK_WAIT_MS),
  max_deliver: TRIES,
});
// Longer than the stream keeps events: what is told again is known then.
const taken = await new Kvm(nats).create(`${durable}_taken`, { ttl: 7 * 24 * 3_600_000 });
const consumer = await jetstream(nats).consumers.get(stream, durable);
const messages = await consumer.consume({ max_messages: 1 });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => messages.stop());
console.error(`taking ${filter}`);
for await (const message of messages) {
  const alive = setInterval(() => message.working(), ACK_WAIT_MS / 3);
  try {
    if (await take(message, taken)) await message.ackAck();
    else message.nak(1_000 * 2 ** (message.info.deliveryCount - 1));
  } finally {
    clearInterval(alive);
  }
}
await nats.drain();
