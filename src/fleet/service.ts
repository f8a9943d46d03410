import { randomBytes } from "node:crypto";
import { ignoreRejection } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { describeError, errorCode } from "../base/errors.ts";
import type { BrokerLink, CoreMessage, CoreSubscription } from "../broker/port.ts";
import { FleetError } from "./errors.ts";
import { controlFacts } from "./facts.ts";
import { SERVICE_ERROR_CODE_HEADER, SERVICE_ERROR_HEADER } from "./list-client.ts";

/** A NATS micro service (ADR-32) over the broker port: discovery on `$SRV`, statistics, a queue group per endpoint. */

export interface Endpoint {
  readonly name: string;
  readonly subject: string;
  /** Gets the parsed JSON, answers with what becomes JSON. @throws FleetError for a typed answer */
  readonly handle: (request: unknown, signal: AbortSignal, asker: Asker) => Promise<unknown>;
}

/** Who put a request, for answers in more than one message. */
export interface Asker {
  /** Where answers go; `undefined`: nobody waits for any. */
  readonly reply: string | undefined;
  /** One message before the last, which is what `handle` returns. @throws BrokerError */
  send(body: Uint8Array): void;
}

/** What `handle` returns where somebody else answers, or nobody. */
export const HANDED_ON: unique symbol = Symbol("handed on");

export interface MicroServiceOptions {
  readonly link: BrokerLink;
  readonly name: string;
  /** Semantic version, as ADR-32 demands. */
  readonly version: string;
  readonly description: string;
  readonly endpoints: readonly Endpoint[];
  /**
   * Whether any instance may answer, and all are found by discovery. `false` for what is asked of one process: it is
   * found by other means. Default true.
   */
  readonly shared?: boolean;
  /** Requests handled at once; more are refused with `limit`. Default 256. */
  readonly maxPending?: number;
  readonly clock?: Clock;
}

interface EndpointStats {
  requests: number;
  errors: number;
  lastError: string;
  nanoseconds: number;
}

const QUEUE_GROUP = "q";
const MAX_REQUEST_BYTES = 64 * 1024;
/** Error codes as HTTP would number them, for `Nats-Service-Error-Code`. */
const STATUS: Readonly<Record<string, number>> = {
  bad_message: 400,
  bad_path: 400,
  denied: 403,
  unknown_connection: 404,
  not_found: 404,
  not_a_directory: 409,
  no_changes: 409,
  too_large: 413,
  limit: 429,
  internal: 500,
  unreachable: 503,
};

export class MicroService {
  readonly id: string = randomBytes(12).toString("hex");
  readonly #options: MicroServiceOptions;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #subscriptions: CoreSubscription[] = [];
  readonly #stats = new Map<string, EndpointStats>();
  readonly #pending = new Set<Promise<void>>();
  readonly #started: string;

  constructor(options: MicroServiceOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#started = new Date(this.#clock.now()).toISOString();
  }

