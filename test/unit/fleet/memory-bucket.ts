import { BrokerError, ConflictError } from "../../../src/broker/errors.ts";
import type { KvBucket, KvEntry, KvMirror, MirrorBatch, MirrorChange } from "../../../src/broker/port.ts";

/** A bucket and its mirror in memory, with the broker's compare-and-swap and ways to fail. */
export class MemoryBucket implements KvBucket {
  readonly name: string = "TEST";
  readonly nonce: string = "nonce";
  readonly entries: Map<string, KvEntry> = new Map();
  readonly mirror: MemoryMirror = new MemoryMirror(this);
  /** Writes asked for, by operation and key. */
  readonly log: string[] = [];
  /** While set, every operation fails with a timeout; `"stored"` stores first. */
  failing: "lost" | "stored" | undefined;
  /** While true, the mirror hears nothing. */
  deaf = false;
  #revision = 0;
  readonly #messageIds = new Map<string, number>();

  async get(key: string): Promise<KvEntry | undefined> {
    this.#mayFail();
    return this.entries.get(key);
  }

  async create(key: string, value: Uint8Array, options: { readonly msgId?: string } = {}): Promise<number> {
    this.log.push(`create ${key}`);
    return this.#write(key, value, undefined, options.msgId);
  }

  async update(
    key: string,
    value: Uint8Array,
    revision: number,
    options: { readonly msgId?: string } = {},
  ): Promise<number> {
    this.log.push(`update ${key}`);
    return this.#write(key, value, revision, options.msgId);
  }

  async delete(key: string, revision: number): Promise<number> {
    this.log.push(`delete ${key}`);
    this.#mayFail();
    const previous = this.entries.get(key);
    if (previous?.revision !== revision) throw new ConflictError(key);
    this.entries.delete(key);
    this.#tell([{ type: "delete", key, previous }]);
    return ++this.#revision;
  }

  async purgeTombstones(): Promise<number> {
    return 0;
  }

  /** As somebody else would. */
  put(key: string, value: unknown): void {
    const data = new TextEncoder().encode(JSON.stringify(value));
    this.#store(key, data);
  }

  remove(key: string): void {
    const previous = this.entries.get(key);
    if (previous === undefined) return;
    this.entries.delete(key);
    this.#revision++;
    this.#tell([{ type: "delete", key, previous }]);
  }

  json(key: string): Record<string, unknown> | undefined {
    const entry = this.entries.get(key);
    return entry === undefined ? undefined : JSON.parse(new TextDecoder().decode(entry.value));
  }

  #write(key: string, value: Uint8Array, revision: number | undefined, msgId: string | undefined): number {
    if (this.failing !== "stored") this.#mayFail();
    const known = msgId === undefined ? undefined : this.#messageIds.get(msgId);
    if (known !== undefined) return known;
    if (this.entries.get(key)?.revision !== revision) throw new ConflictError(key);
    const stored = this.#store(key, value);
    if (msgId !== undefined) this.#messageIds.set(msgId, stored);
    this.#mayFail();
    return stored;
  }

  #store(key: string, value: Uint8Array): number {
    const previous = this.entries.get(key);
    const entry = { key, value, revision: ++this.#revision };
    this.entries.set(key, entry);
    this.#tell([{ type: "put", entry, previous }]);
    return entry.revision;
  }

  #mayFail(): void {
    if (this.failing !== undefined) throw new BrokerError("BROKER_TIMEOUT", "no answer");
  }

  #tell(changes: readonly MirrorChange[]): void {
    if (!this.deaf) this.mirror.tell({ generation: 1, restarted: false, changes });
  }
}

export class MemoryMirror implements KvMirror {
  readonly synced: Promise<void> = Promise.resolve();
  readonly failure = undefined;
  readonly generation: number = 1;
  readonly lastEchoAt: number | undefined = undefined;
  current = true;
  readonly #bucket: MemoryBucket;
  readonly #listeners = new Set<(batch: MirrorBatch) => void>();

  constructor(bucket: MemoryBucket) {
    this.#bucket = bucket;
  }

  get size(): number {
    return this.#bucket.entries.size;
  }

  get(key: string): KvEntry | undefined {
    return this.#bucket.entries.get(key);
  }

  entries(): Iterable<KvEntry> {
    return this.#bucket.entries.values();
  }

  onBatch(listener: (batch: MirrorBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(batch: MirrorBatch): void {
    for (const listener of [...this.#listeners]) listener(batch);
  }

  expectEcho(): void {}

  refresh(): void {}

  async close(): Promise<void> {
    this.#listeners.clear();
  }
}
