import { createHash } from "node:crypto";
import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { millis, nanos } from "@nats-io/transport-node";
import { BrokerError } from "../errors.ts";
import type { NatsLink } from "../link/link.ts";
import { toBrokerError } from "../link/nats-errors.ts";
import type { StreamDifference, StreamOptions } from "../stream-config.ts";
import { base32 } from "../token.ts";
import { checkServerVersion } from "../versions.ts";

export const INGEST_SUBJECTS: string = "smbin.>";
export const EVENT_SUBJECTS: string = "smb.>";

const HOUR_MS = 3_600_000;
const MIB = 1_048_576;
/** Long enough for every retry after a short outage; each remembered id costs the server memory. */
const DUPLICATE_WINDOW_MS = 30_000;

export interface StreamNamesInUse {
  readonly events: string;
  readonly watches: string;
  readonly checkpoints: string;
}

export interface PreparedStreams {
  readonly names: StreamNamesInUse;
  readonly watchesNonce: string;
  readonly eventsNonce: string;
  readonly differences: readonly StreamDifference[];
}

export function streamNames(options: StreamOptions): StreamNamesInUse {
  return {
    events: options.names?.events ?? "SMB",
    watches: options.names?.watches ?? "SMB_WATCHES",
    checkpoints: options.names?.checkpoints ?? "SMB_CHECKPOINTS",
  };
}

/** The name of this incarnation of a stream: sequences and revisions of another one mean nothing. */
export function streamNonce(info: Pick<StreamInfo, "created">): string {
  return base32(createHash("sha256").update(info.created).digest().subarray(0, 5));
}

/**
 * Creates the event stream and both buckets, or verifies existing ones. What differs is reported, never changed: it
 * may be an operator's wish.
 * @throws BrokerError `BROKER_STREAM_DIFFERS` when a difference breaks the contract, `BROKER_UNSAFE_SERVER`,
 * `BROKER_NO_JETSTREAM`, `BROKER_NO_STREAM` with `existingOnly`
 */
export async function prepareStreams(link: NatsLink, options: StreamOptions): Promise<PreparedStreams> {
  const names = streamNames(options);
  const replicas = options.replicas ?? 1;
  checkServerVersion(link.server.version, replicas);
  try {
    const events = await ensureEvents(link, names.events, options);
    const watches = await ensureBucket(link, names.watches, options);
    const checkpoints = await ensureObjects(link, names.checkpoints, options);
    // What exists decides, not what we would have made.
    checkServerVersion(link.server.version, watches.config.num_replicas);
    const differences = [
      ...compare(events.config, expectedEvents(names.events, options)),
      ...compare(watches.config, expectedBucket(names.watches, options)),
      ...compare(checkpoints.config, expectedObjects(names.checkpoints, options)),
    ];
    const fatal = differences.filter((difference) => difference.fatal);
    if (fatal.length > 0) {
      throw new BrokerError("BROKER_STREAM_DIFFERS", fatal.map(describeDifference).join("; "));
    }
    return { names, watchesNonce: streamNonce(watches), eventsNonce: streamNonce(events), differences };
  } catch (error) {
    throw toBrokerError(error, "prepare streams");
  }
}

export function describeDifference(difference: StreamDifference): string {
  const { stream, field, expected, found } = difference;
  return `stream ${stream}: ${field} is ${found}, expected ${expected}`;
}

async function find(link: NatsLink, name: string): Promise<StreamInfo | undefined> {
  try {
    return await link.jsm.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
}

async function ensure(
  link: NatsLink,
  name: string,
  options: StreamOptions,
  create: () => Promise<unknown>,
): Promise<StreamInfo> {
  const existing = await find(link, name);
  if (existing !== undefined) return existing;
  if (options.existingOnly === true)
    throw new BrokerError("BROKER_NO_STREAM", `stream ${name} does not exist`);
  try {
    await create();
  } catch (error) {
    // Another process was faster, with a configuration that differs in what the server compares.
    const winner = await find(link, name);
    if (winner === undefined) throw error;
    return winner;
  }
  return link.jsm.streams.info(name);
}

function ensureEvents(link: NatsLink, name: string, options: StreamOptions): Promise<StreamInfo> {
  return ensure(link, name, options, () =>
    link.jsm.streams.add({
      name,
      description: "Directory changes on SMB shares (smb2nats)",
      subjects: [INGEST_SUBJECTS],
      republish: { src: INGEST_SUBJECTS, dest: EVENT_SUBJECTS },
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_age: nanos(options.maxAgeMs ?? 6 * HOUR_MS),
      max_bytes: options.maxBytes ?? 4_096 * MIB,
      duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, options.maxAgeMs ?? DUPLICATE_WINDOW_MS)),
      num_replicas: options.replicas ?? 1,
      allow_direct: true,
    }),
  );
}

