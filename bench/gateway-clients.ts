/**
 * The second process of bench/gateway.ts: very many WebSocket clients with as little behind each as possible,
 * so that what is measured is the gateway. Told what to do by messages of its parent.
 */
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

export type Order =
  | { readonly type: "open"; readonly port: number; readonly count: number; readonly atOnce?: number }
  /** The first `count` clients subscribe to `each` paths; `%` in a path counts on, modulo `modulo`. */
  | {
      readonly type: "subscribe";
      readonly count: number;
      readonly each: number;
      readonly path: string;
      readonly modulo: number;
    }
  /** All clients ask at once for `total` paths between them, none twice; report how each was answered, and when. */
  | { readonly type: "ask"; readonly total: number; readonly path: string; readonly timeoutMs: number }
  /** All clients ask at once for a snapshot of one directory; report when each had the whole of it. */
  | { readonly type: "snapshot"; readonly path: string; readonly entries: number; readonly timeoutMs: number }
  /** Report when each of all clients first sees this name. */
  | { readonly type: "expect"; readonly name: string; readonly timeoutMs: number }
  /** Record when each name is first seen, until `collected`. */
  | { readonly type: "collect" }
  | { readonly type: "collected" };

export type Answer =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly reason: string }
  /** By the machine's monotonic clock, ms. */
  | { readonly type: "seen"; readonly at: readonly number[] }
  | { readonly type: "names"; readonly at: Readonly<Record<string, number>>; readonly frames: number }
  /** How many had which answer, and after how many ms each came. */
  | {
      readonly type: "answered";
      readonly outcomes: Readonly<Record<string, number>>;
      readonly ms: readonly number[];
    };

const AT_ONCE = 100;
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const SNAPSHOT = Buffer.from('{"type":"snapshot"');
const NO_MASK = Buffer.alloc(4);
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

const now = (): number => Number(process.hrtime.bigint()) / 1e6;

class RawClient {
  readonly #socket: Socket;
  readonly #onText: (text: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);
  #upgraded = false;
  readonly opened: Promise<void>;

