import { JetStreamApiError } from "@nats-io/jetstream";
import {
  createInbox,
  errors,
  type Msg,
  type NatsConnection,
  type Subscription,
} from "@nats-io/transport-node";
import { type Clock, systemClock } from "../../base/clock.ts";
import { toNatsHeaders } from "./headers.ts";

/** Where a stream has put a message. */
export interface Stored {
  readonly sequence: number;
  /** It was there before, by its `Nats-Msg-Id`. */
  readonly duplicate: boolean;
}

export interface StoreOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly subject: string;
  /** Monotonic ms. */
  readonly until: number;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Publishes to streams, and hears of the acknowledgements by one inbox. The client's own `publish` makes a request, a timer,
 * a race and, also where all is well, an error with its stack of each (3.4.0): six hundredths of what a worker does for a change (ADR 0026).
 */
export class Acknowledgements {
  readonly #nc: NatsConnection;
  readonly #inbox: string;
  readonly #clock: Clock;
  /** By the last token of the inbox, oldest first. */
  readonly #waiting = new Map<string, Waiting>();
  #subscription: Subscription | undefined;
  #last = 0;
  #cancelTimer: (() => void) | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(nc: NatsConnection, inboxPrefix: string, clock: Clock = systemClock) {
    this.#nc = nc;
    this.#inbox = createInbox(inboxPrefix);
    this.#clock = clock;
  }

  /** Rejects with what the client or the stream says: see `toBrokerError`. */
  store(subject: string, payload: Uint8Array, { headers, timeoutMs }: StoreOptions): Promise<Stored> {
    const token = (++this.#last).toString(36);
    const until = this.#clock.monotonic() + timeoutMs;
    try {
      this.#listen();
      this.#nc.publish(subject, payload, {
        headers: toNatsHeaders(headers),
        reply: `${this.#inbox}.${token}`,
      });
    } catch (error) {
      return Promise.reject(error);
    }
    this.#wakeAt(until);
    return new Promise((resolve, reject) => this.#waiting.set(token, { subject, until, resolve, reject }));
  }

  /** The server does not let us write there, or does not let us hear of it. */
  refused(error: InstanceType<typeof errors.PermissionViolationError>): void {
    if (error.operation !== "publish") return;
    this.#fail(error, ({ subject }) => subject === error.subject);
  }

  /** The connection is no more. */
  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#fail(new errors.ClosedConnectionError());
  }

  /** The client subscribes again by itself when it has reconnected; what the server refuses it closes. */
  #listen(): void {
    if (this.#subscription?.isClosed() === false) return;
    this.#subscription = this.#nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error !== null) this.#fail(error);
        else this.#hear(message);
      },
    });
  }

  #hear(message: Msg): void {
    const token = message.subject.slice(this.#inbox.length + 1);
    const waiting = this.#waiting.get(token);
    // It came too late.
    if (waiting === undefined) return;
    this.#waiting.delete(token);
    try {
      waiting.resolve(storedBy(message, waiting.subject));
    } catch (error) {
      waiting.reject(error);
    }
  }

  #fail(error: Error, concerns: (waiting: Waiting) => boolean = () => true): void {
    for (const [token, waiting] of [...this.#waiting]) {
      if (!concerns(waiting)) continue;
      this.#waiting.delete(token);
      waiting.reject(error);
    }
  }

  /** A timer that comes too early costs nothing. */
  #wakeAt(at: number): void {
    if (at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#clock.after(Math.max(0, Math.ceil(at - this.#clock.monotonic())), () =>
      this.#expire(),
    );
  }

  #expire(): void {
    this.#cancelTimer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    this.#fail(new errors.TimeoutError(), ({ until }) => until <= now);
    for (const { until } of this.#waiting.values()) this.#wakeAt(until);
  }
}

const decoder = new TextDecoder();

/** What the JetStream API calls a PubAck, or an error. @throws JetStreamApiError, NoRespondersError, Error */
function storedBy({ data, headers }: Msg, subject: string): Stored {
  if (data.length === 0 && headers?.code === 503) throw new errors.NoRespondersError(subject);
  const answer: unknown = JSON.parse(decoder.decode(data));
  if (typeof answer === "object" && answer !== null) {
    if ("error" in answer)
      throw new JetStreamApiError(answer.error as ConstructorParameters<typeof JetStreamApiError>[0]);
    if ("seq" in answer && typeof answer.seq === "number" && Number.isSafeInteger(answer.seq)) {
      return { sequence: answer.seq, duplicate: "duplicate" in answer && answer.duplicate === true };
    }
  }
  throw new Error("the acknowledgement cannot be read");
}
