import type { Counter, Gauge, Histogram } from "prom-client";
import type { MetricSet } from "./metric-set.ts";

/** The SMB engine. */
export class SmbMetrics {
  readonly connections: Gauge<"connection">;
  readonly dials: Counter<"connection" | "outcome">;
  readonly losses: Counter<"connection">;
  readonly reconnects: Counter<"connection">;
  readonly requests: Counter<"connection" | "command" | "outcome">;
  readonly requestSeconds: Histogram<"command">;
  readonly notifies: Counter<"connection" | "outcome">;
  readonly overflows: Counter<"connection">;
  readonly credits: Gauge<"connection">;
  readonly creditWaiters: Gauge<"connection">;
  readonly echoSeconds: Histogram<"connection">;
  readonly deadLetters: Counter<"reason">;
  readonly watchCap: Gauge<"connection">;

  constructor(set: MetricSet) {
    this.connections = set.gauge("smb_connections", "SMB connections that are ready.", { connection: "any" });
    this.dials = set.counter("smb_dials_total", "Attempts to connect and log in.", {
      connection: "any",
      outcome: "any",
    });
    this.losses = set.counter("smb_connection_losses_total", "Connections that ended without our asking.", {
      connection: "any",
    });
    this.reconnects = set.counter("smb_reconnects_total", "Connections made again after a loss.", {
      connection: "any",
    });
    this.requests = set.counter(
      "smb_requests_total",
      "Requests by command and outcome: an NTSTATUS name or an error code.",
      { connection: "any", command: "any", outcome: "any" },
    );
    this.requestSeconds = set.histogram(
      "smb_request_seconds",
      "From sending a request to its final answer; CHANGE_NOTIFY excluded.",
      { command: "any" },
    );
    this.notifies = set.counter("smb_notify_responses_total", "CHANGE_NOTIFY requests that ended.", {
      connection: "any",
      outcome: "any",
    });
    this.overflows = set.counter(
      "overflows_total",
      "CHANGE_NOTIFY answers by which the server said that it lost track.",
      { connection: "any" },
    );
    this.credits = set.gauge("smb_credits", "Credits at hand after the latest answer.", {
      connection: "any",
    });
    this.creditWaiters = set.gauge(
      "smb_credit_waiters",
      "Requests waiting for credits after the latest answer.",
      { connection: "any" },
    );
    this.echoSeconds = set.histogram("smb_echo_seconds", "Round trip of ECHO.", { connection: "any" });
    this.deadLetters = set.counter("smb_dead_letters_total", "Messages that fit no request.", {
      reason: ["abandoned", "unsolicited", "refused-cancel"],
    });
    this.watchCap = set.gauge(
      "smb_watches_per_socket",
      "Watches allowed on one socket, once the server made us lower it.",
      { connection: "any" },
    );
  }
}