  constructor(port: number, onText: (text: Buffer) => void, onEnd: (reason: string) => void) {
    this.#onText = onText;
    this.#socket = connect({ host: "127.0.0.1", port });
    this.#socket.setNoDelay(true);
    this.opened = new Promise((resolve, reject) => {
      const key = randomBytes(16).toString("base64");
      this.#socket.once("connect", () =>
        this.#socket.write(
          `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
        ),
      );
      this.#socket.on("data", (chunk) => {
        this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
        if (!this.#upgraded) {
          const end = this.#rest.indexOf("\r\n\r\n");
          if (end < 0) return;
          const status = this.#rest.toString("latin1", 9, 12);
          if (status !== "101") return reject(new Error(`handshake answered ${status}`));
          this.#upgraded = true;
          this.#rest = this.#rest.subarray(end + 4);
          resolve();
        }
        this.#frames();
      });
      this.#socket.on("error", reject);
      this.#socket.on("close", () => onEnd("a socket was closed"));
    });
  }

  send(message: object): void {
    const text = Buffer.from(JSON.stringify(message));
    const head =
      text.length < 126 ? [0x81, 0x80 | text.length] : [0x81, 0xfe, text.length >> 8, text.length & 255];
    this.#socket.write(Buffer.concat([Buffer.from(head), NO_MASK, text]));
  }

  #frames(): void {
    while (this.#rest.length >= 2) {
      let length = (this.#rest[1] ?? 0) & 127;
      let at = 2;
      if (length === 126) {
        if (this.#rest.length < 4) return;
        length = this.#rest.readUInt16BE(2);
        at = 4;
      } else if (length === 127) {
        if (this.#rest.length < 10) return;
        length = Number(this.#rest.readBigUInt64BE(2));
        at = 10;
      }
      if (this.#rest.length < at + length) return;
      const opcode = (this.#rest[0] ?? 0) & 15;
      if (opcode === TEXT) this.#onText(this.#rest.subarray(at, at + length));
      else if (opcode === PING) this.#socket.write(PONG);
      else if (opcode === CLOSE) this.#socket.end();
      this.#rest = this.#rest.subarray(at + length);
    }
  }
}

const clients: RawClient[] = [];
const answer = (message: Answer): void => void process.send?.(message);
const fail = (reason: string): void => answer({ type: "failed", reason });
/** What is waited for now, by client. */
let onText: (client: number, text: Buffer) => void = () => undefined;
let collected: { at: Record<string, number>; frames: number } | undefined;

async function open(port: number, count: number, atOnce = AT_ONCE): Promise<void> {
  const opener = async (): Promise<void> => {
    while (clients.length < count) {
      const number = clients.length;
      const client = new RawClient(port, (text) => onText(number, text), fail);
      clients.push(client);
      await client.opened;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, opener));
}

async function subscribe({ count, each, path, modulo }: Order & { type: "subscribe" }): Promise<void> {
  let next = 0;
  const waiting = new Map<number, () => void>();
  onText = (client, text) => {
    if (text.includes('"type":"error"')) fail(String(text));
    if (!text.includes('"type":"subscribed"')) return;
    waiting.get(client)?.();
    waiting.delete(client);
  };
  const subscriber = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      for (let nth = 0; nth < each; nth++) {
        const directory = path.replace("%", String((number * each + nth) % modulo));
        await new Promise<void>((resolve) => {
          waiting.set(number, resolve);
          clients[number]?.send({
            action: "subscribe",
            connection_id: "lab",
            path: directory,
            detail: "changes",
          });
        });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, subscriber));
}

async function ask({ total, path, timeoutMs }: Order & { type: "ask" }): Promise<void> {
  const outcomes: Record<string, number> = {};
  const ms: number[] = [];
  const begun = now();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    onText = (_client, text) => {
      const { type, code, id } = JSON.parse(text.toString("utf8")) as Record<string, string | number>;
      if (id === undefined) return;
      const outcome = String(code ?? type);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      ms.push(now() - begun);
      if (ms.length < total) return;
      clearTimeout(timer);
      resolve();
    };
    for (let id = 0; id < total; id++) {
      const directory = path.replace("%", String(id));
      const request = { action: "subscribe", connection_id: "lab", path: directory, detail: "changes", id };
      clients[id % clients.length]?.send(request);
    }
  });
  onText = () => undefined;
  answer({ type: "answered", outcomes, ms });
}

async function snapshot({ path, entries, timeoutMs }: Order & { type: "snapshot" }): Promise<void> {
  const at: number[] = [];
  /** Of the first client, which stands for the others. */
  let counted = 0;
  const end = Buffer.from('"more":true}');
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    onText = (client, text) => {
      if (!text.subarray(0, 18).equals(SNAPSHOT)) return;
      if (client === 0)
        counted += (JSON.parse(text.toString("utf8")) as { entries: unknown[] }).entries.length;
      if (text.subarray(-end.length).equals(end)) return;
      at.push(now());
      if (at.length < clients.length) return;
      clearTimeout(timer);
      resolve();
    };
    for (const client of clients) {
      client.send({ action: "subscribe", connection_id: "lab", path, snapshot: true });
    }
  });
  onText = () => undefined;
  if (counted === entries) answer({ type: "seen", at });
  else fail(`${counted} entries of ${entries}`);
}

async function expectName(name: string, timeoutMs: number): Promise<void> {
  const at = new Float64Array(clients.length);
  let missing = clients.length;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    const wanted = Buffer.from(`"${name}"`);
    onText = (client, text) => {
      if (at[client] !== 0 || !text.includes(wanted)) return;
      at[client] = now();
      if (--missing > 0) return;
      clearTimeout(timer);
      resolve();
    };
  });
  answer({ type: "seen", at: [...at].filter((time) => time > 0) });
}

function collect(): void {
  const picture = { at: {} as Record<string, number>, frames: 0 };
  collected = picture;
  onText = (_client, text) => {
    const time = now();
    picture.frames++;
    const { changes = [] } = JSON.parse(text.toString("utf8")) as { changes?: { name: string }[] };
    for (const { name } of changes) picture.at[name] ??= time;
  };
}

process.on("message", (order: Order) => {
  const ready = (): void => answer({ type: "ready" });
  const failed = (error: unknown): void => fail(String(error));
  if (order.type === "open") open(order.port, order.count, order.atOnce).then(ready, failed);
  else if (order.type === "subscribe") subscribe(order).then(ready, failed);
  else if (order.type === "ask") void ask(order);
  else if (order.type === "snapshot") void snapshot(order);
  else if (order.type === "expect") void expectName(order.name, order.timeoutMs);
  else if (order.type === "collect") {
    collect();
    ready();
  } else answer({ type: "names", at: collected?.at ?? {}, frames: collected?.frames ?? 0 });
});
process.on("disconnect", () => process.exit(0));
