import type { Counter, Gauge, Histogram } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** Leases, refs, claims, control API. */
export class FleetMetrics {
  readonly refs: Gauge<never>;
  readonly claims: Gauge<"connection">;
  readonly renewals: Counter<"kind" | "outcome">;
  readonly renewalSeconds: Histogram<never>;
  readonly losses: Counter<"kind">;
  readonly revocations: Counter<never>;
  readonly refFailures: Counter<"code">;
  readonly swept: Counter<"kind">;
  readonly unreadable: Counter<never>;
  readonly controlRequests: Counter<"endpoint" | "outcome">;
  readonly controlSeconds: Histogram<"endpoint">;

  constructor(set: MetricSet) {
    this.refs = set.gauge("refs", "Directories and trees this process has registered interest in.", {});
    this.claims = set.gauge("claims", "Covering watches this worker holds the claim of.", {
      connection: "any",
    });
    this.renewals = set.counter("lease_renewals_total", "Lease renewals.", {
      kind: "any",
      outcome: ["renewed", "failed"],
    });
    this.renewalSeconds = set.histogram("lease_renewal_seconds", "Round trip of one renewal.", {});
    this.losses = set.counter("lease_losses_total", "Own leases that someone else revoked.", { kind: "any" });
    this.revocations = set.counter(
      "lease_revocations_total",
      "Leases of silent peers that this process revoked.",
      {},
    );
    this.refFailures = set.counter(
      "ref_failures_total",
      "Refs that could not be written; they are tried again.",
      { connection: "any", code: "any" },
    );
    this.swept = set.counter("swept_records_total", "Records of dead leases removed.", {
      kind: ["ref", "claim"],
    });
    this.unreadable = set.counter("unreadable_records_total", "Bucket entries nobody can read.", {});
    this.controlRequests = set.counter("control_requests_total", "Requests to the NATS micro service.", {
      endpoint: "any",
      outcome: "any",
    });
    this.controlSeconds = set.histogram("control_request_seconds", "Time to answer one.", {
      endpoint: "any",
    });
  }
}
