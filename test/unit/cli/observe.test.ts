import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Scope } from "../../../src/base/scope.ts";
import * as broker from "../../../src/broker/facts.ts";
import { observe } from "../../../src/cli/compose/observe.ts";
import * as fleet from "../../../src/fleet/facts.ts";
import * as gateway from "../../../src/gateway/facts.ts";
import { createLog } from "../../../src/ops/log.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import * as smb from "../../../src/smb/facts.ts";
import * as watch from "../../../src/watch/facts.ts";
import * as worker from "../../../src/worker/facts.ts";

let metrics: Metrics;
let lines: Record<string, unknown>[];
let scope: Scope;

beforeEach(async () => {
  lines = [];
  metrics = new Metrics({ version: "1", commit: "c" }, { defaults: false });
  const log = await createLog(
    { level: "debug", format: "json" },
    { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
  );
  scope = observe(metrics, log);
});
afterEach(() => scope.close());

async function samples(): Promise<string[]> {
  return (await metrics.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}
const events = (): unknown[] => lines.map((line) => line["event"]);

describe("facts become metrics and lines", () => {
  it("SMB: connections, losses, reconnects, requests", async () => {
    const at = { connection: "nas1", id: 1 };
    smb.connectionFacts.publish({ ...at, from: "authenticating", to: "ready" });
    smb.connectionFacts.publish({ ...at, id: 2, from: "authenticating", to: "ready" });
    smb.connectionFacts.publish({ ...at, from: "ready", to: "closed" });
    smb.poolFacts.publish({ connection: "nas1", type: "lost", role: "watch", error: new Error("reset") });
    smb.poolFacts.publish({ connection: "nas1", type: "connected", role: "watch", ms: 5 });
    smb.poolFacts.publish({ connection: "nas1", type: "connected", role: "scan", ms: 5 });
    smb.requestFacts.publish({ ...at, command: "CREATE", outcome: "STATUS_ACCESS_DENIED", ms: 2 });
    smb.requestFacts.publish({ ...at, command: "CHANGE_NOTIFY", outcome: "STATUS_SUCCESS", ms: 3_600_000 });
    smb.overflowFacts.publish(at);
    const text = await samples();
    expect(text).toContain('smb2nats_smb_connections{connection="nas1"} 1');
    expect(text).toContain('smb2nats_smb_reconnects_total{connection="nas1"} 1');
    expect(text).toContain(
      'smb2nats_smb_requests_total{connection="nas1",command="CREATE",outcome="STATUS_ACCESS_DENIED"} 1',
    );
    expect(text).toContain('smb2nats_overflows_total{connection="nas1"} 1');
    expect(
      text.some((line) => line.startsWith('smb2nats_smb_request_seconds_count{command="CHANGE_NOTIFY"}')),
    ).toBe(false);
    expect(events()).toEqual(expect.arrayContaining(["smb.lost", "smb.connected"]));
  });

  it("an end that we asked for is no loss", async () => {
    smb.poolFacts.publish({ connection: "nas1", type: "lost", role: "watch", error: undefined });
    expect((await samples()).filter((line) => line.startsWith("smb2nats_smb_connection_losses"))).toEqual([]);
    expect(events()).toEqual([]);
  });

  it("a dial that fails again and again is one line, then a count", () => {
    const fail = (): void =>
      smb.poolFacts.publish({
        connection: "nas1",
        type: "dial-failed",
        retryMs: 1_000,
        error: new Error("no route"),
      });
    for (let i = 0; i < 10; i++) fail();
    expect(events()).toEqual(["smb.dial-failed"]);
    smb.poolFacts.publish({ connection: "nas1", type: "connected", role: "scan", ms: 1 });
    expect(lines[1]).toMatchObject({ event: "smb.dial-failed", repeated: 9 });
  });

  it("a refused login is an error and says that it is not repeated", () => {
    smb.poolFacts.publish({
      connection: "nas1",
      type: "dial-failed",
      retryMs: undefined,
      error: new Error("no"),
    });
    expect(lines[0]).toMatchObject({ level: "error", event: "smb.given-up", connection: "nas1" });
  });

  it("watches are counted by what they are now", async () => {
    const tell = (path: string, state: "starting" | "live" | "gone" | "closed"): void =>
      worker.watchFacts.publish({ type: "state", connection: "nas1", path, state, mode: "notify" });
    tell("/a", "starting");
    tell("/a", "live");
    tell("/b", "live");
    tell("/b", "gone");
    tell("/a", "closed");
    const text = await samples();
    expect(text).toContain('smb2nats_watches{connection="nas1",state="gone",mode="notify"} 1');
    expect(text).toContain('smb2nats_watches{connection="nas1",state="live",mode="notify"} 0');
    watch.transitions.publish({
      connection: "nas1",
      path: "/a",
      recursive: false,
      from: "arming",
      to: "live",
    });
    expect(await samples()).toContain('smb2nats_watch_transitions_total{connection="nas1",to="live"} 1');
  });

  it("a watch of ready files that hears of appends late says so, once", () => {
    const tell = (state: "unreachable" | "live" | "closed", appendsLateS?: number): void =>
      worker.watchFacts.publish({
        ...{ type: "state", connection: "nas1", path: "/in", state, mode: "notify" },
        ...(appendsLateS === undefined ? {} : { appendsLateS }),
      });
    const late = (): unknown[] => lines.filter(({ event }) => event === "watch.ready-late");
    tell("unreachable");
    tell("live", 120);
    expect(late()).toEqual([]);
    tell("live", 600);
    tell("unreachable");
    tell("live", 600);
    expect(late()).toMatchObject([{ level: "warn", connection: "nas1", path: "/in", seconds: 600 }]);
    tell("closed");
    tell("live", 600);
    expect(late()).toHaveLength(2);
  });

  it("NATS: connection, stored events, outbox, fence, gaps", async () => {
    broker.connectionFacts.publish({ type: "connected", server: "s", version: "2.10", again: true });
    broker.publishFacts.publish({
      type: "stored",
      connection: "nas1",
      kind: "changes",
      changes: 7,
      attempts: 1,
      seconds: 0.01,
      duplicate: false,
    });
    broker.outboxFacts.publish({ type: "overflow", connection: "nas1", path: "/a", dropped: 12, bytes: 1 });
    broker.outboxFacts.publish({ type: "fence", held: true });
    broker.feedFacts.publish({ type: "gap", connection: "nas1", reason: "retention" });
    const text = await samples();
    for (const line of [
      "smb2nats_nats_connected 1",
      "smb2nats_nats_reconnects_total 1",
      'smb2nats_events_published_total{connection="nas1",type="changes"} 1',
      'smb2nats_changes_published_total{connection="nas1"} 7',
      'smb2nats_publish_seconds_count{type="changes"} 1',
      'smb2nats_outbox_dropped_messages_total{connection="nas1"} 12',
      "smb2nats_publisher_fenced 1",
      'smb2nats_feed_gaps_total{connection="nas1",reason="retention"} 1',
    ]) {
      expect(text).toContain(line);
    }
  });

  it("fleet: renewals beside their failures, losses aloud", async () => {
    fleet.leaseFacts.publish({ type: "renewed", kind: "worker", lease: "l", seconds: 0.001 });
    fleet.leaseFacts.publish({ type: "renewal-failed", kind: "worker", lease: "l", code: "BROKER_TIMEOUT" });
    fleet.leaseFacts.publish({ type: "lost", kind: "worker", lease: "l" });
    const text = await samples();
    expect(text).toContain('smb2nats_lease_renewals_total{kind="worker",outcome="failed"} 1');
    expect(text).toContain('smb2nats_lease_losses_total{kind="worker"} 1');
    expect(lines.find((line) => line["event"] === "lease.lost")).toMatchObject({ level: "error" });
  });

  it("gateway: tokens that grant nothing are counted each, and told once for each subject", async () => {
    const reason = "your token is believed, but has no claim smb";
    for (const subject of ["anna", "anna", "x".repeat(10_000), undefined, "anna"]) {
      gateway.noGrantsFacts.publish({ subject, reason });
    }
    expect(await samples()).toContain("smb2nats_gateway_no_grants_total 5");
    const told = lines.filter((line) => line["event"] === "gateway.no-grants");
    expect(told.map(({ subject }) => subject)).toEqual(["anna", "x".repeat(200), undefined]);
    for (let n = 0; n < 2_000; n++) gateway.noGrantsFacts.publish({ subject: `made-up-${n}`, reason });
    expect(lines.filter((line) => line["event"] === "gateway.no-grants")).toHaveLength(1_000);
  });

  it("gateway: sockets, closes, sent and coalesced, refusals", async () => {
    gateway.socketFacts.publish({ type: "opened" });
    gateway.socketFacts.publish({ type: "opened" });
    gateway.socketFacts.publish({ type: "closed", code: 1001, ms: 1_000 });
    gateway.sentFacts.publish({ connection: "nas1", type: "changes", seconds: 0.02 });
    gateway.coalescedFacts.publish({ connection: "nas1" });
    for (const change of [5_000, -1_000])
      gateway.mirrorFacts.publish({ type: "size", connection: "nas1", change });
    gateway.mirrorFacts.publish({ type: "taken", connection: "nas1", reason: "moved" });
    gateway.mirrorFacts.publish({ type: "failed", connection: "nas1", reason: "too_large" });
    gateway.snapshotFacts.publish({ connection: "nas1", reason: "first", outcome: "sent" });
    gateway.authFailureFacts.publish({ reason: "expired" });
    const claims = { origin: "https://a\u009b", host: "gw", forwardedHost: "b", address: "192.0.2.1" };
    for (let i = 0; i < 3; i++) gateway.refusalFacts.publish({ reason: "origin", ...claims });
    for (let i = 0; i < 3; i++) gateway.unreadableHopFacts.publish({ hop: "unknown" });
    const text = await samples();
    for (const line of [
      "smb2nats_gateway_connections 1",
      'smb2nats_gateway_closes_total{code="1001"} 1',
      'smb2nats_gateway_refusals_total{reason="origin"} 3',
      "smb2nats_gateway_unreadable_hops_total 3",
      'smb2nats_gateway_messages_sent_total{connection="nas1",type="changes"} 1',
      'smb2nats_gateway_messages_coalesced_total{connection="nas1"} 1',
      'smb2nats_gateway_auth_failures_total{reason="expired"} 1',
      'smb2nats_gateway_mirrored_entries{connection="nas1"} 4000',
      'smb2nats_gateway_mirror_snapshots_total{connection="nas1",reason="moved"} 1',
      'smb2nats_gateway_mirror_failures_total{connection="nas1",reason="too_large"} 1',
      'smb2nats_gateway_snapshots_total{connection="nas1",reason="first",outcome="sent"} 1',
    ]) {
      expect(text).toContain(line);
    }
    expect(lines.filter((line) => line["event"] === "gateway.refused")).toEqual([
      expect.objectContaining({ reason: "origin", ...claims }),
    ]);
    expect(events().filter((event) => event === "gateway.unreadable-hop")).toHaveLength(1);
  });

  it("NATS: a second stream that takes our events is told", async () => {
    broker.connectionFacts.publish({ type: "clash", streams: ["SMB", "SMB"] });
    expect(await samples()).toContain('smb2nats_nats_errors_total{code="BROKER_STREAM_CLASH"} 1');
    expect(lines).toContainEqual(
      expect.objectContaining({ event: "nats.streams-clash", streams: ["SMB", "SMB"] }),
    );
  });

  it("fleet: an answer that cannot be sent is told aloud, and counted as refused", async () => {
    fleet.controlFacts.publish({ type: "too-large", endpoint: "directory-list", limit: 1_024 });
    fleet.controlFacts.publish({
      type: "request",
      endpoint: "directory-list",
      seconds: 0.1,
      outcome: "limit",
    });
    expect(await samples()).toContain(
      'smb2nats_control_requests_total{endpoint="directory-list",outcome="limit"} 1',
    );
    expect(lines).toContainEqual(
      expect.objectContaining({ event: "control.too-large", endpoint: "directory-list", maxPayload: 1_024 }),
    );
  });

  it("nothing is heard after the end", async () => {
    await scope.close();
    gateway.socketFacts.publish({ type: "opened" });
    expect(await samples()).toContain("smb2nats_gateway_connections 0");
  });
});
