import { Backoff, type Deferred, deferred, ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { AbortedError, ClosedError, errorCode, type Smb2NatsError } from "../../base/errors.ts";
import { mirrorFacts } from "../facts.ts";
import { type NatsLink, type StoredMessage, StreamReader, toBrokerError } from "../link/index.ts";
import type { KvEntry, KvMirror, MirrorBatch, MirrorChange, MirrorOptions } from "../port.ts";
import { streamNonce } from "../streams/index.ts";
import { isTombstone, keyPrefix } from "./kv.ts";

const AUDIT_MS = 600_000;
const ECHO_MS = 2_000;
/** Spreads what a whole fleet does at the same moment: the audit, and the return after a restart of the broker. */
const JITTER = 0.2;

/** One full read and what follows it; replaced as a whole after every doubt. */
interface Generation {
  readonly number: number;
  readonly cause: string;
  readonly startedAt: number;
  readonly seen: Set<string>;
  /** Revisions of this and of the former picture are of one incarnation of the bucket. */
  readonly comparable: boolean;
  whole: boolean;
}

/**
 * Reads the bucket by one watch of the last message of every key, and again after each reconnect, each broken
 * delivery, each echo that did not come, and by audit; what a full read did not see is swept. The former picture
 * stays readable meanwhile.
 */
export class NatsKvMirror implements KvMirror {
  readonly synced: Promise<void>;
  readonly #link: NatsLink;
  readonly #bucket: string;
  readonly #auditMs: number;
  readonly #echoMs: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #entries = new Map<string, KvEntry>();
  readonly #listeners = new Set<(batch: MirrorBatch) => void>();
  readonly #echoes = new Map<string, { readonly revision: number; readonly cancel: () => void }>();
  readonly #stop = new AbortController();
  readonly #firstSync: Deferred<void> = deferred<void>();
  readonly #done: Promise<void>;
  #reader: StreamReader | undefined;
  #cause = "start";
  #failure: Smb2NatsError | undefined;
  #generation = 0;
  #whole = false;
  #nonce: string | undefined;
  #lastEchoAt: number | undefined;
  #changes: MirrorChange[] = [];
  #flushing = false;

  constructor(
    link: NatsLink,
    bucket: string,
    options: MirrorOptions & { readonly clock?: Clock; readonly random?: () => number } = {},
  ) {
    this.#link = link;
    this.#bucket = bucket;
    this.#auditMs = options.auditMs ?? AUDIT_MS;
    this.#echoMs = options.echoMs ?? ECHO_MS;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.synced = this.#firstSync.promise;
    ignoreRejection(this.synced);
    this.#done = this.#run();
  }

  get failure(): Smb2NatsError | undefined {
    return this.#failure;
  }

  get generation(): number {
    return this.#generation;
  }

  get current(): boolean {
    return this.#whole;
  }

  get size(): number {
    return this.#entries.size;
  }

  get lastEchoAt(): number | undefined {
    return this.#lastEchoAt;
  }

  get(key: string): KvEntry | undefined {
    return this.#entries.get(key);
  }

  entries(): Iterable<KvEntry> {
    return this.#entries.values();
  }

  onBatch(listener: (batch: MirrorBatch) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  expectEcho(key: string, revision: number): void {
    if (this.#stop.signal.aborted) return;
    const known = this.#entries.get(key);
    if (this.#whole && known !== undefined && known.revision >= revision) {
      this.#lastEchoAt = this.#clock.monotonic(); // it overtook the acknowledgement
      return;
    }
    const pending = this.#echoes.get(key);
    // The older expectation stands: an echo of the newer write satisfies both, its absence must not be put off.
    if (pending !== undefined) {
      this.#echoes.set(key, { revision, cancel: pending.cancel });
      return;
    }
    const cancel = this.#clock.after(this.#echoMs, () => {
      this.#echoes.delete(key);
      this.#doubt("echo");
    });
    this.#echoes.set(key, { revision, cancel });
  }

  refresh(): void {
    this.#doubt("refresh");
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#reader?.close();
    for (const { cancel } of this.#echoes.values()) cancel();
    this.#echoes.clear();
    this.#firstSync.reject(new ClosedError("mirror"));
    await this.#done;
    this.#listeners.clear();
  }

  #doubt(cause: string): void {
    this.#cause = cause;
    this.#whole = false;
    this.#reader?.close();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000, random: this.#random });
    while (!signal.aborted) {
      try {
        await untilConnected(this.#link, signal);
        await this.#readOnce(() => backoff.reset());
      } catch (error) {
        this.#whole = false;
        if (signal.aborted) break;
        if (error instanceof ClosedError) continue; // asked for by #doubt, which named the cause
        this.#cause = this.#link.connected ? "broken" : "reconnect";
        const failure = toBrokerError(error, `mirror of ${this.#bucket}`);
        this.#failure = failure;
        if (failure.conclusion === "refused" && !failure.retryable) this.#firstSync.reject(failure);
        // That the connection is lost, the link has told.
        if (this.#link.connected) this.#tellFailure(failure);
        await sleep(backoff.next(), { signal, clock: this.#clock }).catch(() => undefined);
      }
    }
  }

  #tellFailure(failure: Smb2NatsError): void {
    const { message } = failure;
    mirrorFacts.publish({ type: "failed", bucket: this.#bucket, code: errorCode(failure), message });
  }

  async #readOnce(onWhole: () => void): Promise<void> {
    const startedAt = this.#clock.monotonic();
    const stream = `KV_${this.#bucket}`;
    const info = await this.#link.jsm.streams.info(stream);
    const nonce = streamNonce(info);
    let generation: Generation | undefined;
    const complete = (): void => {
      if (generation === undefined || generation.whole) return;
      this.#complete(generation);
      onWhole();
    };
    const reader = await StreamReader.open(this.#link, {
      stream,
      filter: `${keyPrefix(this.#bucket)}>`,
      from: "last-per-subject",
      endAtPresent: false,
      last: info.state.last_seq,
      onPresent: complete,
      clock: this.#clock,
    });
    this.#reader = reader;
    const cancelAudit = this.#clock.after(this.#jittered(this.#auditMs), () => this.#doubt("audit"));
    try {
      if (this.#stop.signal.aborted) throw new AbortedError();
      generation = {
        number: ++this.#generation,
        cause: this.#cause,
        startedAt,
        seen: new Set(),
        comparable: this.#nonce === nonce,
        whole: false,
      };
      this.#nonce = nonce;
      for await (const message of reader) this.#take(generation, message);
    } finally {
      cancelAudit();
      reader.close();
      this.#reader = undefined;
    }
  }

  #take(generation: Generation, message: StoredMessage): void {
    const key = message.subject.slice(keyPrefix(this.#bucket).length);
    const known = this.#entries.get(key);
    if (!generation.whole) {
      // A replica behind the others may hand out an older value first; the newer one follows.
      const stale = generation.comparable && known !== undefined && known.revision > message.sequence;
      if (stale) {
        generation.seen.add(key);
        return;
      }
    }
    if (isTombstone(message.header)) {
      generation.seen.delete(key);
      if (known !== undefined) this.#drop(known);
    } else {
      generation.seen.add(key);
      if (!generation.comparable || known?.revision !== message.sequence) {
        const entry: KvEntry = { key, value: message.data, revision: message.sequence };
        this.#entries.set(key, entry);
        this.#changes.push({ type: "put", entry, previous: known });
      }
    }
    this.#echo(key, message.sequence);
    if (generation.whole) this.#flushSoon(generation);
  }

  #drop(entry: KvEntry): void {
    this.#entries.delete(entry.key);
    this.#changes.push({ type: "delete", key: entry.key, previous: entry });
  }

  #complete(generation: Generation): void {
    let swept = 0;
    for (const entry of [...this.#entries.values()]) {
      if (generation.seen.has(entry.key)) continue;
      this.#drop(entry);
      swept++;
    }
    generation.seen.clear();
    generation.whole = true;
    this.#whole = true;
    this.#failure = undefined;
    mirrorFacts.publish({
      type: "synced",
      bucket: this.#bucket,
      generation: generation.number,
      keys: this.#entries.size,
      swept,
      seconds: (this.#clock.monotonic() - generation.startedAt) / 1_000,
      cause: generation.cause,
    });
    this.#tell(generation.number, true);
    this.#firstSync.resolve();
  }

  #echo(key: string, revision: number): void {
    const pending = this.#echoes.get(key);
    if (pending === undefined || pending.revision > revision) return;
    pending.cancel();
    this.#echoes.delete(key);
    this.#lastEchoAt = this.#clock.monotonic();
  }

  /** Everything that arrived in one turn of the event loop is one batch. */
  #flushSoon(generation: Generation): void {
    if (this.#flushing || this.#changes.length === 0) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      if (this.#stop.signal.aborted || this.#changes.length === 0) return;
      // A new full read has begun: what is left goes out with its first batch.
      if (generation.number === this.#generation) this.#tell(generation.number, false);
    });
  }

  #tell(generation: number, restarted: boolean): void {
    const changes = this.#changes;
    this.#changes = [];
    for (const listener of [...this.#listeners]) listener({ generation, restarted, changes });
  }

  #jittered(ms: number): number {
    return ms * (1 - JITTER / 2 + this.#random() * JITTER);
  }
}

/** Resolves when the link is up. @throws AbortedError */
export async function untilConnected(link: NatsLink, signal: AbortSignal): Promise<void> {
  if (link.connected) return;
  const up = deferred<void>();
  const off = link.onStatus((status) => {
    if (status.type === "connected") up.resolve();
  });
  try {
    await waitFor(up.promise, { signal });
  } finally {
    off();
  }
}
