import type { Msg } from "@nats-io/transport-node";

export interface StoredMessage {
  readonly subject: string;
  readonly sequence: number;
  /** How many of the filter were stored behind this one when it was sent. */
  readonly pending: number;
  /** By the server's clock, Unix epoch, ms. */
  readonly storedAt: number;
  readonly data: Uint8Array;
  header(name: string): string | undefined;
}

export interface Position {
  readonly sequence: number;
  readonly delivery: number;
  readonly storedAt: number;
  readonly pending: number;
}

/**
 * The reply subject of a delivery (ADR-15): `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<consumer seq>.<time>.<pending>`,
 * from 2.11 on with `<domain>.<account>` before the stream and a random token behind.
 */
export function parsePosition(reply: string | undefined): Position | undefined {
  const tokens = reply?.split(".") ?? [];
  if (tokens[0] !== "$JS" || tokens[1] !== "ACK") return undefined;
  const at = tokens.length === 9 ? 5 : tokens.length >= 11 ? 7 : -1;
  if (at < 0) return undefined;
  const [sequence, delivery, nanoseconds, pending] = tokens.slice(at, at + 4).map(Number);
  if (
    sequence === undefined ||
    delivery === undefined ||
    nanoseconds === undefined ||
    pending === undefined
  ) {
    return undefined;
  }
  if (![sequence, delivery, pending].every(Number.isSafeInteger)) return undefined;
  return { sequence, delivery, pending, storedAt: nanoseconds / 1e6 };
}

/** What a consumer was given, as a message of its stream. */
export function storedMessage(message: Msg, position: Position): StoredMessage {
  return {
    subject: message.subject,
    sequence: position.sequence,
    pending: position.pending,
    storedAt: position.storedAt,
    data: message.data,
    header: (name) => (message.headers?.has(name) === true ? message.headers.get(name) : undefined),
  };
}

/** Each reader is in order by itself; together they shall be, too. */
export async function* mergeBySequence(
  readers: readonly AsyncIterable<StoredMessage>[],
): AsyncGenerator<StoredMessage> {
  const iterators = readers.map((reader) => reader[Symbol.asyncIterator]());
  const heads = await Promise.all(iterators.map((iterator) => iterator.next()));
  for (;;) {
    let first = -1;
    for (const [index, head] of heads.entries()) {
      if (head.done === true) continue;
      const best = heads[first];
      if (best === undefined || best.done === true || head.value.sequence < best.value.sequence)
        first = index;
    }
    const head = heads[first];
    const iterator = iterators[first];
    if (head === undefined || head.done === true || iterator === undefined) return;
    yield head.value;
    heads[first] = await iterator.next();
  }
}
