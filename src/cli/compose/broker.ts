import { Smb2NatsError } from "../../base/errors.ts";
import { type BrokerOptions, connectBroker } from "../../broker/broker.ts";
import { BrokerError } from "../../broker/errors.ts";
import type { ConnectAuth } from "../../broker/link/index.ts";
import type { Broker } from "../../broker/port.ts";
import type { StreamPurpose } from "../../broker/stream-config.ts";
import { NoRoomError } from "../../broker/streams/index.ts";
import type { NatsConfig } from "../../ops/config/index.ts";
import { UnavailableError } from "../exit-codes.ts";

export interface OpenBrokerOptions {
  readonly nats: NatsConfig;
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
  /** How long to try for the first connection, ms. Absent: until aborted. */
  readonly firstConnectMs?: number;
  /** A private server instead of the configured ones. */
  readonly embedded?: { readonly url: string; readonly tokenFile: string } | undefined;
  /** A worker publishes, and may keep checkpoints; others need no bucket of them. Default: neither. */
  readonly worker?: { readonly checkpoints: boolean } | undefined;
}

export const DEFAULT_NATS_URL = "nats://127.0.0.1:4222";

/** @throws BrokerError, NatsRoomError, AbortedError */
export async function openBroker(options: OpenBrokerOptions): Promise<Broker> {
  try {
    return await connectBroker(brokerOptions(options));
  } catch (error) {
    throw error instanceof NoRoomError ? new NatsRoomError(error) : error;
  }
}

/** What to set where NATS has no room for a stream; the event stream is the largest. */
const ROOM_KEYS: Readonly<Record<StreamPurpose, string>> = {
  events: "nats.stream.maxBytes",
  watches: "nats.watches.maxBytes or nats.stream.maxBytes",
  checkpoints: "nats.checkpoints.maxBytes or nats.stream.maxBytes",
};

/** NATS has no room for a stream of the size that is configured. */
export class NatsRoomError extends Smb2NatsError {
  constructor(cause: NoRoomError) {
    const { purpose, byCount, message } = cause;
    const less = byCount ? "raise its limit" : `lower ${ROOM_KEYS[purpose]}, or make room`;
    const without = purpose === "checkpoints" ? "; worker.checkpointSeconds: 0 does without it" : "";
    super("NATS_ROOM", "refused", `${message}. To start, ${less}${without}.`, { cause });
  }
}

const LOOK_MS = 10_000;

/** For commands that take part or look, and must not be the first here. @throws UnavailableError, BrokerError, AbortedError */
export async function openExistingBroker(
  nats: NatsConfig,
  name: string,
  signal: AbortSignal,
  firstConnectMs: number = LOOK_MS,
): Promise<Broker> {
  try {
    return await openBroker({ nats: { ...nats, existingOnly: true }, name, signal, firstConnectMs });
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== "BROKER_NO_STREAM") throw error;
    throw new UnavailableError(
      "no worker has ever run on this NATS: its stream and buckets are not there",
      error,
    );
  }
}

export function brokerOptions({
  nats,
  name,
  signal,
  firstConnectMs,
  embedded,
  worker,
}: OpenBrokerOptions): BrokerOptions {
  const auth =
    embedded === undefined ? natsAuth(nats) : ({ type: "token", tokenFile: embedded.tokenFile } as const);
  const configured = nats.servers.length > 0 ? nats.servers : [DEFAULT_NATS_URL];
  return {
    servers: embedded === undefined ? configured : [embedded.url],
    name,
    dialTimeoutMs: nats.connectTimeoutMs,
    streams: {
      replicas: nats.replicas,
      maxAgeMs: nats.stream.maxAgeHours * 3_600_000,
      maxBytes: nats.stream.maxBytes,
      maxWatchesBytes: nats.watches.maxBytes,
      maxCheckpointBytes: nats.checkpoints.maxBytes,
      names: {
        events: nats.stream.name,
        watches: nats.watches.name,
        checkpoints: nats.checkpoints.name,
      },
      checkpoints: worker?.checkpoints ?? false,
      // The share of a disk is another one at each start.
      anySize: embedded !== undefined,
      existingOnly: nats.existingOnly,
    },
    subjectPrefix: nats.subjectPrefix,
    lookForClash: worker !== undefined,
    ...(auth === undefined ? {} : { auth }),
    ...(embedded === undefined ? tlsOf(nats) : {}),
    ...(nats.inboxPrefix === undefined ? {} : { inboxPrefix: nats.inboxPrefix }),
    ...(nats.domain === undefined ? {} : { domain: nats.domain }),
    ...(signal === undefined ? {} : { signal }),
    ...(firstConnectMs === undefined ? {} : { firstConnectMs }),
  };
}

function natsAuth({
  credsFile,
  nkeySeedFile,
  tokenFile,
  user,
  passwordFile,
}: NatsConfig): ConnectAuth | undefined {
  if (credsFile !== undefined) return { type: "creds", credsFile };
  if (nkeySeedFile !== undefined) return { type: "nkey", seedFile: nkeySeedFile };
  if (tokenFile !== undefined) return { type: "token", tokenFile };
  if (user !== undefined && passwordFile !== undefined) return { type: "user", user, passwordFile };
  return undefined;
}

function tlsOf({ tls: { caFile, certFile, keyFile } }: NatsConfig): Pick<BrokerOptions, "tls"> {
  if (caFile === undefined && certFile === undefined && keyFile === undefined) return {};
  return {
    tls: {
      ...(caFile === undefined ? {} : { caFile }),
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
    },
  };
}
