import type { Log } from "../../ops/log.ts";
import type { Metrics } from "../../ops/metrics.ts";
import type { Summary } from "../../ops/summary.ts";

/** What an observer of one floor writes to. */
export interface Observer {
  readonly metrics: Metrics;
  readonly log: Log;
  /** For failures that repeat. */
  readonly summary: Summary;
}
