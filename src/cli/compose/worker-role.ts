import { hostname } from "node:os";
import type { Broker } from "../../broker/port.ts";
import type { Config } from "../../ops/config/index.ts";
import type { Secret } from "../../ops/secrets.ts";
import { Worker } from "../../worker/worker.ts";
import { UnavailableError } from "../exit-codes.ts";
import { ConnectionSet } from "./connections.ts";
import { firstContact } from "./first-contact.ts";
import type { Service } from "./service.ts";

export interface WorkerRoleOptions {
  readonly broker: Broker;
  readonly prompted?: { readonly connection: string; readonly password: Secret } | undefined;
  /** A share named on the command line: a refused login ends the start. `where` is for people. */
  readonly probe?: { readonly connection: string; readonly where: string } | undefined;
}

/** Starts a worker over the configured shares and keeps it in step with the configuration. */
export async function startWorker(
  service: Service,
  { broker, prompted, probe }: WorkerRoleOptions,
): Promise<Worker> {
  const { scope, log, metrics, ops, version, stopping } = service;
  const { config } = service.loaded;
  const connections = scope.use(new ConnectionSet({ log, metrics, prompted }));
  await connections.apply(config);
  if (probe !== undefined) await tryLogin(connections, service, probe);
  const worker = new Worker({
    broker,
    connections: connections.runtimes,
    pins: config.watches,
    ttlMs: config.worker.leaseTtlMs,
    capacity: config.worker.capacity,
    host: hostname(),
    version: version.version,
    checkpoints: config.worker.checkpointSeconds > 0 && {
      afterMs: config.worker.checkpointSeconds * 1_000,
      // What the stream has forgotten, a checkpoint can no longer be brought up to date by.
      againMs: config.nats.stream.maxAgeHours * 1_200_000,
    },
    publisher: {
      mode: config.events.mode,
      maxInFlight: config.worker.maxInFlight,
      maxMessages: config.worker.outbox.maxMessages,
      maxBytes: config.worker.outbox.maxBytes,
    },
  });
  scope.defer(async () => {
    await worker.drain({ deadlineMs: config.worker.drainSeconds * 1_000 });
    await worker.close();
  });
  scope.defer(
    ops.addCheck("lease", () =>
      worker.ready ? { ready: true } : { ready: false, reason: "no valid lease" },
    ),
  );
  scope.defer(metrics.beforeScrape(() => readGauges(worker, service)));
  service.onReload(async ({ config: next }, reload) => {
    await connections.apply(next, reload);
    await worker.updateConnections(connections.runtimes);
    worker.updatePins(next.watches);
    await connections.closeObsolete();
    warnOfRestart(service, config, next);
    warnOfHandles(service, next, config);
  });
  await worker.start({ signal: stopping });
  log.info("worker.started", "watching", {
    connections: [...connections.runtimes.keys()],
    pinned: config.watches.length,
  });
  warnOfHandles(service, config);
  return worker;
}

/** A server that is away may come back; an account that is refused will not heal by itself. */
async function tryLogin(
  connections: ConnectionSet,
  { loaded, stopping }: Service,
  { connection, where }: { readonly connection: string; readonly where: string },
): Promise<void> {
  const share = connections.share(connection);
  if (share === undefined) return;
  const username = loaded.config.connections[connection]?.username;
  try {
    await firstContact(share, { connection, where, username, signal: stopping });
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
  }
}

function readGauges(worker: Worker, { metrics: { broker, fleet } }: Service): void {
  const { messages, bytes, inFlight } = worker.publisher?.depth ?? { messages: 0, bytes: 0, inFlight: 0 };
  broker.outboxMessages.set(messages);
  broker.outboxBytes.set(bytes);
  broker.inFlight.set(inFlight);
  fleet.claims.reset();
  for (const { record } of worker.controller?.owned() ?? [])
    fleet.claims.inc({ connection: record.connection });
}

/** What some connections do to other people, unless that has been said. */
function warnOfHandles({ log }: Service, { connections }: Config, before?: Config): void {
  for (const [connection, { cover }] of Object.entries(connections)) {
    if (cover !== "directory" || before?.connections[connection]?.cover === cover) continue;
    log.warn("cover.in-the-way", "others cannot reliably remove or rename directories that are watched", {
      connection,
      cover,
      remedy: "cover: auto",
    });
  }
}

/** Sections that are read once. */
function warnOfRestart({ log }: Service, before: Config, after: Config): void {
  const sections = (["nats", "events", "worker", "http"] as const).filter(
    (section) => JSON.stringify(before[section]) !== JSON.stringify(after[section]),
  );
  if (sections.length > 0) {
    log.warn("config.needs-restart", "these sections take effect at the next start", { sections });
  }
}
