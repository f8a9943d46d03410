import { ManualClock } from "../../../src/base/clock.ts";
import { encodeMessage } from "../../../src/broker/message/message-codec.ts";
import type { EventMessage } from "../../../src/broker/message.ts";
import type { BrokerLink, CoreMessage } from "../../../src/broker/port.ts";
import { claimKey, leaseKey, Subjects, watchName } from "../../../src/broker/subjects.ts";
import { ControlService } from "../../../src/fleet/control.ts";
import { FleetError } from "../../../src/fleet/errors.ts";
import type { StatAnswer, StatRequest, WatchTarget, WorkerStatus } from "../../../src/fleet/port.ts";
import type { ClaimRecord } from "../../../src/fleet/records.ts";
import { FleetView } from "../../../src/fleet/view.ts";
import { Rights } from "../../../src/gateway/grants.ts";
import { Hub } from "../../../src/gateway/hub/hub.ts";
import { resolveLimits, resolveTimes } from "../../../src/gateway/options.ts";
import { callerOf } from "../../../src/gateway/peer/caller.ts";
import { Peer, type PeerHost } from "../../../src/gateway/peer/peer.ts";
import { Pressure } from "../../../src/gateway/peer/pressure.ts";
import type { Change } from "../../../src/watch/events.ts";
import { FakeFleet } from "../../support/fakes/fake-fleet.ts";
import { MemoryBucket } from "../fleet/memory-bucket.ts";

/** What the code makes when it is asked for everything it can make, with as little around it as possible. */

const TIME = "2026-11-22T10:00:00.123Z";
const CHANGES: readonly Change[] = [
  { action: "renamed", name: "b 😀.jpg", oldName: "B (1).jpg" },
  { action: "modified", name: "notes.txt", stream: true, emptied: true, settled: true },
  { action: "ready", name: "whole.pdf", size: 7, modified: TIME, fileId: "5", closed: true },
  { action: "removed", name: "gone", movedTo: "/Media/there" },
  {
    action: "added",
    name: "come",
    movedFrom: "/Media/here",
    type: "file",
    size: 0,
    modified: TIME,
    fileId: "42",
  },
];
const ENTRY = { name: "sub", type: "directory", size: 0, modified: TIME, fileId: "7" } as const;

const WORKER: WorkerStatus = {
  lease: "w1",
  host: "node-1",
  ttlMs: 15_000,
  draining: false,
  deny: ["nas1"],
  watches: new Map([["nas1", 3]]),
  lag: { messages: 1, ms: 20.5 },
  silentMs: 1_234.5,
};

