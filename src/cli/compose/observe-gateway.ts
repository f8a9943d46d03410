import {
  askFacts,
  authFailureFacts,
  coalescedFacts,
  mirrorFacts,
  noGrantsFacts,
  refusalFacts,
  requestFacts,
  sentFacts,
  snapshotFacts,
  socketFacts,
  subscriptionFacts,
  unreadableHopFacts,
  upstreamFacts,
} from "../../gateway/facts.ts";
import { BoundedLabel } from "../../ops/metrics/index.ts";
import type { Observer } from "./observer.ts";

/** Who is told about once. Whoever can make tokens up must not fill the memory or the log with subjects. */
const TOLD_SUBJECTS = 1_000;
const LONGEST_SUBJECT = 200;

/** What has been told already, bounded: once full, nothing is news. */
class ToldOnce {
  readonly #seen = new Set<string>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  isNews(key: string): boolean {
    if (this.#seen.has(key) || this.#seen.size >= this.#limit) return false;
    this.#seen.add(key);
    return true;
  }
}

/** Listens to the gateway; returns what ends it. */
export function observeGateway({ metrics: { gateway }, log, summary }: Observer): (() => void)[] {
  const codes = new BoundedLabel();
  const told = new ToldOnce(TOLD_SUBJECTS);
  return [
    socketFacts.subscribe((fact) => {
      if (fact.type === "opened") {
        gateway.opened.inc();
        gateway.connections.inc();
        return;
      }
      gateway.connections.dec();
      gateway.closes.inc({ code: codes.of(String(fact.code)) });
      gateway.connectionSeconds.observe(fact.ms / 1_000);
      log.debug("gateway.closed", "a client left", { code: fact.code, ms: Math.round(fact.ms) });
    }),
    refusalFacts.subscribe((fact) => {
      gateway.refusals.inc({ reason: fact.reason });
      summary.warn(`refusal ${fact.reason}`, "gateway.refused", "a handshake was not let in", { ...fact });
    }),
    unreadableHopFacts.subscribe(({ hop }) => {
      gateway.unreadableHops.inc();
      summary.warn(
        "unreadable hop",
        "gateway.unreadable-hop",
        "a trusted proxy names no address of its client: all its clients count as one",
        { hop },
      );
    }),
    authFailureFacts.subscribe(({ reason }) => {
      gateway.authFailures.inc({ reason });
      summary.warn(`auth ${reason}`, "gateway.auth-failed", "a token was not believed", { reason });
    }),
    askFacts.subscribe(({ outcome, code }) => {
      gateway.asks.inc({ outcome });
      if (outcome !== "failed") return;
      summary.warn("ask", "gateway.ask-failed", "the application was asked about a token, and did not say", {
        code,
      });
    }),
    upstreamFacts.subscribe(({ outcome, code }) => {
      gateway.upstreams.inc({ outcome });
      if (outcome === "open") return;
      summary.warn(`upstream ${outcome}`, "gateway.upstream", "the other application's socket is not there", {
        outcome,
        code,
      });
    }),
    noGrantsFacts.subscribe(({ subject, reason }) => {
      gateway.noGrants.inc();
      if (!told.isNews(subject ?? "")) return;
      log.warn("gateway.no-grants", "a token is believed, but its holder may see nothing", {
        ...(subject === undefined ? {} : { subject: subject.slice(0, LONGEST_SUBJECT) }),
        reason,
      });
    }),
    subscriptionFacts.subscribe(({ connection, change }) =>
      gateway.subscriptions.inc({ connection }, change),
    ),
    sentFacts.subscribe(({ connection, type, seconds }) => {
      gateway.sent.inc({ connection, type });
      if (seconds !== undefined) gateway.deliverySeconds.observe({ connection }, seconds);
    }),
    coalescedFacts.subscribe(({ connection }) => gateway.coalesced.inc({ connection })),
    snapshotFacts.subscribe(({ connection, reason, outcome }) =>
      gateway.snapshots.inc({ connection, reason, outcome }),
    ),
    mirrorFacts.subscribe((fact) => {
      const { connection } = fact;
      if (fact.type === "size") gateway.mirroredEntries.inc({ connection }, fact.change);
      else if (fact.type === "taken") gateway.mirrorSnapshots.inc({ connection, reason: fact.reason });
      else gateway.mirrorFailures.inc({ connection, reason: fact.reason });
    }),
    requestFacts.subscribe(({ action, outcome }) => gateway.requests.inc({ action, outcome })),
  ];
}
