import type { Counter, Gauge, Histogram } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** NATS: connection, publisher, feed, mirror. */
export class BrokerMetrics {
  readonly connected: Gauge<never>;
  readonly reconnects: Counter<never>;
  readonly errors: Counter<"code">;
  readonly published: Counter<"connection" | "type">;
  readonly publishedChanges: Counter<"connection">;
  readonly duplicates: Counter<"connection">;
  readonly failures: Counter<"connection" | "code">;
  readonly publishSeconds: Histogram<"type">;
  readonly outboxMessages: Gauge<never>;
  readonly outboxBytes: Gauge<never>;
  readonly inFlight: Gauge<never>;
  readonly outboxOverflows: Counter<"connection">;
  readonly dropped: Counter<"connection">;
  readonly tooLarge: Counter<"connection">;
  readonly fenced: Gauge<never>;
  readonly catchUps: Counter<"cause">;
  readonly catchUpSeconds: Histogram<never>;
  readonly replayed: Counter<never>;
  readonly gaps: Counter<"connection" | "reason">;
  readonly unreadable: Counter<"connection">;
  readonly feedFailures: Counter<"connection">;
  readonly mirrorKeys: Gauge<"bucket">;
  readonly mirrorSyncs: Counter<"bucket" | "outcome">;
  readonly mirrorSeconds: Histogram<"bucket">;

  constructor(set: MetricSet) {
    this.connected = set.gauge("nats_connected", "1 while connected to NATS.", {});
    this.reconnects = set.counter("nats_reconnects_total", "Connections to NATS made again.", {});
    this.errors = set.counter("nats_errors_total", "Errors NATS told beside requests.", { code: "any" });
    this.published = set.counter("events_published_total", "Events stored by the stream.", {
      connection: "any",
      type: ["changes", "resync", "state"],
    });
    this.publishedChanges = set.counter("changes_published_total", "Changes inside those events.", {
      connection: "any",
    });
    this.duplicates = set.counter("events_duplicate_total", "Events the stream knew already.", {
      connection: "any",
    });
    this.failures = set.counter(
      "publish_failures_total",
      "Attempts to publish that failed; the event is kept and tried again.",
      { connection: "any", code: "any" },
    );
    this.publishSeconds = set.histogram(
      "publish_seconds",
      "From handing an event in to its stored acknowledgement.",
      { type: ["changes", "resync", "state"] },
    );
    this.outboxMessages = set.gauge("outbox_messages", "Events waiting or unacknowledged.", {});
    this.outboxBytes = set.gauge("outbox_bytes", "Their size.", {});
    this.inFlight = set.gauge("publishes_in_flight", "Publishes awaiting their acknowledgement.", {});
    this.outboxOverflows = set.counter(
      "outbox_overflows_total",
      "Times queued events of a watch were replaced by a resync.",
      { connection: "any" },
    );
    this.dropped = set.counter("outbox_dropped_messages_total", "Events so replaced.", { connection: "any" });
    this.tooLarge = set.counter(
      "events_too_large_total",
      "Events over the largest message of the server, replaced by a resync.",
      { connection: "any" },
    );
    this.fenced = set.gauge("publisher_fenced", "1 while the lease is too old to publish.", {});
    this.catchUps = set.counter(
      "feed_catch_ups_total",
      "Times the stream was read after a doubt about live messages.",
      { cause: ["start", "reconnect", "hole", "overflow", "audit"] },
    );
    this.catchUpSeconds = set.histogram("feed_catch_up_seconds", "Duration of one such reading.", {}, "slow");
    this.replayed = set.counter("feed_replayed_messages_total", "Messages so read.", {});
    this.gaps = set.counter(
      "feed_gaps_total",
      "Messages lost for good to this consumer, announced as resync.",
      { connection: "any", reason: ["slow-consumer", "retention"] },
    );
    this.unreadable = set.counter("feed_unreadable_total", "Messages that break the contract.", {
      connection: "any",
    });
    this.feedFailures = set.counter(
      "feed_failures_total",
      "Readings of the stream that failed; they are tried again.",
      { connection: "any" },
    );
    this.mirrorKeys = set.gauge("mirror_keys", "Keys in the mirror of a bucket.", { bucket: "any" });
    this.mirrorSyncs = set.counter("mirror_syncs_total", "Full readings of a bucket.", {
      bucket: "any",
      outcome: ["synced", "failed"],
    });
    this.mirrorSeconds = set.histogram(
      "mirror_sync_seconds",
      "Duration of one such reading.",
      { bucket: "any" },
      "slow",
    );
  }
}
