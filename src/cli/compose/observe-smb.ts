import { fallbackFacts } from "../../auth/facts.ts";
import { BoundedLabel } from "../../ops/metrics/index.ts";
import {
  connectionFacts,
  creditFacts,
  deadLetterFacts,
  dfsFacts,
  echoFacts,
  notifyFacts,
  overflowFacts,
  poolFacts,
  requestFacts,
  sessionFacts,
} from "../../smb/facts.ts";
import type { Observer } from "./observer.ts";
import { adviceFor } from "./remedy.ts";

/** Listens to the SMB engine; returns what ends it. */
export function observeSmb({ metrics: { smb }, log, summary }: Observer): (() => void)[] {
  const outcomes = new BoundedLabel();
  const lost = new Set<string>();
  return [
    connectionFacts.subscribe(({ connection, from, to, id, error }) => {
      if (to === "ready") smb.connections.inc({ connection });
      if (from === "ready") smb.connections.dec({ connection });
      log.debug("smb.connection", `connection ${from} -> ${to}`, { connection, id, from, to, error });
    }),
    requestFacts.subscribeLater(({ connection, command, outcome, ms }) => {
      smb.requests.inc({ connection, command, outcome: outcomes.of(outcome) });
      // A notify is answered when something changes: its age says nothing about the server.
      if (command !== "CHANGE_NOTIFY") smb.requestSeconds.observe({ command }, ms / 1_000);
    }),
    creditFacts.subscribeLater(({ connection, available, waiting }) => {
      smb.credits.set({ connection }, available);
      smb.creditWaiters.set({ connection }, waiting);
    }),
    notifyFacts.subscribeLater(({ connection, outcome }) => smb.notifies.inc({ connection, outcome })),
    overflowFacts.subscribe(({ connection }) => smb.overflows.inc({ connection })),
    echoFacts.subscribe(({ connection, ms }) => smb.echoSeconds.observe({ connection }, ms / 1_000)),
    deadLetterFacts.subscribe(({ connection, command, reason }) => {
      smb.deadLetters.inc({ reason });
      log.debug("smb.dead-letter", "a message fits no request", { connection, command, reason });
    }),
    sessionFacts.subscribe((fact) => {
      const { connection, id } = fact;
      const expires = fact.expiresAt === undefined ? undefined : new Date(fact.expiresAt).toISOString();
      const about = `renew ${connection} ${id}`;
      if (fact.type === "renewed") {
        summary.clear(about);
        log.debug("smb.session-renewed", "the session proved itself anew", { connection, id, expires });
      } else {
        const { error } = fact;
        summary.warn(
          about,
          "smb.renewal-failed",
          "the session could not be renewed yet; it holds until it expires",
          {
            connection,
            id,
            expires,
            error,
          },
        );
      }
    }),
    dfsFacts.subscribe(({ connection, type, from, to }) => {
      if (type === "routed")
        log.info("smb.dfs-routed", "a DFS link is served from its target", { connection, from, to });
      else
        log.warn("smb.dfs-failed-over", "a DFS target is away; the next one serves", {
          connection,
          from,
          to,
        });
    }),
    fallbackFacts.subscribe(({ connection, error, allowed }) => {
      const message = allowed
        ? "logging in by NTLM: Kerberos has no ticket for this server"
        : "Kerberos has no ticket for this server, and ntlmFallback is off";
      summary.warn(`fallback ${connection}`, "auth.fallback", message, { connection, error });
    }),
    poolFacts.subscribe((fact) => {
      const { connection } = fact;
      switch (fact.type) {
        case "connected":
          smb.dials.inc({ connection, outcome: "ok" });
          if (lost.delete(connection)) smb.reconnects.inc({ connection });
          summary.clear(`dial ${connection}`);
          log.info("smb.connected", "connected and logged in", {
            connection,
            role: fact.role,
            ms: Math.round(fact.ms),
          });
          return;
        case "dial-failed":
          smb.dials.inc({ connection, outcome: "failed" });
          if (fact.retryMs === undefined) {
            log.error(
              "smb.given-up",
              "will not try again by itself: repeating a refused login locks accounts",
              {
                connection,
                error: fact.error,
              },
            );
            return;
          }
          summary.warn(`dial ${connection}`, "smb.dial-failed", "cannot connect", {
            connection,
            retryMs: Math.round(fact.retryMs),
            error: fact.error,
            remedy: adviceFor(fact.error)?.setting,
          });
          return;
        case "lost":
          // Without an error it was we who said goodbye.
          if (fact.error === undefined) return;
          lost.add(connection);
          smb.losses.inc({ connection });
          log.warn("smb.lost", "the connection ended", { connection, role: fact.role, error: fact.error });
          return;
        case "shared":
          log.warn("smb.shared", "the share takes no further connection: watches and listings share one", {
            connection,
          });
          return;
        case "no-compounds":
          log.warn("smb.no-compounds", "its answers to compounds are signed wrongly: one request at a time", {
            connection,
            error: fact.error,
          });
          return;
        case "watch-cap":
          smb.watchCap.set({ connection }, fact.cap);
          log.info("smb.watch-cap", "the server is short of slots: fewer watches on a socket", {
            connection,
            cap: fact.cap,
          });
      }
    }),
  ];
}
