import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** What a subscriber of MQTT 3.1.1 is told. */
export interface Told {
  readonly topic: string;
  readonly payload: string;
  /** 0, 1 or 2. */
  readonly qos: number;
}

/** Just enough of MQTT 3.1.1 (sections 3.1, 3.3, 3.8) to subscribe to one filter, acknowledge, and listen. */
export class MqttSubscriber {
  readonly told: Told[] = [];
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #answered: ((type: number) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => this.#take(data));
  }

  /** Resolves when the server has acknowledged the subscription. */
  static async open(port: number, filter: string, qos: 0 | 1 = 0): Promise<MqttSubscriber> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const one = new MqttSubscriber(socket);
    // Protocol level 4, a clean session, no keep-alive; a second client of the same name would end the first.
    const name = text(randomUUID());
    await one.#ask(0x10, Buffer.concat([text("MQTT"), Buffer.from([4, 2, 0, 0]), name]), 2);
    await one.#ask(0x82, Buffer.concat([Buffer.from([0, 1]), text(filter), Buffer.from([qos])]), 9);
    return one;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #ask(type: number, body: Buffer, answer: number): Promise<void> {
    const answered = new Promise<void>((resolve) => {
      this.#answered = (got) => {
        if (got === answer) resolve();
      };
    });
    this.#send(type, body);
    await answered;
  }

  #send(type: number, body: Buffer): void {
    this.#socket.write(Buffer.concat([Buffer.from([type, ...length(body.length)]), body]));
  }

  #take(data: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (;;) {
      const packet = firstPacket(this.#rest);
      if (packet === undefined) return;
      this.#rest = this.#rest.subarray(packet.size);
      this.#answered?.(packet.first >> 4);
      if (packet.first >> 4 === 3) this.#publish(packet.first, packet.body);
    }
  }

  #publish(first: number, body: Buffer): void {
    const qos = (first >> 1) & 3;
    const end = 2 + body.readUInt16BE(0);
    const topic = body.toString("utf8", 2, end);
    this.told.push({ topic, qos, payload: body.toString("utf8", qos > 0 ? end + 2 : end) });
    if (qos === 1) this.#send(0x40, body.subarray(end, end + 2));
  }
}

function firstPacket(data: Buffer): { first: number; body: Buffer; size: number } | undefined {
  let size = 0;
  for (let at = 1; at < data.length && at < 5; at++) {
    const byte = data[at] ?? 0;
    size += (byte & 0x7f) << (7 * (at - 1));
    if (byte >= 0x80) continue;
    const end = at + 1 + size;
    if (data.length < end) return undefined;
    return { first: data[0] ?? 0, body: data.subarray(at + 1, end), size: end };
  }
  return undefined;
}

function length(size: number): number[] {
  return size < 0x80 ? [size] : [(size & 0x7f) | 0x80, ...length(size >> 7)];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(2);
  head.writeUInt16BE(bytes.length);
  return Buffer.concat([head, bytes]);
}
