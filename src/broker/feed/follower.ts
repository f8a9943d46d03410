import { Backoff, type Deferred, deferred, ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { ClosedError, errorCode } from "../../base/errors.ts";
import { untilConnected } from "../bucket/index.ts";
import { formatCursor } from "../cursor.ts";
import { BrokerError } from "../errors.ts";
import { type FeedDoubt, feedFacts } from "../facts.ts";
import { type NatsLink, toBrokerError } from "../link/index.ts";
import { decodeMessage, unreadable } from "../message/index.ts";
import type { EventMessage } from "../message.ts";
import type { CoreMessage, CoreSubscription, Cursor, FeedListener, FeedSubscription } from "../port.ts";
import { streamNonce } from "../streams/index.ts";
import { type Continuity, Positions } from "./continuity.ts";
import { HeldMessages } from "./held-messages.ts";
import { type Incoming, readStored } from "./stored-messages.ts";

/** Longest time for which a lost last message can stay unnoticed. */
const AUDIT_MS = 60_000;
/** After a start or reconnect: interest may reach the other servers of a cluster a little late. */
const FIRST_AUDIT_MS = 2_000;
/** How long a stored message may take to arrive live before it counts as lost. */
const TRANSIT_MS = 1_000;
const JITTER = 0.2;
const PROVE_EVERY = 1_000;

export interface FollowerOptions {
  readonly auditMs?: number;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/**
 * Follows `smb.<conn>` and `smb.<conn>.>` by core NATS, and reads the stream where that may have lost something.
 * How a loss is found is told in `continuity.ts`; every doubt (reconnect, hole, full buffer, failed audit) ends in the
 * same catching up: live messages are held, the stream is read from the last proven position to its end, what had
 * been delivered is skipped, then the held ones follow.
 */
export class Follower implements FeedSubscription {
  readonly ready: Promise<void>;
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #connection: string;
  readonly #listener: FeedListener;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #auditMs: number;
  readonly #started: Deferred<void> = deferred<void>();
  readonly #stop = new AbortController();
  #subscriptions: readonly CoreSubscription[] = [];
  #refused = false;
  readonly #offStatus: () => void;
  readonly #positions = new Positions();
  /** While the stream is being read, or has to be. */
  #held: HeldMessages | undefined = new HeldMessages();
  #doubt: FeedDoubt | undefined;
  #wake: Deferred<void> = deferred<void>();

  constructor(
    link: NatsLink,
    stream: string,
    connection: string,
    listener: FeedListener,
    options: FollowerOptions = {},
  ) {
    this.#link = link;
    this.#stream = stream;
    this.#connection = connection;
    this.#listener = listener;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#auditMs = options.auditMs ?? AUDIT_MS;
    this.ready = this.#started.promise;
    ignoreRejection(this.ready);
    this.#offStatus = link.onStatus((status) => {
      // What comes first on the next connection must not overtake what was lost with this one.
      if (status.type === "disconnected") this.#held ??= new HeldMessages();
      if (status.type === "connected" && status.again) this.#raise("reconnect");
    });
    ignoreRejection(this.#run());
  }

  get cursor(): Cursor | undefined {
    const { nonce, newest } = this.#positions;
    return nonce === undefined ? undefined : formatCursor({ nonce, sequence: newest });
  }

  /** The stream may be another one, of which sequences that were seen say nothing. */
  recheck(): void {
    this.#raise("reconnect");
  }

  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#offStatus();
    for (const subscription of this.#subscriptions) subscription.close();
    this.#held = undefined;
    this.#started.reject(new ClosedError("feed"));
    this.#wake.resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const backoff = new Backoff({ initialMs: 100, maxMs: 5_000, random: this.#random });
    let cause: FeedDoubt = "start";
    let auditMs = FIRST_AUDIT_MS;
    while (!signal.aborted) {
      try {
        await untilConnected(this.#link, signal);
        this.#doubt = undefined;
        if (cause === "start") await this.#start();
        // While messages are held, an audit would prove nothing but that they are.
        else if (cause !== "audit" || this.#held !== undefined) await this.#catchUp(cause);
        else if (!(await this.#audit())) await this.#catchUp("audit");
        auditMs = cause === "audit" ? this.#auditMs : FIRST_AUDIT_MS;
        backoff.reset();
        cause = await this.#nextDoubt(auditMs);
      } catch (error) {
        if (signal.aborted) return;
        const failure = toBrokerError(error, `feed of ${this.#connection}`);
        const { message } = failure;
        const { connected } = this.#link;
        // That the connection is lost, the link has told.
        if (connected) {
          const code = errorCode(failure);
          feedFacts.publish({ type: "failed", connection: this.#connection, code, message });
        }
        // A failed audit proves nothing, so it is one more reason to read.
        if (cause === "audit") cause = "reconnect";
        await sleep(backoff.next(), { signal, clock: this.#clock }).catch(() => undefined);
      }
    }
  }

  /** What is stored from here on is ours to deliver. */
  async #start(): Promise<void> {
    const { signal } = this.#stop;
    await waitFor(this.#subscribe(), { signal });
    const info = await this.#info();
    this.#positions.restart(info.nonce, info.last);
    this.#release();
    this.#started.resolve();
  }

  async #catchUp(cause: FeedDoubt): Promise<void> {
    const startedAt = this.#clock.monotonic();
    this.#held ??= new HeldMessages();
    if (this.#refused) await this.#subscribe();
    // The client has renewed its subscriptions by the time the server answers.
    await this.#link.roundTrip({ signal: this.#stop.signal });
    const info = await this.#info();
    let replayed = 0;
    if (this.#positions.lost(info)) {
      this.#positions.restart(info.nonce, info.last);
      this.#gap();
    } else {
      const from = this.#positions.proven;
      let read = 0;
      for await (const message of this.#stored(info.last, false)) {
        // Held, and told in its place: one reader may come further than the other.
        if (message.sequence > info.last) continue;
        // What existed before the readers did was read up to here; another try need not begin anew.
        if (++read % PROVE_EVERY === 0) this.#positions.prove(Math.min(message.sequence - 1, info.last));
        if (this.#positions.check(message.subject, message.sequence, 0) === "duplicate") continue;
        this.#deliver(message);
        replayed++;
      }
      this.#positions.prove(info.last);
      // Retention passed while the readers were made: they began later than asked, without a word.
      if ((await this.#info()).first > from + 1) this.#gap();
    }
    this.#release();
    const seconds = (this.#clock.monotonic() - startedAt) / 1_000;
    feedFacts.publish({ type: "caught-up", connection: this.#connection, cause, replayed, seconds });
  }

  /** Whether all that is stored was delivered. Reads headers only, beside the live messages. */
  async #audit(): Promise<boolean> {
    const info = await this.#info();
    if (this.#positions.lost(info)) return false;
    if (info.last === this.#positions.proven) return true;
    const missing: Incoming[] = [];
    for await (const message of this.#stored(info.last, true)) {
      if (message.sequence > info.last) continue;
      if (this.#positions.check(message.subject, message.sequence, 0) !== "duplicate") missing.push(message);
    }
    if (missing.length > 0) {
      await sleep(TRANSIT_MS, { signal: this.#stop.signal, clock: this.#clock });
      const still = ({ subject, sequence }: Incoming): boolean =>
        this.#positions.check(subject, sequence, 0) !== "duplicate";
      if (missing.some(still)) return false;
    }
    if (this.#doubt !== undefined) return false;
    this.#positions.prove(info.last);
    return true;
  }

  /** What the stream holds of this connection behind the proven position. */
  #stored(last: number, headersOnly: boolean): AsyncGenerator<Incoming> {
    return readStored(this.#link, {
      stream: this.#stream,
      connection: this.#connection,
      from: this.#positions.proven + 1,
      ...{ last, headersOnly, clock: this.#clock, signal: this.#stop.signal },
    });
  }

  async #subscribe(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.close();
    this.#refused = false;
    const onRefused = (): void => {
      this.#refused = true;
      this.#raise("reconnect");
    };
    this.#subscriptions = [this.#connection, `${this.#connection}.>`].map((name) =>
      this.#link.subscribe(this.#link.subjects.event(name), (message) => this.#live(message), { onRefused }),
    );
    await Promise.all(this.#subscriptions.map(({ ready }) => ready));
  }

  #live(message: CoreMessage): void {
    if (this.#stop.signal.aborted) return;
    const sequence = Number(message.header("Nats-Sequence"));
    const previous = Number(message.header("Nats-Last-Sequence"));
    if (message.header("Nats-Stream") !== this.#stream || !isSequence(sequence) || !isSequence(previous)) {
      this.#unreadable(
        message.subject,
        new BrokerError("BROKER_MALFORMED", "not republished by the stream of events"),
      );
      return;
    }
    const { subject, data } = message;
    this.#accept({ subject, sequence, previous, data, header: (name) => message.header(name) });
  }

  #accept(message: Incoming): void {
    if (this.#held !== undefined) {
      if (!this.#held.add(message)) this.#raise("overflow");
      return;
    }
    const verdict: Continuity = this.#positions.check(message.subject, message.sequence, message.previous);
    if (verdict === "duplicate") return;
    if (verdict === "next") {
      this.#deliver(message);
      return;
    }
    this.#held = new HeldMessages();
    this.#held.add(message);
    this.#raise("hole");
  }

  #release(): void {
    const held = this.#held?.take() ?? [];
    this.#held = undefined;
    for (const message of held) this.#accept(message);
  }

  #deliver(message: Incoming): void {
    const { subject, sequence } = message;
    this.#positions.delivered(subject, sequence);
    let decoded: EventMessage;
    try {
      decoded = decodeMessage(message.header, message.data);
    } catch (error) {
      this.#unreadable(subject, error instanceof Error ? error : new Error(String(error)));
      decoded = unreadable(
        this.#connection,
        { subjects: this.#link.subjects, subject },
        sequence,
        this.#clock.now(),
      );
    }
    const cursor = formatCursor({ nonce: this.#positions.nonce ?? "", sequence });
    this.#listener.onMessage({ cursor, subject, message: decoded });
  }

  #unreadable(subject: string, error: Error): void {
    feedFacts.publish({ type: "unreadable", connection: this.#connection, subject, message: error.message });
  }

  #gap(): void {
    feedFacts.publish({ type: "gap", connection: this.#connection, reason: "retention" });
    this.#listener.onGap("retention");
  }

  #raise(doubt: FeedDoubt): void {
    this.#doubt ??= doubt;
    this.#wake.resolve();
  }

  async #nextDoubt(auditMs: number): Promise<FeedDoubt> {
    if (this.#doubt === undefined) {
      this.#wake = deferred<void>();
      const delay = auditMs * (1 - JITTER / 2 + this.#random() * JITTER);
      const cancel = this.#clock.after(delay, () => this.#raise("audit"));
      await waitFor(this.#wake.promise, { signal: this.#stop.signal }).finally(cancel);
    }
    return this.#doubt ?? "audit";
  }

  async #info(): Promise<{ readonly nonce: string; readonly first: number; readonly last: number }> {
    const info = await this.#link.jsm.streams.info(this.#stream);
    return { nonce: streamNonce(info), first: info.state.first_seq, last: info.state.last_seq };
  }
}

function isSequence(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
