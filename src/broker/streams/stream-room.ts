import type { JetStreamAccountStats, StreamInfo } from "@nats-io/jetstream";
import { JetStreamApiError } from "@nats-io/jetstream";
import { BrokerError } from "../errors.ts";
import type { NatsLink } from "../link/index.ts";
import type { StreamPurpose, StreamSettings } from "../stream-config.ts";

/** NATS has no room for a stream: JetStream reserves `max_bytes` of each when it is made. */
export class NoRoomError extends BrokerError {
  readonly purpose: StreamPurpose;
  /** Not size, but the number of streams, is the limit. */
  readonly byCount: boolean;

  constructor(purpose: StreamPurpose, message: string, byCount: boolean, cause: unknown) {
    super("BROKER_NO_ROOM", message, cause);
    this.purpose = purpose;
    this.byCount = byCount;
  }
}

/** err_code values with which a stream is refused for want of room. */
const MAX_STREAMS = 10_027;
const MAX_STREAM_BYTES = 10_122;
const NO_ROOM: ReadonlySet<number> = new Set([10_023, 10_028, 10_047, MAX_STREAMS, MAX_STREAM_BYTES]);

export function isNoRoom(error: unknown): error is JetStreamApiError {
  return error instanceof JetStreamApiError && NO_ROOM.has(error.code);
}

/** The refusal with what was asked for, and the limit in its way as far as the account may see it. */
export async function noRoom(
  link: NatsLink,
  error: JetStreamApiError,
  stream: { readonly name: string; readonly purpose: StreamPurpose },
  found: Iterable<StreamInfo>,
  { maxBytes, replicas }: StreamSettings,
): Promise<NoRoomError> {
  const { name, purpose } = stream;
  let ours = 0;
  for (const { config } of found) ours += config.max_bytes * config.num_replicas;
  const copies = replicas > 1 ? `, ${replicas} times` : "";
  const limit = await limitOf(link, error.code, replicas, ours);
  const text = `no room for stream ${name}: ${maxBytes[purpose]} bytes wanted${copies}; ${limit}: ${error.message} (${error.code})`;
  return new NoRoomError(purpose, text, error.code === MAX_STREAMS, error);
}

async function limitOf(link: NatsLink, code: number, replicas: number, ours: number): Promise<string> {
  let stats: JetStreamAccountStats;
  try {
    stats = await link.jsm.getAccountInfo();
  } catch {
    return "the account's limits may not be seen";
  }
  // An account has limits in all, or for each number of replicas.
  const tiers = stats.tiers as Readonly<Record<string, Tier>> | undefined;
  const tier: Tier = tiers?.[`R${replicas}`] ?? (stats as unknown as Tier);
  const { limits, streams } = tier;
  if (code === MAX_STREAMS) return `the account takes ${limits.max_streams} streams and has ${streams}`;
  const largest = limits.storage_max_stream_bytes ?? 0;
  if (code === MAX_STREAM_BYTES && largest > 0) {
    return `the account takes streams of at most ${largest} bytes (disk_max_stream_bytes)`;
  }
  if (limits.max_storage > 0) {
    return `the account has ${limits.max_storage} bytes${ours > 0 ? `, and ours take ${ours}` : ""}`;
  }
  return "the server has less left (max_file_store; unless set, three quarters of its free disk)";
}

/** As the server has it; the client's types know a part of it. */
interface Tier {
  readonly streams: number;
  readonly limits: {
    readonly max_storage: number;
    readonly max_streams: number;
    readonly storage_max_stream_bytes?: number;
  };
}

/**
 * What an attempt before this one has left, with other sizes: a stream of ours in which nothing was ever stored is made
 * as small as it is wanted now, and `found` brought up to date. Returns whether that freed anything.
 */
export async function shrinkUnused(
  link: NatsLink,
  found: Map<StreamPurpose, StreamInfo>,
  { maxBytes }: StreamSettings,
): Promise<boolean> {
  let freed = false;
  for (const [purpose, info] of found) {
    const { config, state } = info;
    const ours = config.description?.endsWith(OURS) === true;
    if (!ours || state.last_seq > 0 || config.max_bytes <= maxBytes[purpose]) continue;
    try {
      found.set(purpose, await link.jsm.streams.update(config.name, { max_bytes: maxBytes[purpose] }));
      freed = true;
    } catch {
      // No permission, perhaps: the refusal that brought us here is what is told.
    }
  }
  return freed;
}

/** Ends the description of every stream we make. */
export const OURS = "(smb2nats)";
