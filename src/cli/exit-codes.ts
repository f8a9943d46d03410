import { errorCode, Smb2NatsError } from "../base/errors.ts";

/** What a script may conclude from the exit status (sysexits.h where there is a number for it). */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  /** EX_UNAVAILABLE: a server could not be reached. */
  unavailable: 69,
  /** EX_NOPERM: a server refused us. */
  refused: 77,
  /** EX_CONFIG */
  config: 78,
  /** As timeout(1) has it: time was up before there was enough. */
  timeout: 124,
  /** 128 + SIGINT */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The command line makes no sense. */
export class UsageError extends Smb2NatsError {
  constructor(message: string) {
    super("USAGE", "misuse", message);
  }
}

/** The person at the terminal said stop. */
export class InterruptedError extends Smb2NatsError {
  constructor() {
    super("INTERRUPTED", "aborted", "interrupted");
  }
}

const BY_CODE: Readonly<Record<string, ExitCode>> = {
  USAGE: EXIT.usage,
  INTERRUPTED: EXIT.interrupted,
  CONFIG: EXIT.config,
  SECRET_FILE: EXIT.config,
  SOURCE_CREDENTIALS: EXIT.refused,
  SOURCE_DENIED: EXIT.refused,
  SOURCE_UNREACHABLE: EXIT.unavailable,
  DEADLINE: EXIT.unavailable,
  UNAVAILABLE: EXIT.unavailable,
  REFUSED: EXIT.refused,
  BAD_PATH: EXIT.usage,
  BROKER_UNAVAILABLE: EXIT.unavailable,
  BROKER_TIMEOUT: EXIT.unavailable,
  BROKER_NO_JETSTREAM: EXIT.unavailable,
  BROKER_NO_STREAM: EXIT.unavailable,
  BROKER_DENIED: EXIT.refused,
  BROKER_BAD_OPTIONS: EXIT.config,
  BROKER_NO_ROOM: EXIT.config,
  BROKER_UNSAFE_SERVER: EXIT.config,
  BROKER_STREAM_DIFFERS: EXIT.config,
  NATS_ROOM: EXIT.config,
  FLEET_DENIED: EXIT.refused,
  FLEET_UNREACHABLE: EXIT.unavailable,
  FLEET_BAD_PATH: EXIT.usage,
  EMBEDDED_NATS: EXIT.unavailable,
  AUTH_BAD_CREDENTIALS: EXIT.config,
  GATEWAY_OPTIONS: EXIT.config,
};

export function exitCodeOf(error: unknown): ExitCode {
  return BY_CODE[errorCode(error)] ?? EXIT.failure;
}

/** A server that this command cannot do without is not there. */
export class UnavailableError extends Smb2NatsError {
  constructor(message: string, cause?: unknown) {
    super("UNAVAILABLE", "never-sent", message, { retryable: true, cause });
  }
}

/** A server that this command cannot do without said no. */
export class RefusedError extends Smb2NatsError {
  constructor(message: string, cause?: unknown) {
    super("REFUSED", "refused", message, { cause });
  }
}