/** All that one gateway socket is sent in a life full of events. */
export async function gatewayFrames(): Promise<Record<string, unknown>[]> {
  const clock = new ManualClock();
  const fleet = new FakeFleet();
  const frames: Record<string, unknown>[] = [];
  const identity = {
    rights: new Rights([{ connection: "nas*", path: "/**" }]),
    expiresAt: clock.now() + 60_000,
    subject: "anna",
  };
  const host: PeerHost = {
    pressure: new Pressure(clock),
    hub: new Hub({ fleet, clock, caseSensitive: () => false }),
    fleet,
    clock,
    limits: resolveLimits(),
    times: resolveTimes(),
    random: () => 0.5,
    verifier: () => ({
      required: true,
      firstFrame: true,
      ready: true,
      verify: async () => identity,
      onKeysChanged: () => () => undefined,
      close: () => undefined,
    }),
    generation: () => 0,
    connection: (name) => (name === "nas1" ? { name, caseSensitive: false } : undefined),
    connectionNames: () => ["nas1"],
    onAuthenticated: () => undefined,
  };
  const nothing = (): void => undefined;
  const peer = new Peer(
    host,
    {
      send: (text) => void frames.push(JSON.parse(text)),
      bufferedAmount: 0,
      ping: nothing,
      pause: nothing,
      resume: nothing,
      close: nothing,
      terminate: nothing,
    },
    undefined,
    callerOf("192.0.2.7", { origin: "https://files.example", host: "gw.example" }, 0),
  );
  const send = async (message: object): Promise<void> => {
    peer.onMessage(JSON.stringify(message));
    await clock.advance(0);
  };
  const about = { connection_id: "nas1", path: "Media/" };
  await send({ action: "ping", id: "too early" });
  await send({ action: "auth", token: "t", id: 1 });
  await send({ action: "ping" });
  await send({ action: "ping", id: "p" });
  await send({ action: "connections", id: 2 });
  fleet.fleetWorkers = { current: true, workers: [WORKER] };
  await send({ action: "workers", id: 2 });
  await send({ action: "whoami", id: 2 });
  fleet.listing = async () => ({ entries: [ENTRY], next: "sub" });
  await send({ action: "list", ...about, id: 3 });
  fleet.listing = () => Promise.reject(new FleetError("not_a_directory", "no"));
  await send({ action: "list", ...about });
  await send({ action: "subscribe", ...about, recursive: true, detail: "changes", id: 4 });
  fleet.late = { names: 120, contents: 600 };
  await send({ action: "subscribe", connection_id: "nas1", path: "/plain" });
  for (const [path, connection_id] of [
    ["/a/../b", "nas1"],
    ["/", "nope"],
    ["/", "nas2"],
  ]) {
    await send({ action: "subscribe", connection_id, path, id: "e" });
  }
  await send({ action: "dance", id: 5 });
  fleet.changes("nas1", "/Media/sub", CHANGES);
  fleet.changes("nas1", "/plain", "x");
  fleet.state("nas1", "/Media/sub", "gone");
  fleet.ref("/plain").become("unreachable", "poll", "no route");
  fleet.ref("/plain").become("live", "poll", undefined, { names: 60, contents: 60 });
  for (let copy = 0; copy < 21; copy++)
    await send({ action: "subscribe", connection_id: "nas1", path: `/h${"/".repeat(copy)}` });
  fleet.resync("nas1", "/Media", "overflow", "subtree");
  fleet.resync("nas1", "/h", "takeover");
  await clock.advance(1_000);
  await send({ action: "subscribe", connection_id: "nas1", path: "/late", since: "other:1" });
  await send({ action: "unsubscribe", ...about, id: 6 });
  const { fileId: _, ...shown } = ENTRY;
  fleet.picture = async (target) => ({
    ...{ epoch: "n-7", told: 12, stored: true, servedBy: target },
    directories: [
      { path: "/Media", entries: [shown, { name: "x".repeat(70_000) }] },
      { path: "/Media/sub", entries: [], tooLarge: true },
    ],
  });
  await send({ action: "subscribe", ...about, recursive: true, snapshot: true });
  await clock.advance(60_000);
  return frames;
}

export function eventMessages(): {
  readonly type: EventMessage["type"];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}[] {
  const head = { connection: "nas1", path: '/Media/100% "Übung"', epoch: "n-1.0", seq: 3, time: TIME };
  const { epoch: _, seq: __, ...bareHead } = head;
  const messages: EventMessage[] = [
    { type: "changes", body: { ...head, told: 8, via: "notify", changes: CHANGES } },
    { type: "resync", body: { ...head, path: "/", scope: "subtree", reason: "too-large" } },
    { type: "resync", body: { ...head, told: 9, scope: "self", reason: "reconnect", picture: "kept" } },
    { type: "state", body: { ...head, state: "unreachable", mode: "notify", error: "no route" } },
    { type: "state", body: { ...bareHead, state: "live", mode: "poll", late: { names: 60, contents: 60 } } },
  ];
  return messages.map((message) => {
    const { headers, payload } = encodeMessage(message, "smb://nas.example.org/My Share");
    return { type: message.type, headers, body: JSON.parse(new TextDecoder().decode(payload)) };
  });
}

export interface ControlAnswer {
  readonly subject: string;
  readonly request: unknown;
  readonly answer: Record<string, unknown>;
  readonly headers: Readonly<Record<string, string>>;
}

