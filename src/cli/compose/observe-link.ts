import { type Clock, systemClock } from "../../base/clock.ts";
import { type ConnectionFact, connectionFacts } from "../../broker/facts.ts";
import { BoundedLabel } from "../../ops/metrics/index.ts";
import type { Observer } from "./observer.ts";

/** A connection that lasts so long is one. A broker that is stuck lets us in and answers nothing: three pings of 3 s. */
const PROVEN_MS = 30_000;

/** Listens to the connection to NATS; returns what ends it. */
export function observeLink(observer: Observer, clock: Clock = systemClock): () => void {
  const diary = new LinkDiary(observer, clock);
  const off = connectionFacts.subscribe((fact) => diary.note(fact));
  return () => {
    off();
    diary.close();
  };
}

/**
 * Tells a loss and the return at once. Where the connection is lost again before it has lasted, it is not worth a pair of
 * lines each time: losses are counted in one line a minute, and the return is told once it has proven itself.
 */
class LinkDiary {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #codes = new BoundedLabel();
  #lostAt: number | undefined;
  /** Lost again before it had lasted. */
  #unsteady = false;
  #cancelProof: (() => void) | undefined;

  constructor(observer: Observer, clock: Clock) {
    this.#observer = observer;
    this.#clock = clock;
  }

  note(fact: ConnectionFact): void {
    const { metrics, log, summary } = this.#observer;
    const { broker } = metrics;
    switch (fact.type) {
      case "connected":
        broker.connected.set(1);
        if (fact.again) broker.reconnects.inc();
        if (!this.#unsteady) this.#tellReturn(fact);
        // The first one is no return.
        if (!fact.again) return;
        this.#cancelProof?.();
        this.#cancelProof = this.#clock.after(PROVEN_MS, () => this.#proven(fact), { unref: true });
        return;
      case "disconnected":
        broker.connected.set(0);
        this.#unsteady = this.#lostAt !== undefined || this.#cancelProof !== undefined;
        this.#lostAt ??= this.#clock.monotonic();
        this.#cancelProof?.();
        this.#cancelProof = undefined;
        summary.warn("nats lost", "nats.disconnected", "NATS is away: events wait", { server: fact.server });
        return;
      case "error":
        broker.errors.inc({ code: this.#codes.of(fact.code) });
        summary.warn("nats", "nats.error", fact.message, { code: fact.code });
        return;
      case "clash":
        broker.errors.inc({ code: this.#codes.of("BROKER_STREAM_CLASH") });
        summary.warn(
          "clash",
          "nats.streams-clash",
          "more than one stream stores what this fleet publishes, and events arrive more than once: give each fleet of the account a nats.subjectPrefix of its own",
          { streams: fact.streams },
        );
        return;
      case "closed":
        broker.connected.set(0);
        log.info("nats.closed", "the connection to NATS is closed", { reason: fact.message });
    }
  }

  close(): void {
    this.#cancelProof?.();
  }

  #proven(fact: Extract<ConnectionFact, { type: "connected" }>): void {
    this.#cancelProof = undefined;
    this.#observer.summary.clear("nats lost");
    this.#observer.summary.clear("nats");
    if (this.#unsteady) this.#tellReturn(fact);
    this.#unsteady = false;
  }

  #tellReturn({ again, server, version }: Extract<ConnectionFact, { type: "connected" }>): void {
    const since = this.#lostAt;
    this.#lostAt = undefined;
    this.#observer.log.info("nats.connected", again ? "connected to NATS again" : "connected to NATS", {
      server,
      version,
      ...(since === undefined
        ? {}
        : { awaySeconds: Math.round((this.#clock.monotonic() - since) / 100) / 10 }),
    });
  }
}
