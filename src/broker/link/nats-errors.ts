import { JetStreamApiError } from "@nats-io/jetstream";
import { errors as nats, RequestError } from "@nats-io/transport-node";
import { Smb2NatsError } from "../../base/errors.ts";
import { BrokerError, type BrokerErrorCode, ConflictError } from "../errors.ts";

/** err_code values of the JetStream API that mean something to us. */
const API_CODES: ReadonlyMap<number, BrokerErrorCode> = new Map<number, BrokerErrorCode>([
  [10023, "BROKER_FULL"], // insufficient resources
  [10047, "BROKER_FULL"], // storage of the account
  [10028, "BROKER_FULL"], // memory of the account
  [10077, "BROKER_FULL"], // discard new, and full
  [10122, "BROKER_FULL"], // maximum bytes of the account
  [10026, "BROKER_NO_ROOM"], // max_consumers, which counts for each stream
  [10027, "BROKER_NO_ROOM"], // max_streams
  [10059, "BROKER_NO_STREAM"],
  [10060, "BROKER_NO_STREAM"], // answers for another stream than expected
  [10039, "BROKER_NO_JETSTREAM"],
  [10076, "BROKER_NO_JETSTREAM"],
  [10005, "BROKER_UNAVAILABLE"], // not enough nodes for the replicas: most likely not up yet
  [10008, "BROKER_UNAVAILABLE"], // the meta leader is being elected
  [10054, "BROKER_TOO_LARGE"],
]);

/** "wrong last sequence", and its kin of clustered streams that does not know which. */
const CONFLICTS: ReadonlySet<number> = new Set([10071, 10164]);

/** A failure of the NATS client as one of ours. `key` names what a conflict would be about. */
export function toBrokerError(error: unknown, what: string, key: string = what): Smb2NatsError {
  if (error instanceof Smb2NatsError) return error;
  if (error instanceof JetStreamApiError) {
    if (CONFLICTS.has(error.code)) return new ConflictError(key, error);
    const code = API_CODES.get(error.code) ?? (error.status === 503 ? "BROKER_FULL" : "BROKER_REFUSED");
    return new BrokerError(code, `${what}: ${error.message} (${error.code})`, error);
  }
  const cause = error instanceof RequestError && error.cause instanceof Error ? error.cause : error;
  return new BrokerError(classify(cause), `${what}: ${textOf(cause)}`, error);
}

function classify(error: unknown): BrokerErrorCode {
  if (nameOf(error) === "JetStreamNotEnabled" || error instanceof nats.NoRespondersError) {
    return "BROKER_NO_JETSTREAM";
  }
  if (error instanceof nats.TimeoutError) return "BROKER_TIMEOUT";
  if (
    error instanceof nats.PermissionViolationError ||
    error instanceof nats.AuthorizationError ||
    error instanceof nats.UserAuthenticationExpiredError
  ) {
    return "BROKER_DENIED";
  }
  if (error instanceof nats.InvalidSubjectError) return "BROKER_BAD_NAME";
  if (error instanceof nats.InvalidArgumentError) {
    return error.message.includes("max_payload") ? "BROKER_TOO_LARGE" : "BROKER_REFUSED";
  }
  if (
    error instanceof nats.ClosedConnectionError ||
    error instanceof nats.DrainingConnectionError ||
    error instanceof nats.ConnectionError ||
    error instanceof RequestError ||
    (error instanceof Error && "code" in error && typeof error.code === "string")
  ) {
    return "BROKER_UNAVAILABLE";
  }
  return "BROKER_REFUSED";
}

function textOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : String(error);
}

/** The package does not export all of its error classes. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}
