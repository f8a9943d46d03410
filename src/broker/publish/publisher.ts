import { Backoff } from "../../base/async.ts";
import { stages } from "../../base/channels.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { ClosedError } from "../../base/errors.ts";
import { formatCursor } from "../cursor.ts";
import { BrokerError } from "../errors.ts";
import { outboxFacts, publishFacts } from "../facts.ts";
import { type NatsLink, toBrokerError } from "../link/index.ts";
import type {
  EventPublisher,
  OutboxDepth,
  PublisherOptions,
  WatchPublisher,
  WatchPublisherOptions,
} from "../port.ts";
import { isConnectionName, type Subjects } from "../subjects.ts";
import type { Lane, OutboxLimits } from "./outbox.ts";
import { type Sealed, WatchOutbox } from "./watch-outbox.ts";

/** How a message is stored: NATS, or a script in tests. Rejects with what `toBrokerError` understands. */
export interface Store {
  readonly connected: boolean;
  /** Of the stream: see `streamNonce`. */
  readonly nonce: string;
  readonly subjects: Subjects;
  /** Bytes of headers and body together. */
  readonly maxPayload: number;
  publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<{ readonly duplicate: boolean; readonly sequence: number }>;
  /** Called when a lost connection stands again. Returns the unsubscribe function. */
  onConnected(listener: () => void): () => void;
}

const MIB = 1_048_576;
/** Room for headers beside the body: the path may appear percent-encoded. Half of what a very small limit lets through. */
const HEADER_ROOM = 16_384;
function maxBody(maxPayload: number): number {
  return maxPayload - Math.min(HEADER_ROOM, Math.ceil(maxPayload / 2));
}
const FENCE_CHECK_MS = 250;

interface Waiting {
  readonly sealed: Sealed;
  readonly cancel: () => void;
}

/**
 * Gets sealed messages stored, each under one id however often it takes. One message per lane is on its way, at most
 * `maxInFlight` in all. While NATS is away nothing new is sealed, so changes gather in few messages, and what does not
 * fit is dropped watch by watch, the fullest first, and told as `resync outbox-full`.
 */
export class NatsEventPublisher implements EventPublisher {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #options: PublisherOptions;
  readonly #limits: OutboxLimits;
  readonly #maxInFlight: number;
  readonly #watches = new Set<WatchOutbox>();
  readonly #ready: { readonly watch: WatchOutbox; readonly lane: Lane }[] = [];
  /** Sealed and not acknowledged: an attempt is open, or its next one is waited for. */
  readonly #inFlight = new Set<Sealed>();
  readonly #retries = new Map<Sealed, Waiting>();
  readonly #offConnected: () => void;
  #cancelFence: (() => void) | undefined;
  /** Highest sequence of the stream that was acknowledged to us. */
  #stored = 0;
  #messages = 0;
  #bytes = 0;
  #pumping = false;
  #closing: Promise<void> | undefined;

