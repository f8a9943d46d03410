import type { Clock } from "../../base/clock.ts";
import { mergeBySequence, type NatsLink, StreamReader } from "../link/index.ts";

/** A message of the stream: live (`previous` is its predecessor on the subject), or read (0). */
export interface Incoming {
  readonly subject: string;
  readonly sequence: number;
  readonly previous: number;
  readonly header: (name: string) => string | undefined;
  readonly data: Uint8Array;
}

export interface StoredOptions {
  readonly stream: string;
  readonly connection: string;
  /** The first sequence wanted. */
  readonly from: number;
  /** The stream's last sequence, as its leader told it. */
  readonly last: number;
  readonly headersOnly: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What the stream holds of a connection, in order of sequences. One filter per consumer: server 2.9. @throws BrokerError */
export async function* readStored(link: NatsLink, options: StoredOptions): AsyncGenerator<Incoming> {
  const { stream, connection, last, headersOnly, clock, signal } = options;
  const readers: StreamReader[] = [];
  const close = (): void => {
    for (const reader of readers) reader.close();
  };
  const offAbort = onAbort(signal, close);
  try {
    const from = { sequence: options.from };
    const common = { stream, from, endAtPresent: true, last, headersOnly, clock };
    const names = [connection, `${connection}.>`];
    const all = names.map((name) => ({ ...common, filter: link.subjects.ingest(name) }));
    readers.push(...(await StreamReader.openAll(link, all)));
    signal.throwIfAborted();
    for await (const { subject, sequence, data, header } of mergeBySequence(readers)) {
      yield { subject: link.subjects.toEvent(subject), sequence, previous: 0, data, header };
    }
  } finally {
    offAbort();
    close();
  }
}

function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) listener();
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}