function ensureBucket(link: NatsLink, name: string, options: StreamOptions): Promise<StreamInfo> {
  return ensure(link, `KV_${name}`, options, () =>
    new Kvm(link.js).create(name, {
      description: "Leases, references and claims of watches (smb2nats)",
      history: 1,
      storage: StorageType.File,
      replicas: options.replicas ?? 1,
      max_bytes: options.maxWatchesBytes ?? 256 * MIB,
    }),
  );
}

function ensureObjects(link: NatsLink, name: string, options: StreamOptions): Promise<StreamInfo> {
  return ensure(link, `OBJ_${name}`, options, () =>
    new Objm(link.js).create(name, {
      description: "Pictures of watched directories (smb2nats)",
      storage: StorageType.File,
      replicas: options.replicas ?? 1,
      max_bytes: options.maxCheckpointBytes ?? 1_024 * MIB,
      ttl: nanos(checkpointAge(options)),
    }),
  );
}

/** A picture is of no use without the events that came after it; living owners renew theirs in time. */
function checkpointAge(options: StreamOptions): number {
  return options.maxAgeMs ?? 6 * HOUR_MS;
}

interface Expectation {
  readonly field: string;
  readonly expected: unknown;
  readonly found: (config: StreamConfig) => unknown;
  readonly fatal: boolean;
}

interface Expected {
  readonly stream: string;
  readonly fields: readonly Expectation[];
}

function expectedEvents(stream: string, options: StreamOptions): Expected {
  return {
    stream,
    fields: [
      must("subjects", INGEST_SUBJECTS, (config) => config.subjects.join(",")),
      must("republish", `${INGEST_SUBJECTS} -> ${EVENT_SUBJECTS}`, (config) => {
        const { republish } = config;
        if (republish === undefined) return "none";
        return `${republish.src} -> ${republish.dest}${republish.headers_only === true ? " (headers only)" : ""}`;
      }),
      must("retention", RetentionPolicy.Limits, (config) => config.retention),
      // A limit per subject removes from the middle, and a reader cannot tell.
      must("max_msgs_per_subject", "unlimited", (config) => limit(config.max_msgs_per_subject)),
      should("storage", StorageType.File, (config) => config.storage),
      should("discard", DiscardPolicy.Old, (config) => config.discard),
      should("max_age ms", options.maxAgeMs ?? 6 * HOUR_MS, (config) => millis(config.max_age)),
      should("max_bytes", options.maxBytes ?? 4_096 * MIB, (config) => config.max_bytes),
      should("duplicate_window ms", DUPLICATE_WINDOW_MS, (config) => millis(config.duplicate_window)),
      should("num_replicas", options.replicas ?? 1, (config) => config.num_replicas),
    ],
  };
}

function expectedBucket(name: string, options: StreamOptions): Expected {
  return {
    stream: `KV_${name}`,
    fields: [
      must("storage", StorageType.File, (config) => config.storage),
      // With a TTL an outage of the broker would expire every lease at once.
      must("max_age ms", 0, (config) => millis(config.max_age)),
      should("history", 1, (config) => config.max_msgs_per_subject),
      should("max_bytes", options.maxWatchesBytes ?? 256 * MIB, (config) => config.max_bytes),
      should("num_replicas", options.replicas ?? 1, (config) => config.num_replicas),
    ],
  };
}

function expectedObjects(name: string, options: StreamOptions): Expected {
  return {
    stream: `OBJ_${name}`,
    fields: [
      should("storage", StorageType.File, (config) => config.storage),
      should("max_age ms", checkpointAge(options), (config) => millis(config.max_age)),
      should("max_bytes", options.maxCheckpointBytes ?? 1_024 * MIB, (config) => config.max_bytes),
      should("num_replicas", options.replicas ?? 1, (config) => config.num_replicas),
    ],
  };
}

function must(field: string, expected: unknown, found: Expectation["found"]): Expectation {
  return { field, expected, found, fatal: true };
}

function should(field: string, expected: unknown, found: Expectation["found"]): Expectation {
  return { field, expected, found, fatal: false };
}

function limit(value: number): number | string {
  return value <= 0 ? "unlimited" : value;
}

function compare(config: StreamConfig, expected: Expected): StreamDifference[] {
  return expected.fields.flatMap(({ field, expected: want, found, fatal }) => {
    const have = found(config);
    if (have === want) return [];
    return [{ stream: expected.stream, field, expected: String(want), found: String(have), fatal }];
  });
}
