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

export interface StreamOptions {
  /** Replicas of all streams: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  /** How long events can be replayed, ms. Default 6 h. */
  readonly maxAgeMs?: number;
  /** Size of the event stream, bytes; the oldest messages go first. Default 4 GiB. */
  readonly maxBytes?: number;
  /** Size of the bucket of watches, bytes. Default 256 MiB: a full bucket would refuse renewals. */
  readonly maxWatchesBytes?: number;
  /** Size of the bucket of checkpoints, bytes. Default 1 GiB. */
  readonly maxCheckpointBytes?: number;
  /** Names, for several installations in one account. The subjects of events are the contract's and stay. */
  readonly names?: StreamNames;
  /** Only use what exists: for accounts that may not create streams. Default false. */
  readonly existingOnly?: boolean;
}

export interface StreamNames {
  /** Default `SMB`. */
  readonly events?: string;
  /** Default `SMB_WATCHES`. */
  readonly watches?: string;
  /** Default `SMB_CHECKPOINTS`. */
  readonly checkpoints?: string;
}
