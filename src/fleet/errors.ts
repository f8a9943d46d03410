import { type Conclusion, Smb2NatsError } from "../base/errors.ts";
import type { FleetErrorCode } from "./port.ts";

/**
 * Why the fleet cannot do what was asked: a code of the contract, `retention` (replay only), `bad_message` (control API
 * only); of snapshots alone `too_large` (more entries than are remembered) and `no_changes` (what comes after is not told).
 */
export type FleetFailure = FleetErrorCode | "retention" | "bad_message" | "too_large" | "no_changes";

const RETRYABLE: ReadonlySet<FleetFailure> = new Set(["unreachable", "internal", "limit"]);
const MISUSE: ReadonlySet<FleetFailure> = new Set(["bad_path", "bad_message"]);

/**
 * The fleet, or the share behind it, said no. `code` is `FLEET_` and the failure in upper case;
 * `failure` is the contract's own word, fit to be sent on to a client.
 */
export class FleetError extends Smb2NatsError {
  readonly failure: FleetFailure;
  constructor(failure: FleetFailure, message: string, cause?: unknown) {
    const conclusion: Conclusion = MISUSE.has(failure) ? "misuse" : "refused";
    super(`FLEET_${failure.toUpperCase()}`, conclusion, message, {
      retryable: RETRYABLE.has(failure),
      ...(cause === undefined ? {} : { cause }),
    });
    this.failure = failure;
  }
}

/** Failures that no waiting heals. */
const FINAL: ReadonlySet<FleetFailure> = new Set([
  "bad_path",
  "unknown_connection",
  "denied",
  "not_a_directory",
  "too_large",
  "no_changes",
]);

/** What it means for a mirror that there was no snapshot: see `LiveMirrorOptions.failure`. */
export function snapshotFailure(error: unknown): "absent" | "final" | "again" {
  if (!(error instanceof FleetError)) return "again";
  if (error.failure === "not_found") return "absent";
  return FINAL.has(error.failure) ? "final" : "again";
}

export function unknownConnection(): FleetError {
  return new FleetError("unknown_connection", "no worker serves this connection");
}

/** A value in the bucket that is not what its key promises. Never crashes anyone: the entry is ignored. */
export class BadRecordError extends Smb2NatsError {
  constructor(kind: "lease" | "ref" | "claim", reason: string) {
    super("BAD_RECORD", "malformed", `bad ${kind} value: ${reason}`);
  }
}

/** Our lease is lost: others may hold what we held. */
export class LeaseLostError extends Smb2NatsError {
  constructor(leaseId: string) {
    super("LEASE_LOST", "refused", `lease ${leaseId} is lost`, { retryable: true });
  }
}

const CODES: ReadonlySet<string> = new Set<FleetErrorCode>([
  "bad_path",
  "unknown_connection",
  "denied",
  "not_found",
  "not_a_directory",
  "unreachable",
  "limit",
  "internal",
]);

/** As the control API says it. */
export function failureOf(code: string): FleetFailure {
  return isFleetErrorCode(code) || isControlFailure(code) ? code : "internal";
}

function isControlFailure(code: string): code is "bad_message" | "too_large" | "no_changes" {
  return code === "bad_message" || code === "too_large" || code === "no_changes";
}

export function isFleetErrorCode(value: unknown): value is FleetErrorCode {
  return typeof value === "string" && CODES.has(value);
}