  constructor(store: Store, options: PublisherOptions, clock: Clock = systemClock) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    this.#maxInFlight = options.maxInFlight ?? 256;
    const bodyLimit = maxBody(store.maxPayload);
    this.#limits = {
      maxMessages: options.maxMessages ?? 20_000,
      maxBytes: options.maxBytes ?? 64 * MIB,
      maxMessageBytes: Math.min(options.maxMessageBytes ?? MIB / 2, bodyLimit),
      maxChanges: options.maxChanges ?? 1_000,
    };
    this.#offConnected = store.onConnected(() => this.#again());
  }

  get depth(): OutboxDepth {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { since } of this.#inFlight) oldest = Math.min(oldest, since);
    for (const { queue } of this.#watches) oldest = Math.min(oldest, queue.oldest);
    return {
      messages: this.#messages,
      bytes: this.#bytes,
      inFlight: this.#inFlight.size,
      lagMs: Number.isFinite(oldest) ? Math.max(0, this.#clock.monotonic() - oldest) : 0,
    };
  }

  open(options: WatchPublisherOptions): WatchPublisher {
    if (this.#closing !== undefined) throw new ClosedError("publisher");
    if (!isConnectionName(options.connection)) {
      throw new BrokerError("BROKER_BAD_NAME", `bad connection name ${JSON.stringify(options.connection)}`);
    }
    const watch = new WatchOutbox(options, {
      limits: this.#limits,
      subjects: this.#store.subjects,
      mode: this.#options.mode ?? "binary",
      clock: this.#clock,
      cursor: () => formatCursor({ nonce: this.#store.nonce, sequence: this.#stored }),
      changed: (watch, lanes, messages, bytes) => this.#changed(watch, lanes, messages, bytes),
      closed: (watch) => this.#forget(watch),
    });
    this.#watches.add(watch);
    return watch;
  }

  resume(): void {
    if (this.#cancelFence !== undefined) this.#checkFence();
  }

  close(options: { readonly flushMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options);
    return this.#closing;
  }

  async #close(options: { readonly flushMs?: number }): Promise<void> {
    await Promise.all([...this.#watches].map((watch) => watch.close(options)));
    this.#offConnected();
    this.#cancelFence?.();
    this.#cancelFence = undefined;
  }

  /** A watch queued or dropped something: `messages` and `bytes` are the difference. */
  #changed(watch: WatchOutbox, lanes: Iterable<Lane>, messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
    for (const lane of lanes) this.#list(watch, lane);
    if (this.#messages > this.#limits.maxMessages || this.#bytes > this.#limits.maxBytes) this.#overflow();
    this.#pumpSoon();
  }

  #list(watch: WatchOutbox, lane: Lane): void {
    if (lane.listed || lane.busy || lane.waiting || lane.drafts.length === 0) return;
    lane.listed = true;
    this.#ready.push({ watch, lane });
  }

  #overflow(): void {
    let victim: WatchOutbox | undefined;
    const byBytes = this.#bytes > this.#limits.maxBytes;
    for (const watch of this.#watches) {
      const load = byBytes ? watch.queue.bytes : watch.queue.messages;
      if (victim === undefined || load > (byBytes ? victim.queue.bytes : victim.queue.messages))
        victim = watch;
    }
    victim?.overflow();
  }

  /** Calls of one turn of the event loop share messages, so sending starts after them. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    // Not `queueMicrotask`, which makes a resource for whoever traces: 0.02 ms where changes are rare.
    void Promise.resolve().then(() => this.#pump());
  }

  /** What is listed meanwhile it finds itself: sealing moves the totals, and must not ask for another round. */
  #pump(): void {
    this.#pumping = true;
    try {
      this.#sendReady();
    } finally {
      this.#pumping = false;
    }
  }

  #sendReady(): void {
    while (this.#ready.length > 0 && this.#inFlight.size < this.#maxInFlight && this.#store.connected) {
      if (!this.#mayPublish()) return;
      const next = this.#ready.shift();
      if (next === undefined) return;
      const { watch, lane } = next;
      lane.listed = false;
      if (watch.queue.mustWait(lane)) continue;
      const sealed = watch.seal(lane, maxBody(this.#store.maxPayload));
      if (sealed === undefined) {
        this.#list(watch, lane);
        continue;
      }
      lane.busy = true;
      this.#inFlight.add(sealed);
      this.#attempt(sealed);
    }
  }

  #mayPublish(): boolean {
    if (this.#options.mayPublish()) return true;
    if (this.#cancelFence === undefined) {
      this.#tellFence(true);
      this.#cancelFence = this.#clock.after(FENCE_CHECK_MS, () => this.#checkFence());
    }
    return false;
  }

  #checkFence(): void {
    this.#cancelFence?.();
    if (!this.#options.mayPublish()) {
      this.#cancelFence = this.#clock.after(FENCE_CHECK_MS, () => this.#checkFence());
      return;
    }
    this.#cancelFence = undefined;
    this.#tellFence(false);
    for (const { sealed } of [...this.#retries.values()]) this.#attempt(sealed);
    this.#pump();
  }

  #tellFence(held: boolean): void {
    outboxFacts.publish({ type: "fence", held });
    this.#options.onFence?.(held);
  }

  #attempt(sealed: Sealed): void {
    this.#retries.get(sealed)?.cancel();
    this.#retries.delete(sealed);
    if (!this.#inFlight.has(sealed)) return;
    if (!this.#store.connected || !this.#mayPublish()) {
      this.#retries.set(sealed, { sealed, cancel: () => undefined });
      return;
    }
    stages.publish("sealed");
    const attempt = ++sealed.attempts;
    this.#store
      .publish(sealed.subject, sealed.payload, sealed.headers, this.#options.ackTimeoutMs ?? 2_000)
      .then(
        ({ duplicate, sequence }) => {
          stages.publish("stored");
          this.#stored = Math.max(this.#stored, sequence);
          this.#acknowledged(sealed, duplicate);
        },
        (error: unknown) => this.#failed(sealed, attempt, error),
      );
  }

  #acknowledged(sealed: Sealed, duplicate: boolean): void {
    if (!this.#inFlight.has(sealed)) return; // an earlier attempt was told first
    publishFacts.publish({
      type: "stored",
      connection: sealed.watch.connection,
      kind: sealed.message.type,
      changes: sealed.message.type === "changes" ? sealed.message.body.changes.length : 0,
      attempts: sealed.attempts,
      seconds: (this.#clock.monotonic() - sealed.since) / 1_000,
      duplicate,
    });
    this.#settle(sealed);
  }

  #failed(sealed: Sealed, attempt: number, error: unknown): void {
    // A newer attempt is open, or has ended: what became of this one does not matter.
    if (!this.#inFlight.has(sealed) || sealed.attempts !== attempt) return;
    const failure = toBrokerError(error, `publish to ${sealed.subject}`);
    publishFacts.publish({
      type: "failed",
      connection: sealed.watch.connection,
      code: failure.code,
      attempts: attempt,
    });
    if (failure.code === "BROKER_TOO_LARGE") {
      // No repetition can help; its directory is to be listed instead.
      sealed.watch.replaceTooLarge(sealed);
      this.#settle(sealed);
      return;
    }
    sealed.backoff ??= new Backoff({ initialMs: 100, maxMs: 5_000 });
    const cancel = this.#clock.after(sealed.backoff.next(), () => this.#attempt(sealed));
    this.#retries.set(sealed, { sealed, cancel });
  }

  #settle(sealed: Sealed): void {
    this.#inFlight.delete(sealed);
    this.#retries.get(sealed)?.cancel();
    this.#retries.delete(sealed);
    const { watch, lane } = sealed;
    lane.busy = false;
    this.#list(watch, lane);
    for (const freed of watch.settled(sealed)) this.#list(watch, freed);
    this.#pump();
  }

  /** The connection stands again: whether an open attempt got through will not be told, so ask under the same id. */
  #again(): void {
    for (const sealed of [...this.#inFlight]) this.#attempt(sealed);
    this.#pump();
  }

  #forget(watch: WatchOutbox): void {
    this.#watches.delete(watch);
    for (const sealed of [...this.#inFlight]) {
      if (sealed.watch !== watch) continue;
      this.#retries.get(sealed)?.cancel();
      this.#retries.delete(sealed);
      this.#inFlight.delete(sealed);
    }
    this.#pumpSoon();
  }
}

/** JetStream as the store. */
export function jetStreamStore(link: NatsLink, nonce: () => string): Store {
  return {
    get nonce() {
      return nonce();
    },
    subjects: link.subjects,
    get connected() {
      return link.connected;
    },
    get maxPayload() {
      return link.server.maxPayload;
    },
    publish: (subject, payload, headers, timeoutMs) =>
      link.acks.store(subject, payload, { headers, timeoutMs }),
    onConnected: (listener) =>
      link.onStatus((status) => {
        if (status.type === "connected") listener();
      }),
  };
}
