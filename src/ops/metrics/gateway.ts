import type { Counter, Gauge, Histogram } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** The WebSocket gateway. */
export class GatewayMetrics {
  readonly connections: Gauge<never>;
  readonly opened: Counter<never>;
  readonly closes: Counter<"code">;
  readonly connectionSeconds: Histogram<never>;
  readonly refusals: Counter<"reason">;
  readonly unreadableHops: Counter<never>;
  readonly authFailures: Counter<"reason">;
  readonly asks: Counter<"outcome">;
  readonly upstreams: Counter<"outcome">;
  readonly noGrants: Counter<never>;
  readonly subscriptions: Gauge<"connection">;
  readonly requests: Counter<"action" | "outcome">;
  readonly sent: Counter<"connection" | "type">;
  readonly coalesced: Counter<"connection">;
  readonly deliverySeconds: Histogram<"connection">;
  readonly snapshots: Counter<"connection" | "reason" | "outcome">;
  readonly mirrorSnapshots: Counter<"connection" | "reason">;
  readonly mirrorFailures: Counter<"connection" | "reason">;
  readonly mirroredEntries: Gauge<"connection">;

  constructor(set: MetricSet) {
    this.connections = set.gauge("gateway_connections", "Open WebSocket connections.", {});
    this.opened = set.counter("gateway_connects_total", "WebSocket connections let in.", {});
    this.closes = set.counter("gateway_closes_total", "WebSocket connections ended, by close code.", {
      code: "any",
    });
    this.connectionSeconds = set.histogram(
      "gateway_connection_seconds",
      "How long connections lasted.",
      {},
      "slow",
    );
    this.refusals = set.counter("gateway_refusals_total", "Handshakes not let in.", {
      reason: [
        "path",
        "method",
        "origin",
        "host",
        "draining",
        "connections",
        "address",
        "pending",
        "handshake",
        "no-upgrade",
      ],
    });
    this.unreadableHops = set.counter(
      "gateway_unreadable_hops_total",
      "Handshakes through a trusted proxy that named no address of its client.",
      {},
    );
    this.authFailures = set.counter("gateway_auth_failures_total", "Tokens not believed.", {
      reason: ["missing", "invalid", "expired", "unavailable"],
    });
    this.asks = set.counter("gateway_asks_total", "Questions to the application about a token.", {
      outcome: ["ok", "refused", "failed"],
    });
    this.upstreams = set.counter("gateway_upstreams_total", "Sockets to the other application.", {
      outcome: ["open", "failed", "lost"],
    });
    this.noGrants = set.counter(
      "gateway_no_grants_total",
      "Sockets let in whose token is believed, and grants nothing.",
      {},
    );
    this.subscriptions = set.gauge("gateway_subscriptions", "Subscriptions of all sockets.", {
      connection: "any",
    });
    this.requests = set.counter("gateway_requests_total", "Frames from clients.", {
      action: "any",
      outcome: "any",
    });
    this.sent = set.counter("gateway_messages_sent_total", "Frames to clients.", {
      connection: "any",
      type: ["changes", "resync", "state"],
    });
    this.coalesced = set.counter(
      "gateway_messages_coalesced_total",
      "Messages merged into a frame still waiting.",
      { connection: "any" },
    );
    this.deliverySeconds = set.histogram(
      "gateway_delivery_seconds",
      "From the worker's time stamp to the socket.",
      { connection: "any" },
    );
    this.snapshots = set.counter(
      "gateway_snapshots_total",
      "Snapshots for clients, and pictures resumed without one.",
      { connection: "any", reason: "any", outcome: ["sent", "dropped", "resumed"] },
    );
    this.mirrorSnapshots = set.counter(
      "gateway_mirror_snapshots_total",
      "Snapshots taken from workers, one for all clients.",
      { connection: "any", reason: "any" },
    );
    this.mirrorFailures = set.counter(
      "gateway_mirror_failures_total",
      "Directories of which clients could get no snapshot.",
      { connection: "any", reason: "any" },
    );
    this.mirroredEntries = set.gauge("gateway_mirrored_entries", "Entries kept for snapshots.", {
      connection: "any",
    });
  }
}
