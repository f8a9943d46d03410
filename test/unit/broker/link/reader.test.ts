import { TimeoutError } from "@nats-io/transport-node";
import { expect, it } from "vitest";
import type { NatsLink } from "../../../../src/broker/link/link.ts";
import { StreamReader } from "../../../../src/broker/link/reader.ts";

type Callback = (error: Error | null, message: unknown) => void;

/** One consumer on a replica that has what `deliver` gives out, and a leader that has `stored`. */
class ScriptedStream {
  readonly stored: number[];
  asked: number[] = [];
  /** So many questions are not answered in time. */
  late = 0;
  #callback: Callback = () => undefined;
  #delivery = 0;

  constructor(stored: number[]) {
    this.stored = stored;
  }

  deliver(sequence: number, pending: number): void {
    this.#callback(null, {
      subject: "smbin.c",
      reply: `$JS.ACK.SMB.me.1.${sequence}.${++this.#delivery}.0.${pending}`,
      data: new Uint8Array(),
    });
  }

  heartbeat(): void {
    const headers = { code: 100, get: () => "", description: "Idle Heartbeat" };
    this.#callback(null, { subject: "inbox", reply: "", data: new Uint8Array(), headers });
  }

  link(pending: number): NatsLink {
    const nc = {
      subscribe: (_: string, { callback }: { callback: Callback }) => {
        this.#callback = callback;
        return { isClosed: () => false, unsubscribe: () => undefined };
      },
    };
    const jsm = {
      consumers: {
        add: async () => ({ name: "me", num_pending: pending, delivered: { consumer_seq: 0 } }),
        delete: async () => true,
      },
      streams: {
        getMessage: async (_: string, { seq }: { seq: number }) => {
          this.asked.push(seq);
          if (this.late-- > 0) throw new TimeoutError();
          const next = this.stored.find((stored) => stored >= seq);
          return next === undefined ? null : { seq: next };
        },
      },
    };
    return {
      nc,
      jsm,
      inboxPrefix: "_INBOX",
      connected: true,
      onStatus: () => () => undefined,
    } as unknown as NatsLink;
  }
}

async function sequences(reader: StreamReader): Promise<number[]> {
  const seen: number[] = [];
  for await (const { sequence } of reader) seen.push(sequence);
  return seen;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("does not take the end of a replica that is behind for the end of the stream", async () => {
  const stream = new ScriptedStream([3, 5, 9]);
  const reader = await StreamReader.open(stream.link(2), {
    stream: "SMB",
    filter: "smbin.c",
    from: { sequence: 3 },
    endAtPresent: true,
    last: 10,
  });
  const seen = sequences(reader);
  stream.deliver(3, 1);
  stream.deliver(5, 0);
  await turn();
  stream.deliver(9, 0);
  expect(await seen).toEqual([3, 5, 9]);
  expect(stream.asked).toEqual([6, 10]);
});

it("ends at once where the leader has nothing more either, and asks nobody who has seen the last", async () => {
  const stream = new ScriptedStream([12]);
  const options = { stream: "SMB", filter: "smbin.c", from: { sequence: 3 }, endAtPresent: true };
  expect(await sequences(await StreamReader.open(stream.link(0), { ...options, last: 11 }))).toEqual([]);
  expect(stream.asked).toEqual([3]);
  const reader = await StreamReader.open(stream.link(1), { ...options, last: 12 });
  const seen = sequences(reader);
  stream.deliver(12, 0);
  expect(await seen).toEqual([12]);
  expect(stream.asked).toEqual([3]);
});

it("asks again with the next heartbeat when the answer is late", async () => {
  const stream = new ScriptedStream([]);
  stream.late = 2;
  const reader = await StreamReader.open(stream.link(0), {
    stream: "SMB",
    filter: "smbin.c",
    from: { sequence: 3 },
    endAtPresent: true,
    last: 11,
  });
  const seen = sequences(reader);
  for (let beat = 0; beat < 2; beat++) {
    await turn();
    stream.heartbeat();
  }
  expect(await seen).toEqual([]);
  expect(stream.asked).toEqual([3, 3, 3]);
});

it("tells a follower once when it has everything, however busy the stream is", async () => {
  const stream = new ScriptedStream([1, 2]);
  const told: number[] = [];
  const seen: number[] = [];
  const reader = await StreamReader.open(stream.link(2), {
    stream: "KV_B",
    filter: "$KV.B.>",
    from: "last-per-subject",
    endAtPresent: false,
    last: 2,
    onPresent: () => told.push(seen.length),
  });
  const done = (async () => {
    for await (const { sequence } of reader) seen.push(sequence);
  })().catch(() => undefined);
  stream.deliver(1, 5);
  stream.deliver(2, 5);
  stream.deliver(3, 5);
  await turn();
  reader.close();
  await done;
  expect(told).toEqual([2]);
  expect(stream.asked).toEqual([]);
});