/** Each endpoint asked rightly and wrongly, over a bucket in memory. */
export async function controlAnswers(): Promise<ControlAnswer[]> {
  const bucket = new MemoryBucket();
  const listeners = new Map<string, (message: CoreMessage) => void>();
  const link = {
    subjects: new Subjects(),
    server: { name: "test", version: "2.10.0", maxPayload: 1_048_576 },
    subscribe: (subject: string, listener: (message: CoreMessage) => void) => {
      listeners.set(subject, listener);
      return { ready: Promise.resolve(), close: () => undefined };
    },
  } as unknown as BrokerLink;
  const view = new FleetView(bucket.mirror);
  const list = async ({ path, fresh }: { readonly path: string; readonly fresh?: boolean }) => {
    if (path === "/bad") throw new FleetError("not_found", "no such directory");
    const position = { epoch: "n-7", told: 12 };
    return { entries: [ENTRY], next: "/q-1/sub", ...(fresh === true ? {} : { position }) };
  };
  const stat = async ({ paths }: StatRequest): Promise<StatAnswer[]> =>
    paths.map((path) => (path === "/bad" ? "not_found" : "directory"));
  const snapshot = async ({ path, connection, recursive }: WatchTarget) => {
    if (path === "/bad") throw new FleetError("too_large", "too many entries");
    const page = { connection, path, recursive, epoch: "n-7", told: 12, page: 0 };
    const servedBy = { path: "/Media", recursive: true };
    const { fileId: _, ...shown } = ENTRY;
    const directories = [
      { path, entries: [shown] },
      { path: `${path}/sub`, tooLarge: true, entries: [] },
    ];
    return { ...page, servedBy, directories, last: true, stored: true };
  };
  const service = new ControlService({ link, bucket, view, version: "1.0.0", list, stat, snapshot });
  await service.start();
  bucket.put(leaseKey("worker", "w1"), {
    kind: "worker",
    ttlMs: 15_000,
    host: "a",
    seq: 0,
    connections: ["nas1"],
  });
  const claim = (path: string, more: Partial<ClaimRecord>): void => {
    const record = {
      connection: "nas1",
      path,
      recursive: true,
      lease: "w1",
      state: "live",
      mode: "notify",
      ...more,
    };
    bucket.put(claimKey(watchName("nas1", path, false), true), record);
  };
  claim("/Media", { late: { names: 120, contents: 600 }, next: { lease: "w2", ready: false } });
  claim("/bad", { state: "gone", code: "not_found", error: "no such directory" });

  const answers: ControlAnswer[] = [];
  const ask = async (endpoint: string, request: unknown): Promise<Record<string, unknown>> => {
    const subject = `smb2nats.${endpoint}`;
    const data = new TextEncoder().encode(JSON.stringify(request));
    const given = await new Promise<Omit<ControlAnswer, "subject" | "request">>((resolve) => {
      listeners.get(subject)?.({
        subject,
        reply: "inbox",
        data,
        header: () => undefined,
        respond: (body, headers = {}) => {
          resolve({ answer: JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>, headers });
          return true;
        },
      });
    });
    answers.push({ subject, request, ...given });
    return given.answer;
  };
  const media = { connection: "nas1", path: "Media/", recursive: true };
  const { lease } = await ask("watch.acquire", { ...media, holder: "invoices", ttlMs: 30_000 });
  await ask("watch.acquire", { connection: "nas1", path: "/bad", recursive: true, lease });
  await ask("watch.acquire", { connection: "nas1", path: "/new", lease });
  await ask("watch.acquire", { connection: "nas1" });
  await ask("watch.acquire", { ...media, ttlMs: 1 });
  await ask("watch.acquire", { connection: "nas2", path: "/" });
  await ask("watch.renew", { lease });
  await ask("watch.renew", { lease: "unknown" });
  await ask("watch.renew", { lease: "a.b" });
  await ask("watch.list", {});
  await ask("watch.list", { connection: "nas1", from: 0, limit: 1 });
  await ask("watch.list", { limit: 0 });
  await ask("watch.stat", media);
  await ask("watch.stat", { connection: "nas1", path: "/bad", recursive: true });
  await ask("watch.stat", { connection: "nas1", path: "/a/../b" });
  await ask("watch.stat", []);
  await ask("watch.release", { lease, ...media });
  await ask("watch.release", { lease });
  await ask("watch.release", {});
  await ask("watch.list", {});
  await ask("directory.list", { connection: "nas1", path: "/", after: "a", limit: 1 });
  await ask("directory.list", { connection: "nas1", path: "/", after: "/q-1/sub", fresh: true });
  await ask("directory.list", { connection: "nas1", path: "/", limit: 5_001 });
  await ask("directory.stat", { connection: "nas1", paths: ["/", "/bad"] });
  await ask("directory.stat", { connection: "nas1", paths: [] });
  await ask("directory.snapshot", media);
  await ask("directory.snapshot", { connection: "nas1", path: "/bad" });
  await ask("directory.snapshot", { connection: 1 });
  await service.close();
  return answers;
}