  /** Resolves when the server knows all subscriptions. */
  async start(): Promise<void> {
    const { link, endpoints, shared = true } = this.#options;
    if (shared) this.#answerDiscovery();
    for (const endpoint of endpoints) {
      this.#stats.set(endpoint.name, { requests: 0, errors: 0, lastError: "", nanoseconds: 0 });
      const accept = (message: CoreMessage): void => this.#accept(endpoint, message);
      this.#subscriptions.push(
        link.subscribe(endpoint.subject, accept, shared ? { queue: QUEUE_GROUP } : {}),
      );
    }
    for (const { ready } of this.#subscriptions) ignoreRejection(ready);
    await Promise.all(this.#subscriptions.map(({ ready }) => ready));
  }

  /** Takes no more requests, aborts those running, waits for their answers. Idempotent. */
  async close(): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.close();
    this.#stop.abort();
    await Promise.allSettled(this.#pending);
  }

  #answerDiscovery(): void {
    const { link, name } = this.#options;
    for (const [verb, answer] of [
      ["PING", () => this.#identity("ping")],
      ["INFO", () => this.#info()],
      ["STATS", () => this.#statistics()],
    ] as const) {
      for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${this.id}`]) {
        this.#subscriptions.push(link.subscribe(subject, (message) => respond(message, answer())));
      }
    }
  }

  #accept(endpoint: Endpoint, message: CoreMessage): void {
    const work = this.#answer(endpoint, message).finally(() => this.#pending.delete(work));
    this.#pending.add(work);
  }

  async #answer(endpoint: Endpoint, message: CoreMessage): Promise<void> {
    const stats = this.#stats.get(endpoint.name) as EndpointStats;
    const started = this.#clock.monotonic();
    stats.requests++;
    let outcome = "ok";
    try {
      if (this.#pending.size > (this.#options.maxPending ?? 256)) {
        throw new FleetError("limit", "too many requests at once");
      }
      const asker: Asker = {
        reply: message.reply,
        send: (body) => {
          message.respond(body);
        },
      };
      const answer = await endpoint.handle(parse(message.data), this.#stop.signal, asker);
      if (answer instanceof Uint8Array) message.respond(answer);
      else if (answer !== HANDED_ON) send(message, answer);
    } catch (thrown) {
      const error = errorCode(thrown) === "BROKER_TOO_LARGE" ? this.#tooLarge(endpoint, thrown) : thrown;
      outcome = error instanceof FleetError ? error.failure : "internal";
      // What is not meant for the asker stays here: the code says enough to find it in our log.
      const text = error instanceof FleetError ? error.message : `internal error ${errorCode(error)}`;
      stats.errors++;
      stats.lastError = describeError(error).slice(0, 500);
      respond(
        message,
        { error: { code: outcome, message: text } },
        {
          [SERVICE_ERROR_HEADER]: outcome,
          [SERVICE_ERROR_CODE_HEADER]: String(STATUS[outcome] ?? 500),
        },
      );
    }
    const elapsed = this.#clock.monotonic() - started;
    stats.nanoseconds += Math.round(elapsed * 1e6);
    controlFacts.publish({ type: "request", endpoint: endpoint.name, seconds: elapsed / 1_000, outcome });
  }

  /** Only the operator can help: with a larger `max_payload`. */
  #tooLarge({ name }: Endpoint, cause: unknown): FleetError {
    const limit = this.#options.link.server.maxPayload;
    controlFacts.publish({ type: "too-large", endpoint: name, limit });
    const text = `the answer is larger than the NATS server lets through (max_payload ${limit})`;
    return new FleetError("limit", text, cause);
  }

  #identity(type: "ping" | "info" | "stats"): Record<string, unknown> {
    const { name, version } = this.#options;
    return { type: `io.nats.micro.v1.${type}_response`, name, id: this.id, version, metadata: {} };
  }

  #info(): Record<string, unknown> {
    return {
      ...this.#identity("info"),
      description: this.#options.description,
      endpoints: this.#options.endpoints.map(({ name, subject }) => ({
        name,
        subject,
        queue_group: QUEUE_GROUP,
        metadata: { format: "application/json" },
      })),
    };
  }

  #statistics(): Record<string, unknown> {
    return {
      ...this.#identity("stats"),
      started: this.#started,
      endpoints: this.#options.endpoints.map(({ name, subject }) => {
        const stats = this.#stats.get(name) as EndpointStats;
        return {
          name,
          subject,
          queue_group: QUEUE_GROUP,
          num_requests: stats.requests,
          num_errors: stats.errors,
          last_error: stats.lastError,
          processing_time: stats.nanoseconds,
          average_processing_time: stats.requests === 0 ? 0 : Math.round(stats.nanoseconds / stats.requests),
        };
      }),
    };
  }
}

function parse(data: Uint8Array): unknown {
  if (data.length > MAX_REQUEST_BYTES) throw new FleetError("limit", "the request is too large");
  if (data.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(data));
  } catch (error) {
    throw new FleetError("bad_message", "the request is not JSON", error);
  }
}

/** An asker that left, or a link that is away, gets no answer: it asks again. @throws BrokerError `BROKER_TOO_LARGE` */
function send(message: CoreMessage, body: unknown, headers?: Readonly<Record<string, string>>): void {
  message.respond(new TextEncoder().encode(JSON.stringify(body)), headers);
}

/** For answers that nothing is left to be said about. */
function respond(message: CoreMessage, body: unknown, headers?: Readonly<Record<string, string>>): void {
  try {
    send(message, body, headers);
  } catch {
    // Larger than a server lets through that takes not even this.
  }
}
