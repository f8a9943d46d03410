import { type Conclusion, Smb2NatsError } from "../base/errors.ts";

/**
 * - `BROKER_UNAVAILABLE`: no connection, or it ended while an answer was due.
 * - `BROKER_TIMEOUT`: no answer in time; a write may or may not have been stored.
 * - `BROKER_DENIED`: the server refused our login, or a subject by permission.
 * - `BROKER_NO_JETSTREAM`: nothing answers for JetStream, or for the stream, here.
 * - `BROKER_NO_STREAM`: the stream or bucket does not exist.
 * - `BROKER_FULL`: the stream or the account is at its limit.
 * - `BROKER_NO_ROOM`: a stream, bucket or consumer cannot be made, for its size or their number.
 * - `BROKER_CONFLICT`: see `ConflictError`.
 * - `BROKER_UNSAFE_SERVER`: this server version loses compare-and-swap writes.
 * - `BROKER_STREAM_DIFFERS`: a stream or bucket exists with a configuration we cannot work with.
 * - `BROKER_MALFORMED`: a message or subject breaks the contract.
 * - `BROKER_BAD_NAME`: a connection name, lease id or key that cannot be put into a subject.
 * - `BROKER_BAD_OPTIONS`: connect options that contradict each other, or a file that cannot be read.
 * - `BROKER_TOO_LARGE`: over the size limit.
 * - `BROKER_RETENTION`: what was asked for is no longer stored, or was stored in another stream.
 * - `BROKER_REFUSED`: any other answer no.
 */
export type BrokerErrorCode =
  | "BROKER_UNAVAILABLE"
  | "BROKER_TIMEOUT"
  | "BROKER_DENIED"
  | "BROKER_NO_JETSTREAM"
  | "BROKER_NO_STREAM"
  | "BROKER_FULL"
  | "BROKER_NO_ROOM"
  | "BROKER_CONFLICT"
  | "BROKER_UNSAFE_SERVER"
  | "BROKER_STREAM_DIFFERS"
  | "BROKER_MALFORMED"
  | "BROKER_BAD_NAME"
  | "BROKER_BAD_OPTIONS"
  | "BROKER_TOO_LARGE"
  | "BROKER_RETENTION"
  | "BROKER_REFUSED";

interface Traits {
  readonly conclusion: Conclusion;
  readonly retryable: boolean;
}

const TRAITS: Readonly<Record<BrokerErrorCode, Traits>> = {
  BROKER_UNAVAILABLE: { conclusion: "hung-up", retryable: true },
  BROKER_TIMEOUT: { conclusion: "silent", retryable: true },
  BROKER_DENIED: { conclusion: "refused", retryable: false },
  BROKER_NO_JETSTREAM: { conclusion: "refused", retryable: true },
  BROKER_NO_STREAM: { conclusion: "refused", retryable: true },
  BROKER_FULL: { conclusion: "refused", retryable: true },
  BROKER_NO_ROOM: { conclusion: "refused", retryable: false },
  BROKER_CONFLICT: { conclusion: "refused", retryable: false },
  BROKER_UNSAFE_SERVER: { conclusion: "refused", retryable: false },
  BROKER_STREAM_DIFFERS: { conclusion: "refused", retryable: false },
  BROKER_MALFORMED: { conclusion: "malformed", retryable: false },
  BROKER_BAD_NAME: { conclusion: "misuse", retryable: false },
  BROKER_BAD_OPTIONS: { conclusion: "misuse", retryable: false },
  BROKER_TOO_LARGE: { conclusion: "misuse", retryable: false },
  BROKER_RETENTION: { conclusion: "refused", retryable: false },
  BROKER_REFUSED: { conclusion: "refused", retryable: false },
};

export const BROKER_ERROR_CODES: readonly BrokerErrorCode[] = Object.keys(TRAITS) as BrokerErrorCode[];

/** Everything the broker floor throws on purpose. Branch on `code`. */
export class BrokerError extends Smb2NatsError {
  declare readonly code: BrokerErrorCode;
  constructor(code: BrokerErrorCode, message: string, cause?: unknown) {
    super(code, TRAITS[code].conclusion, message, { retryable: TRAITS[code].retryable, cause });
  }
}

/**
 * A compare-and-swap did not match. It says nothing about who wrote what: read the key from the leader
 * before concluding anything (clustered servers also report conflicts that are none).
 */
export class ConflictError extends BrokerError {
  readonly key: string;
  constructor(key: string, cause?: unknown) {
    super("BROKER_CONFLICT", `${key}: not at the expected revision`, cause);
    this.key = key;
  }
}
