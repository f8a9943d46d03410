import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { createInbox, errors, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { Backoff, ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import { AbortedError, DeadlineError, describeError, type Smb2NatsError } from "../../base/errors.ts";
import { BrokerError } from "../errors.ts";
import { connectionFacts } from "../facts.ts";
import type { BrokerLink, CoreMessage, CoreSubscription, LinkStatus, RequestOptions } from "../port.ts";
import { Subjects } from "../subjects.ts";
import { Acknowledgements } from "./acks.ts";
import { type ConnectOptions, natsOptions } from "./connect-options.ts";
import { headerOf, toNatsHeaders } from "./headers.ts";
import { toBrokerError } from "./nats-errors.ts";
import { connectNats } from "./transport.ts";

export const DEFAULT_REQUEST_TIMEOUT_MS: number = 2_000;

/** The connection, and for this floor alone the client's own objects. */
export class NatsLink implements BrokerLink {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  /** What is written to streams. */
  readonly acks: Acknowledgements;
  readonly jsm: JetStreamManager;
  readonly subjects: Subjects;
  readonly inboxPrefix: string;
  readonly requestTimeoutMs: number;
  readonly #domain: string | undefined;
  readonly #listeners = new Set<(status: LinkStatus) => void>();
  readonly #statusLoop: Promise<void>;
  readonly #lifetime: AbortController;
  #connected = true;
  #closing: Promise<void> | undefined;

  private constructor({ nc, lifetime }: Dialled, jsm: JetStreamManager, options: ConnectOptions) {
    this.nc = nc;
    this.#lifetime = lifetime;
    this.jsm = jsm;
    this.js = jetstream(nc, jsOptions(options));
    this.subjects = new Subjects(options.subjectPrefix);
    this.#domain = options.domain;
    this.inboxPrefix = options.inboxPrefix ?? "_INBOX";
    this.acks = new Acknowledgements(nc, this.inboxPrefix);
    this.requestTimeoutMs = options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS;
    this.#statusLoop = this.#followStatus();
    this.#tell({ type: "connected", ...this.server, server: nc.getServer(), again: false });
  }

  /**
   * Dials until the first connection stands.
   * @throws BrokerError `BROKER_DENIED` at once, `BROKER_UNAVAILABLE` after `firstConnectMs`; AbortedError
   */
  static async connect(options: ConnectOptions): Promise<NatsLink> {
    const dialled = await dial(options);
    try {
      const jsm = await jetstreamManager(dialled.nc, { ...jsOptions(options), checkAPI: false });
      return new NatsLink(dialled, jsm, options);
    } catch (error) {
      await dialled.nc.close();
      dialled.lifetime.abort();
      throw toBrokerError(error, "connect to NATS");
    }
  }

  get connected(): boolean {
    return this.#connected;
  }

  get server(): { readonly name: string; readonly version: string; readonly maxPayload: number } {
    const info = this.nc.info;
    return {
      name: info?.server_name ?? "",
      version: info?.version ?? "",
      maxPayload: info?.max_payload ?? 1_048_576,
    };
  }

  /**
   * Where a key is written. A leaf node lets no `$KV.` across to another domain: there the way in is below that
   * domain's API. What is stored and read has the plain subject either way.
   */
  kvWriteSubject(bucket: string, key: string): string {
    const subject = `$KV.${bucket}.${key}`;
    return this.#domain === undefined ? subject : `$JS.${this.#domain}.API.${subject}`;
  }

  onStatus(listener: (status: LinkStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  newInbox(): string {
    return createInbox(this.inboxPrefix);
  }

  publish(
    subject: string,
    data?: Uint8Array,
    headers?: Readonly<Record<string, string>>,
    reply?: string,
  ): void {
    if (!this.#connected) throw new BrokerError("BROKER_UNAVAILABLE", `publish to ${subject}: not connected`);
    try {
      this.nc.publish(subject, data, {
        ...(headers === undefined ? {} : { headers: toNatsHeaders(headers) }),
        ...(reply === undefined ? {} : { reply }),
      });
    } catch (error) {
      throw toBrokerError(error, `publish to ${subject}`);
    }
  }

  async request(subject: string, data: Uint8Array, options: RequestOptions = {}): Promise<CoreMessage> {
    const { timeoutMs = this.requestTimeoutMs, headers, signal } = options;
    try {
      const answer = this.nc.request(subject, data, {
        timeout: timeoutMs,
        ...(headers === undefined ? {} : { headers: toNatsHeaders(headers) }),
      });
      return toCoreMessage(await waitFor(answer, { signal }));
    } catch (error) {
      throw toBrokerError(error, `request to ${subject}`);
    }
  }

  subscribe(
    subject: string,
    listener: (message: CoreMessage) => void,
    options: { readonly queue?: string; readonly onRefused?: (error: Error) => void } = {},
  ): CoreSubscription {
    const { queue, onRefused } = options;
    let refused: Error | undefined;
    let open = true;
    const subscription = this.nc.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error === null) {
          if (open) listener(toCoreMessage(message));
          return;
        }
        refused = toBrokerError(error, `subscribe to ${subject}`);
        if (open) onRefused?.(refused);
      },
    });
    const ready = this.roundTrip().then(() => {
      if (refused !== undefined) throw refused;
    });
    ignoreRejection(ready);
    return {
      ready,
      close() {
        open = false;
        if (!subscription.isClosed()) subscription.unsubscribe();
      },
    };
  }

  async roundTrip(
    options: { readonly signal?: AbortSignal | undefined; readonly deadlineMs?: number } = {},
  ): Promise<void> {
    const { signal, deadlineMs = this.requestTimeoutMs } = options;
    try {
      await waitFor(this.nc.flush(), { signal, deadlineMs, what: "round trip to NATS" });
    } catch (error) {
      throw toBrokerError(error, "round trip to NATS");
    }
  }

  /** Sends what is buffered, lets subscriptions finish, and closes; within 2 s, whatever the server does. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#connected && !this.nc.isClosed()) {
      await waitFor(this.nc.drain(), { deadlineMs: 2_000, what: "drain" }).catch(() => undefined);
    }
    await this.nc.close();
    // An attempt to reconnect that began meanwhile.
    this.#lifetime.abort();
    await this.#statusLoop;
  }

  async #followStatus(): Promise<void> {
    for await (const status of this.nc.status()) {
      switch (status.type) {
        case "disconnect":
        case "staleConnection":
          if (!this.#connected) break;
          this.#connected = false;
          this.#tell({ type: "disconnected", server: this.nc.getServer() });
          break;
        case "reconnect":
          // The client may say it twice: once for each way in which it noticed the loss.
          if (this.#connected) break;
          this.#connected = true;
          this.#tell({ type: "connected", ...this.server, server: status.server, again: true });
          break;
        case "error": {
          if (status.error instanceof errors.PermissionViolationError) this.acks.refused(status.error);
          const error = toBrokerError(status.error, "NATS");
          this.#tell({ type: "error", code: error.code, message: error.message });
          break;
        }
        case "close":
          break;
      }
    }
    const reason = await this.nc.closed();
    this.#connected = false;
    this.acks.close();
    this.#tell({ type: "closed", ...(reason instanceof Error ? { message: describeError(reason) } : {}) });
  }

  #tell(status: LinkStatus): void {
    connectionFacts.publish(status);
    for (const listener of [...this.#listeners]) listener(status);
  }
}

interface Dialled {
  readonly nc: NatsConnection;
  /** Ends with the connection: its sockets must not outlive it. */
  readonly lifetime: AbortController;
}

async function dial(options: ConnectOptions): Promise<Dialled> {
  const { signal, firstConnectMs } = options;
  const settings = natsOptions(options);
  const backoff = new Backoff({ initialMs: 200, maxMs: 2_000 });
  const deadline =
    firstConnectMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + firstConnectMs;
  for (;;) {
    const lifetime = new AbortController();
    const attempt = connectNats({ ...settings, lifetime: lifetime.signal });
    const left = deadline - performance.now();
    const deadlineMs = Number.isFinite(left) ? Math.max(0, Math.ceil(left)) : undefined;
    try {
      return { nc: await waitFor(attempt, { signal, deadlineMs, what: "NATS" }), lifetime };
    } catch (error) {
      lifetime.abort();
      // Where it comes through all the same, hang up.
      attempt.then((late) => late.close()).catch(() => undefined);
      if (error instanceof AbortedError) throw error;
      const failure = dialFailure(error, options.servers);
      const wait = backoff.next();
      if (failure.code === "BROKER_DENIED" || performance.now() + wait > deadline) throw failure;
      connectionFacts.publish({ type: "error", code: failure.code, message: failure.message });
      await sleep(wait, { signal });
    }
  }
}

function dialFailure(error: unknown, servers: readonly string[]): Smb2NatsError {
  const what = `connect to ${servers.join(", ")}`;
  if (!(error instanceof DeadlineError)) return toBrokerError(error, what);
  return new BrokerError("BROKER_UNAVAILABLE", `${what}: no answer within ${error.after} ms`, error);
}

function jsOptions(options: ConnectOptions): { timeout: number; domain?: string } {
  return {
    timeout: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
    ...(options.domain === undefined ? {} : { domain: options.domain }),
  };
}

function toCoreMessage(message: Msg): CoreMessage {
  return {
    subject: message.subject,
    reply: message.reply === "" ? undefined : message.reply,
    data: message.data,
    noResponders: message.data.length === 0 && message.headers?.code === 503,
    header: (name) => headerOf(message, name),
    respond(data, headers) {
      try {
        return message.respond(data, headers === undefined ? {} : { headers: toNatsHeaders(headers) });
      } catch (error) {
        const failure = toBrokerError(error, `answer to ${message.subject}`);
        if (failure.code === "BROKER_TOO_LARGE") throw failure;
        return false; // closed meanwhile; the asker hears of it by its own deadline
      }
    },
  };
}
