import type { Counter, Gauge, Histogram } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** The watch engine: what is watched, what was told, what was doubted. */
export class WatchMetrics {
  readonly watches: Gauge<"connection" | "state" | "mode">;
  readonly transitions: Counter<"connection" | "to">;
  readonly notifies: Counter<"connection" | "outcome">;
  readonly records: Counter<"connection">;
  readonly doubts: Counter<"connection" | "reason">;
  readonly rescans: Counter<"connection" | "outcome">;
  readonly rescanSeconds: Histogram<never>;
  readonly checks: Counter<"connection" | "verdict">;
  readonly changes: Counter<"connection" | "action" | "via">;
  readonly readyWaiting: Gauge<"connection">;
  readonly readyDeferred: Gauge<"connection">;
  readonly readyProbes: Counter<"connection" | "outcome">;
  readonly readySeconds: Histogram<never>;
  readonly checkpoints: Counter<"connection" | "outcome">;
  readonly checkpointBytes: Counter<"connection">;
  readonly inheritances: Counter<"connection" | "outcome">;
  readonly resyncs: Counter<"connection" | "reason">;
  readonly planned: Gauge<never>;
  readonly assigned: Gauge<never>;
  readonly homeless: Gauge<never>;
  readonly reconciles: Counter<never>;
  readonly reconcileSeconds: Histogram<never>;
  readonly claimMoves: Counter<"how">;

  constructor(set: MetricSet) {
    this.watches = set.gauge("watches", "Covering watches of this worker.", {
      connection: "any",
      state: "any",
      mode: "any",
    });
    this.transitions = set.counter("watch_transitions_total", "Moves of watches into a state.", {
      connection: "any",
      to: [
        "opening",
        "arming",
        "scanning",
        "live",
        "rescanning",
        "polling",
        "gone",
        "denied",
        "unreachable",
        "stopped",
      ],
    });
    this.notifies = set.counter("notify_responses_total", "CHANGE_NOTIFY requests that ended.", {
      connection: "any",
      outcome: ["records", "overflow", "cleanup", "cancelled", "failed"],
    });
    this.records = set.counter("notify_records_total", "Records inside CHANGE_NOTIFY responses.", {
      connection: "any",
    });
    this.doubts = set.counter("doubts_total", "Reasons to compare a picture with the server again.", {
      connection: "any",
      reason: [
        "overflow",
        "reconnect",
        "takeover",
        "server-cleanup",
        "silent",
        "outbox-full",
        "slow-consumer",
        "retention",
        "too-large",
        "timer",
        "handover",
        "settling",
        "recalled",
        "moved",
        "probing",
        "untold",
      ],
    });
    this.rescans = set.counter("rescans_total", "Listings compared with the picture, first scans included.", {
      connection: "any",
      outcome: ["finished", "failed"],
    });
    this.rescanSeconds = set.histogram("rescan_seconds", "Duration of one such comparison.", {}, "slow");
    this.checks = set.counter(
      "health_checks_total",
      "Looks at whether a path still names the directory held.",
      { connection: "any", verdict: ["same", "replaced", "gone", "unknown"] },
    );
    this.changes = set.counter("changes_total", "Changes told.", {
      connection: "any",
      action: "any",
      via: "any",
    });
    this.readyWaiting = set.gauge("ready_files_waiting", "Files that changed and are not ready yet.", {
      connection: "any",
    });
    this.readyDeferred = set.gauge(
      "ready_directories_deferred",
      "Directories with files to be waited for that there is no room for yet (maxReady).",
      { connection: "any" },
    );
    this.readyProbes = set.counter(
      "ready_probes_total",
      "Questions whether anybody has a file open for writing, by what the server said.",
      { connection: "any", outcome: ["closed", "open", "unknown", "gone", "failed"] },
    );
    this.readySeconds = set.histogram(
      "ready_seconds",
      "From the last change of a file to telling that it is ready.",
      {},
      "slow",
    );
    this.planned = set.gauge(
      "fleet_watches",
      "Watches that somebody in the fleet should hold, as this worker sees it.",
      {},
    );
    this.assigned = set.gauge("assigned_watches", "Watches that are this worker's to hold.", {});
    this.homeless = set.gauge("homeless_watches", "Watches that no worker has room for.", {});
    this.reconciles = set.counter("reconciles_total", "Runs of the control loop.", {});
    this.reconcileSeconds = set.histogram("reconcile_seconds", "Duration of one run.", {});
    this.claimMoves = set.counter("claim_moves_total", "Claims taken and given.", {
      how: ["new", "takeover", "handover", "release", "conflict", "failed"],
    });
    this.checkpoints = set.counter(
      "checkpoints_total",
      "Pictures to be saved for a later owner of a watch.",
      {
        connection: "any",
        outcome: ["saved", "failed", "busy"],
      },
    );
    this.checkpointBytes = set.counter("checkpoint_bytes_total", "Size of those saved.", {
      connection: "any",
    });
    this.inheritances = set.counter(
      "checkpoint_takeovers_total",
      "Pictures found when a watch was taken over: `used`, or why not, and everyone had to list.",
      {
        connection: "any",
        outcome: ["used", "damaged", "foreign", "retention", "resync", "ambiguous", "long", "unavailable"],
      },
    );
    this.resyncs = set.counter("resyncs_total", "Announced gaps.", { connection: "any", reason: "any" });
  }
}
