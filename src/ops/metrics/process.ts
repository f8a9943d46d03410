import type { Counter, Gauge } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** The process itself. */
export class ProcessMetrics {
  readonly buildInfo: Gauge<"version" | "commit" | "node">;
  readonly configReloads: Counter<"outcome">;
  readonly configReloaded: Gauge<never>;
  readonly stalls: Counter<never>;
  readonly logDropped: Counter<never>;

  constructor(set: MetricSet) {
    this.buildInfo = set.gauge("build_info", "Always 1; the labels say what runs.", {
      version: "any",
      commit: "any",
      node: "any",
    });
    this.configReloads = set.counter(
      "config_reloads_total",
      "Reloads of the configuration and of secret files.",
      { outcome: ["applied", "rejected"] },
    );
    this.configReloaded = set.gauge(
      "config_last_reload_timestamp_seconds",
      "When the configuration in use was read, Unix time.",
      {},
    );
    this.stalls = set.counter(
      "event_loop_stalls_total",
      "Times the event loop stood still for over a second.",
      {},
    );
    this.logDropped = set.counter(
      "log_dropped_total",
      "Log lines dropped because nobody read them fast enough.",
      {},
    );
  }
}
