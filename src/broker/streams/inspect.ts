import { millis } from "@nats-io/transport-node";
import { waitFor } from "../../base/async.ts";
import { type ConnectOptions, NatsLink, toBrokerError } from "../link/index.ts";
import {
  type StreamDifference,
  type StreamOptions,
  type StreamPurpose,
  streamSettings,
} from "../stream-config.ts";
import { compareStream } from "./stream-comparison.ts";
import { findStream, PURPOSES, STREAM_OF } from "./streams.ts";

/** One of our streams as the server has it. */
export interface StreamReport {
  /** `SMB`, `KV_SMB_WATCHES`, `OBJ_SMB_CHECKPOINTS`, or as configured. */
  readonly stream: string;
  readonly purpose: StreamPurpose;
  /** Absent: there is no such stream. */
  readonly found?: {
    readonly usedBytes: number;
    /** What the server keeps free for it, bytes; absent: no limit. */
    readonly reservedBytes?: number;
    readonly messages: number;
    readonly consumers: number;
    /** How long a message is kept, ms; absent: for ever. */
    readonly maxAgeMs?: number;
    readonly replicas: number;
    readonly storage: string;
  };
  /** From what the configuration asks for. */
  readonly differences: readonly StreamDifference[];
}

/** What the account may store, where it may be asked; bytes. */
export interface AccountReport {
  readonly usedBytes: number;
  readonly reservedBytes?: number;
  /** Absent: no limit but the server's. */
  readonly limitBytes?: number;
  readonly streams: number;
  readonly limitStreams?: number;
}

export interface StorageReport {
  readonly server: { readonly name: string; readonly version: string };
  readonly streams: readonly StreamReport[];
  readonly account?: AccountReport;
}

/** Looks, and makes nothing. @throws BrokerError, AbortedError, DeadlineError */
export async function inspectStorage(
  options: ConnectOptions & { readonly streams?: StreamOptions; readonly deadlineMs: number },
): Promise<StorageReport> {
  const { streams = {}, deadlineMs, signal } = options;
  const link = await NatsLink.connect(options);
  try {
    const settings = streamSettings(streams, link.subjects);
    const wanted = PURPOSES.filter((purpose) => purpose !== "checkpoints" || settings.checkpoints);
    const reports = wanted.map(async (purpose): Promise<StreamReport> => {
      const stream = STREAM_OF[purpose](settings.names);
      const info = await findStream(link, stream);
      if (info === undefined) return { stream, purpose, differences: [] };
      const { config, state } = info;
      const maxAgeMs = millis(config.max_age);
      return {
        stream,
        purpose,
        found: {
          usedBytes: state.bytes,
          ...(config.max_bytes > 0 ? { reservedBytes: config.max_bytes } : {}),
          messages: state.messages,
          consumers: state.consumer_count,
          ...(maxAgeMs > 0 ? { maxAgeMs } : {}),
          replicas: config.num_replicas,
          storage: config.storage,
        },
        differences: compareStream(purpose, config, settings),
      };
    });
    const wait = { deadlineMs, signal, what: "JetStream" };
    const [account, found] = await waitFor(Promise.all([askAccount(link), Promise.all(reports)]), wait);
    const { name, version } = link.server;
    return {
      server: { name, version },
      streams: found,
      ...(account === undefined ? {} : { account }),
    };
  } catch (error) {
    throw toBrokerError(error, "look at the streams");
  } finally {
    await link.close();
  }
}

/** `undefined` where the right to ask is missing: the streams say enough. */
async function askAccount(link: NatsLink): Promise<AccountReport | undefined> {
  try {
    const { limits, storage, streams, ...more } = await link.jsm.getAccountInfo();
    const reserved = Reflect.get(more, "reserved_storage") as unknown;
    return {
      usedBytes: storage,
      ...(typeof reserved === "number" ? { reservedBytes: reserved } : {}),
      ...(limits.max_storage >= 0 ? { limitBytes: limits.max_storage } : {}),
      streams,
      ...(limits.max_streams >= 0 ? { limitStreams: limits.max_streams } : {}),
    };
  } catch {
    return undefined;
  }
}
