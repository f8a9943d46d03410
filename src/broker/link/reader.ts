import { AckPolicy, type ConsumerConfig, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { createInbox, type Msg, nanos, type Subscription } from "@nats-io/transport-node";
import { AsyncQueue } from "../../base/async.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { ClosedError } from "../../base/errors.ts";
import { BrokerError } from "../errors.ts";
import { parsePosition, type StoredMessage, storedMessage } from "./delivery.ts";
import type { NatsLink } from "./link.ts";
import { toBrokerError } from "./nats-errors.ts";
import { Present } from "./present.ts";

export interface ReaderOptions {
  readonly stream: string;
  /** One subject, wildcards allowed: several need server 2.10. */
  readonly filter: string;
  /** From a sequence on, or the last message of each subject. */
  readonly from: { readonly sequence: number } | "last-per-subject";
  /** Ends at the present instead of following. */
  readonly endAtPresent: boolean;
  /**
   * The stream's last sequence as its leader tells it. A consumer may run on a replica that is behind: the present is
   * reached when everything of the filter up to here was delivered. Without it, when the replica has nothing more.
   */
  readonly last?: number;
  readonly headersOnly?: boolean;
  /** Called, in order with the messages, when the present is reached; the first time only. */
  readonly onPresent?: () => void;
  readonly clock?: Clock;
}

const IDLE_HEARTBEAT_MS = 2_000;
/** Silence after which the consumer is given up: two heartbeats and a half. */
const SILENCE_MS = 5_000;
const INACTIVE_MS = 30_000;
/** The server's flow control bounds bytes; this bounds what a broken one could send. */
const QUEUE_LIMIT = 1_000_000;

type Item = { readonly message: StoredMessage } | { readonly flow: string } | { readonly present: true };

/**
 * Reads a stream in order, once, without holes, or fails: an ephemeral push consumer of our own. Every doubt ends the
 * iteration with an error (sequence of deliveries broken, heartbeat ahead of us, silence, disconnect), because the
 * client's built-in recovery was seen to stall for up to a minute. Whoever reads starts a new reader.
 * Flow control is answered when the item before it has been taken, so a slow taker slows the server.
 */
export class StreamReader implements AsyncIterable<StoredMessage> {
  /** Messages of the filter stored when the consumer was made. */
  readonly pending: number;
  readonly #link: NatsLink;
  readonly #options: ReaderOptions;
  readonly #clock: Clock;
  readonly #queue = new AsyncQueue<Item>(QUEUE_LIMIT);
  readonly #subscription: Subscription;
  readonly #consumer: string;
  readonly #offStatus: () => void;
  #delivered = 0;
  #sequence = 0;
  readonly #present: Present;
  #cancelSilence: () => void = () => undefined;
  #closed = false;

  private constructor(
    link: NatsLink,
    options: ReaderOptions,
    subscription: Subscription,
    consumer: { readonly name: string; readonly pending: number },
  ) {
    this.#link = link;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#subscription = subscription;
    this.#consumer = consumer.name;
    this.pending = consumer.pending;
    this.#offStatus = link.onStatus((status) => {
      if (status.type === "disconnected" || status.type === "closed") {
        this.#fail(new BrokerError("BROKER_UNAVAILABLE", `reading ${options.stream}: disconnected`));
      }
    });
    this.#present = new Present(link, {
      stream: options.stream,
      filter: options.filter,
      from: options.from === "last-per-subject" ? 1 : options.from.sequence,
      last: options.last,
      onReached: () => this.#arrive(),
      onFailed: (error) => this.#fail(error),
    });
    this.#watchSilence();
    if (this.pending === 0) this.#nothingMore();
  }

  /** @throws BrokerError */
  static async open(link: NatsLink, options: ReaderOptions): Promise<StreamReader> {
    const inbox = createInbox(link.inboxPrefix);
    const early: Msg[] = [];
    let receive = (message: Msg): void => void early.push(message);
    let fail = (_error: Error): void => undefined;
    const subscription = link.nc.subscribe(inbox, {
      callback: (error, message) => (error === null ? receive(message) : fail(error)),
    });
    try {
      const info = await link.jsm.consumers.add(options.stream, consumerConfig(inbox, options));
      // `num_pending` counts what was not delivered yet; deliveries may have begun before this answer.
      const reader = new StreamReader(link, options, subscription, {
        name: info.name,
        pending: info.num_pending + info.delivered.consumer_seq,
      });
      receive = (message) => reader.#receive(message);
      fail = (error) => reader.#fail(toBrokerError(error, `reading ${options.stream}`));
      for (const message of early) reader.#receive(message);
      return reader;
    } catch (error) {
      if (!subscription.isClosed()) subscription.unsubscribe();
      throw toBrokerError(error, `reading ${options.stream}`);
    }
  }

  /** All at once: the answer to a second request would wait behind what the first reader is already given. */
  static async openAll(link: NatsLink, all: readonly ReaderOptions[]): Promise<StreamReader[]> {
    const results = await Promise.allSettled(all.map((options) => StreamReader.open(link, options)));
    const readers = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return readers;
    for (const reader of readers) reader.close();
    throw failed.reason;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<StoredMessage> {
    try {
      for await (const item of this.#queue) {
        if ("message" in item) yield item.message;
        else if ("present" in item) this.#options.onPresent?.();
        else if (!this.#closed) this.#link.nc.publish(item.flow);
      }
    } finally {
      this.close();
    }
  }

  /** Ends the iteration with ClosedError, and the consumer on the server. Idempotent. */
  close(): void {
    this.#fail(new ClosedError("stream reader"));
  }

  #receive(message: Msg): void {
    if (this.#closed) return;
    this.#watchSilence();
    const code = message.headers?.code ?? 0;
    if (code !== 0) {
      this.#control(message, code);
      return;
    }
    const position = parsePosition(message.reply);
    if (position === undefined) return;
    if (position.delivery !== this.#delivered + 1) {
      this.#fail(this.#broken(`delivery ${position.delivery} after ${this.#delivered}`));
      return;
    }
    this.#delivered = position.delivery;
    this.#sequence = Math.max(this.#sequence, position.sequence);
    this.#push({ message: storedMessage(message, position) });
    // A bucket that is written all the time may never be still: what was there when we came is enough to follow it.
    const all = !this.#options.endAtPresent && position.delivery >= this.pending;
    if (position.pending === 0 || all) this.#nothingMore();
  }

  #control(message: Msg, code: number): void {
    if (code !== 100) {
      this.#fail(this.#broken(`status ${code} ${message.headers?.description ?? ""}`));
      return;
    }
    if (message.reply !== undefined && message.reply !== "") {
      this.#push({ flow: message.reply });
      return;
    }
    const stalled = message.headers?.get("Nats-Consumer-Stalled") ?? "";
    if (stalled !== "") this.#push({ flow: stalled });
    const last = message.headers?.get("Nats-Last-Consumer") ?? "";
    if (last !== "" && Number(last) !== this.#delivered) {
      this.#fail(this.#broken(`the server is at delivery ${last}, we are at ${this.#delivered}`));
    } else if (stalled === "") {
      this.#nothingMore(); // An idle consumer has nothing left, whatever `pending` said.
    }
  }

  #nothingMore(): void {
    this.#present.nothingMore(this.#sequence);
  }

  #arrive(): void {
    if (this.#closed) return;
    if (this.#options.endAtPresent) this.#finish();
    else this.#push({ present: true });
  }

  #push(item: Item): void {
    try {
      this.#queue.push(item);
    } catch (error) {
      this.#fail(toBrokerError(error, `reading ${this.#options.stream}`));
    }
  }

  #broken(reason: string): BrokerError {
    return new BrokerError("BROKER_UNAVAILABLE", `reading ${this.#options.stream}: ${reason}`);
  }

  #watchSilence(): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#clock.after(SILENCE_MS, () =>
      this.#fail(this.#broken(`nothing for ${SILENCE_MS} ms`)),
    );
  }

  #finish(): void {
    this.#queue.end();
    this.#release();
  }

  #fail(error: Error): void {
    this.#queue.fail(error);
    this.#release();
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelSilence();
    this.#offStatus();
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
    if (!this.#link.connected) return; // it goes by itself after 30 s
    this.#link.jsm.consumers.delete(this.#options.stream, this.#consumer).catch(() => undefined);
  }
}

function consumerConfig(inbox: string, options: ReaderOptions): Partial<ConsumerConfig> {
  const { from } = options;
  return {
    deliver_subject: inbox,
    filter_subject: options.filter,
    ...(from === "last-per-subject"
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) }),
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    flow_control: true,
    idle_heartbeat: nanos(IDLE_HEARTBEAT_MS),
    inactive_threshold: nanos(INACTIVE_MS),
    mem_storage: true,
    num_replicas: 1,
    ...(options.headersOnly === true ? { headers_only: true } : {}),
  };
}
