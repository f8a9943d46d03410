import type { StoredMsg } from "@nats-io/jetstream";
import { sleep, throwIfAborted } from "../../base/async.ts";
import type { Smb2NatsError } from "../../base/errors.ts";
import { BrokerError, ConflictError } from "../errors.ts";
import { type NatsLink, StreamReader, toBrokerError } from "../link/index.ts";
import type { KvBucket, KvEntry, KvWriteOptions } from "../port.ts";

const KEY = /^[-/=\w]+(\.[-/=\w]+)*$/;
/** A longer key passes the server's control line limit in reads and kills the connection. */
const MAX_KEY_BYTES = 3_500;
const RETRY_PAUSE_MS = 50;
const TRIES = 3;

/** `KV-Operation` of ADR-8, and the markers that servers from 2.11 on put in the place of expired keys. */
export function isTombstone(header: (name: string) => string | undefined): boolean {
  const operation = header("KV-Operation");
  return operation === "DEL" || operation === "PURGE" || header("Nats-Marker-Reason") !== undefined;
}

export function keyPrefix(bucket: string): string {
  return `$KV.${bucket}.`;
}

interface StoredEntry extends KvEntry {
  readonly tombstone: boolean;
  readonly msgId: string | undefined;
}

/** The bucket's stream, spoken to directly: the client's own KV can neither set `Nats-Msg-Id` nor expect revision 0 in a delete. */
export class NatsKvBucket implements KvBucket {
  readonly name: string;
  readonly #link: NatsLink;
  readonly #nonce: () => string;

  constructor(link: NatsLink, name: string, nonce: () => string) {
    this.#link = link;
    this.name = name;
    this.#nonce = nonce;
  }

  get nonce(): string {
    return this.#nonce();
  }

  async get(key: string): Promise<KvEntry | undefined> {
    const last = await this.#last(key);
    return last === undefined || last.tombstone
      ? undefined
      : { key, value: last.value, revision: last.revision };
  }

  async create(key: string, value: Uint8Array, options: KvWriteOptions = {}): Promise<number> {
    try {
      return await this.#write(key, value, 0, options);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const last = await this.#last(key);
      if (last === undefined || !last.tombstone) throw error;
      return this.#write(key, value, last.revision, options);
    }
  }

  update(key: string, value: Uint8Array, revision: number, options: KvWriteOptions = {}): Promise<number> {
    return this.#write(key, value, revision, options);
  }

  async delete(key: string, revision: number, options: KvWriteOptions = {}): Promise<number> {
    return this.#write(key, new Uint8Array(0), revision, options, { "KV-Operation": "DEL" });
  }

  async purgeTombstones(options: { readonly olderThanMs: number; readonly limit?: number }): Promise<number> {
    const { olderThanMs, limit = 1_000 } = options;
    const before = Date.now() - olderThanMs;
    let purged = 0;
    const reader = await StreamReader.open(this.#link, {
      stream: `KV_${this.name}`,
      filter: `${keyPrefix(this.name)}>`,
      from: "last-per-subject",
      endAtPresent: true,
      headersOnly: true,
    });
    for await (const message of reader) {
      if (purged >= limit) break;
      if (!isTombstone(message.header) || message.storedAt > before) continue;
      try {
        // Up to this sequence only: a key created anew meanwhile stays.
        await this.#link.jsm.streams.purge(`KV_${this.name}`, {
          filter: message.subject,
          seq: message.sequence + 1,
        });
      } catch (error) {
        throw toBrokerError(error, `purge ${message.subject}`);
      }
      purged++;
    }
    return purged;
  }

  async #write(
    key: string,
    value: Uint8Array,
    expected: number,
    options: KvWriteOptions,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    checkKey(key);
    const { msgId, signal } = options;
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(signal);
      try {
        const stored = await this.#link.acks.store(this.#link.kvWriteSubject(this.name, key), value, {
          timeoutMs: this.#link.requestTimeoutMs,
          headers: {
            ...headers,
            "Nats-Expected-Stream": `KV_${this.name}`,
            "Nats-Expected-Last-Subject-Sequence": String(expected),
            ...(msgId === undefined ? {} : { "Nats-Msg-Id": msgId }),
          },
        });
        return stored.sequence;
      } catch (error) {
        const failure = toBrokerError(error, `write ${key}`, key);
        // Servers from 2.11 on compare the revision before they look for a repetition: the stored message tells.
        if (msgId !== undefined && failure instanceof ConflictError) {
          const last = await this.#last(key);
          if (last?.msgId === msgId) return last.revision;
        }
        if (msgId === undefined || attempt >= TRIES || !mayRepeat(failure)) throw failure;
        await sleep(RETRY_PAUSE_MS, { signal });
      }
    }
  }

  async #last(key: string): Promise<StoredEntry | undefined> {
    checkKey(key);
    let stored: StoredMsg | null;
    try {
      stored = await this.#link.jsm.streams.getMessage(`KV_${this.name}`, {
        last_by_subj: keyPrefix(this.name) + key,
      });
    } catch (error) {
      throw toBrokerError(error, `read ${key}`, key);
    }
    if (stored === null) return undefined;
    const { header, data, seq } = stored;
    const read = (name: string): string | undefined => (header?.has(name) ? header.get(name) : undefined);
    return { key, value: data, revision: seq, tombstone: isTombstone(read), msgId: read("Nats-Msg-Id") };
  }
}

/** Whether the write may have been stored, so that only a repetition under the same id can tell. */
function mayRepeat(error: Smb2NatsError): boolean {
  return error.conclusion === "silent" || error.conclusion === "hung-up";
}

function checkKey(key: string): void {
  if (!KEY.test(key) || key.length > MAX_KEY_BYTES) {
    throw new BrokerError("BROKER_BAD_NAME", `bad key ${JSON.stringify(key.slice(0, 200))}`);
  }
}
