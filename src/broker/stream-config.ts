import type { Subjects } from "./subjects.ts";

/** What we need of the streams and buckets, and how an existing one is compared. */

export interface StreamDifference {
  /** `SMB`, `KV_SMB_WATCHES`, … */
  readonly stream: string;
  readonly field: string;
  readonly expected: string;
  readonly found: string;
  /** We cannot keep the contract with it; a difference that is not fatal is reported and lived with. */
  readonly fatal: boolean;
}

/** What a stream or bucket is for. */
export type StreamPurpose = "events" | "watches" | "checkpoints";

export interface StreamOptions {
  /** Replicas of all streams: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** How long events can be replayed, ms. Default 6 h. */
  readonly maxAgeMs?: number;
  /** Size of the event stream, bytes; the oldest messages go first. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Size of the bucket of watches, bytes. Default 64 MiB: a full bucket would refuse renewals. */
  readonly maxWatchesBytes?: number;
  /** Size of the bucket of checkpoints, bytes. Default 128 MiB. */
  readonly maxCheckpointBytes?: number;
  /** The sizes are for what has to be made; what exists may have others. Default false: a difference is reported. */
  readonly anySize?: boolean;
  /** Whether checkpoints are kept: else there is no bucket of them. Default true. */
  readonly checkpoints?: boolean;
  /** Names, where they are not to follow from the subject prefix. */
  readonly names?: StreamNames;
  /** Only use what exists: for accounts that may not create streams. Default false. */
  readonly existingOnly?: boolean;
}

export interface StreamNames {
  /** Default: the subject prefix in upper case, `SMB`. */
  readonly events?: string | undefined;
  /** Default: that and `_WATCHES`. */
  readonly watches?: string | undefined;
  /** Default: that and `_CHECKPOINTS`. */
  readonly checkpoints?: string | undefined;
}

export interface StreamNamesInUse {
  readonly events: string;
  readonly watches: string;
  readonly checkpoints: string;
}

export interface StreamSettings {
  readonly names: StreamNamesInUse;
  readonly subjects: Subjects;
  readonly replicas: number;
  readonly maxAgeMs: number;
  readonly maxBytes: Readonly<Record<StreamPurpose, number>>;
  readonly anySize: boolean;
  readonly checkpoints: boolean;
  readonly existingOnly: boolean;
}

const MIB = 1_048_576;

/** Together they fit into 512 MiB: JetStream reserves `max_bytes` when a stream is made. */
export function streamSettings(options: StreamOptions, subjects: Subjects): StreamSettings {
  return {
    names: streamNames(options, subjects),
    subjects,
    replicas: options.replicas ?? 1,
    maxAgeMs: options.maxAgeMs ?? 6 * 3_600_000,
    maxBytes: {
      events: options.maxBytes ?? 256 * MIB,
      watches: options.maxWatchesBytes ?? 64 * MIB,
      checkpoints: options.maxCheckpointBytes ?? 128 * MIB,
    },
    anySize: options.anySize ?? false,
    checkpoints: options.checkpoints ?? true,
    existingOnly: options.existingOnly ?? false,
  };
}

function streamNames({ names = {} }: StreamOptions, { prefix }: Subjects): StreamNamesInUse {
  const stem = prefix.toUpperCase();
  return {
    events: names.events ?? stem,
    watches: names.watches ?? `${stem}_WATCHES`,
    checkpoints: names.checkpoints ?? `${stem}_CHECKPOINTS`,
  };
}
