import { doubts, healths, notifies, readies, scans, transitions } from "../../watch/facts.ts";
import {
  type CheckpointFact,
  checkpointFacts,
  claimFacts,
  reconcileFacts,
  watchFacts,
} from "../../worker/facts.ts";
import type { Observer } from "./observer.ts";

/** Listens to the watch engine and the worker's control loop; returns what ends it. */
export function observeWatch(observer: Observer): (() => void)[] {
  return [...observeEngine(observer), ...observeWorker(observer)];
}

function observeEngine({ metrics: { watch }, log }: Observer): (() => void)[] {
  return [
    transitions.subscribe(({ connection, path, from, to, failure }) => {
      if (to !== "idle") watch.transitions.inc({ connection, to });
      log.debug("watch.transition", `watch ${from} -> ${to}`, { connection, path, from, to, failure });
    }),
    notifies.subscribeLater(({ connection, outcome, records }) => {
      watch.notifies.inc({ connection, outcome });
      watch.records.inc({ connection }, records);
    }),
    doubts.subscribe(({ connection, path, reason }) => {
      watch.doubts.inc({ connection, reason });
      log.debug("watch.doubt", "the picture may be stale: comparing", { connection, path, reason });
    }),
    scans.subscribe(({ connection, path, phase, entries, elapsedMs }) => {
      if (phase !== "finished" && phase !== "failed") return;
      watch.rescans.inc({ connection, outcome: phase });
      watch.rescanSeconds.observe(elapsedMs / 1_000);
      log.debug("watch.scan", `comparison ${phase}`, {
        connection,
        path,
        entries,
        ms: Math.round(elapsedMs),
      });
    }),
    readies.subscribe(({ connection, waiting, deferred, outcome, seconds }) => {
      if (waiting !== undefined) watch.readyWaiting.inc({ connection }, waiting);
      if (deferred !== undefined) watch.readyDeferred.inc({ connection }, deferred);
      if (outcome !== undefined) watch.readyProbes.inc({ connection, outcome });
      if (seconds !== undefined) watch.readySeconds.observe(seconds);
    }),
    healths.subscribe(({ connection, path, verdict }) => {
      watch.checks.inc({ connection, verdict });
      if (verdict === "replaced" || verdict === "gone") {
        log.info("watch.health", "the path names another directory than the one held", {
          connection,
          path,
          verdict,
        });
      }
    }),
  ];
}

const HOMELESS_MS = 10_000;
/** Who compares every minute has chosen so. */
const APPENDS_LATE_S = 120;

function observeCheckpoint(fact: CheckpointFact, { metrics: { watch }, log, summary }: Observer): void {
  const { type, connection, path } = fact;
  switch (type) {
    case "saved":
      watch.checkpoints.inc({ connection, outcome: type });
      watch.checkpointBytes.inc({ connection }, fact.bytes);
      log.debug("worker.checkpoint", "picture saved", { connection, path, bytes: fact.bytes });
      return;
    case "busy":
      watch.checkpoints.inc({ connection, outcome: type });
      return;
    case "failed":
      watch.checkpoints.inc({ connection, outcome: type });
      summary.warn(
        `checkpoint ${fact.code}`,
        "worker.checkpoint-failed",
        "a picture could not be saved: a take-over may have to ask everyone to list",
        { connection, path, code: fact.code },
      );
      return;
    case "used":
      watch.inheritances.inc({ connection, outcome: type });
      log.debug("worker.takeover", "going on from the picture a former owner left", {
        connection,
        path,
        replayed: fact.replayed,
        ms: Math.round(fact.seconds * 1_000),
      });
      return;
    case "unusable":
      watch.inheritances.inc({ connection, outcome: fact.reason });
      summary.warn(
        `takeover ${connection} ${fact.reason}`,
        "worker.takeover",
        "the picture a former owner left is of no use: everyone is asked to list",
        { connection, path, reason: fact.reason },
      );
  }
}

function observeWorker(observer: Observer): (() => void)[] {
  const {
    metrics: { watch },
    log,
    summary,
  } = observer;
  const watches = new Map<
    string,
    { readonly connection: string; readonly state: string; readonly mode: string }
  >();
  /** Told once of each, not at each of its states. */
  const warned = new Set<string>();
  let homelessSince: number | undefined;
  return [
    watchFacts.subscribe(({ connection, path, state, mode, error, appendsLateS = 0 }) => {
      const key = `${connection}:${path}`;
      const before = watches.get(key);
      if (state === "closed") warned.delete(key);
      else if (appendsLateS > APPENDS_LATE_S && !warned.has(key)) {
        warned.add(key);
        log.warn(
          "watch.ready-late",
          "a file that is appended to is found ready late: rescanMinutes of its watch, or cover: directory",
          { connection, path, seconds: appendsLateS },
        );
      }
      if (before !== undefined) watch.watches.dec({ ...before });
      watches.delete(key);
      if (state !== "closed") {
        const now = { connection, state, mode };
        watches.set(key, now);
        watch.watches.inc(now);
      }
      const bad = state === "gone" || state === "denied" || state === "unreachable" || state === "degraded";
      if (bad) {
        summary.warn(`watch ${connection} ${state}`, "watch.state", `a watch is ${state}`, {
          connection,
          path,
          mode,
          reason: error,
        });
      } else log.debug("watch.state", `a watch is ${state}`, { connection, path, mode });
    }),
    claimFacts.subscribe((fact) => {
      const { connection, path, type } = fact;
      watch.claimMoves.inc({ how: "how" in fact ? fact.how : type });
      if (type === "failed") {
        summary.warn(
          `claim ${connection} ${fact.code}`,
          "worker.claim-failed",
          "a claim could not be moved",
          {
            connection,
            path,
            code: fact.code,
          },
        );
      } else log.debug("worker.claim", `claim ${type}`, { connection, path });
    }),
    checkpointFacts.subscribe((fact) => observeCheckpoint(fact, observer)),
    reconcileFacts.subscribe(({ seconds, planned, assigned, homeless }) => {
      watch.reconciles.inc();
      watch.reconcileSeconds.observe(seconds);
      watch.planned.set(planned);
      watch.assigned.set(assigned);
      watch.homeless.set(homeless);
      if (homeless === 0) homelessSince = undefined;
      else homelessSince ??= performance.now();
      // Watches on the move are homeless for a moment.
      if (homelessSince !== undefined && performance.now() - homelessSince > HOMELESS_MS) {
        summary.warn(
          "homeless",
          "worker.homeless",
          "no worker has room for some watches: raise capacity or add workers",
          {
            homeless,
          },
        );
      }
      if (homeless === 0) summary.clear("homeless");
    }),
  ];
}
