import { describeError, Smb2NatsError } from "../../base/errors.ts";
import type { CanonicalPath } from "../../base/path.ts";
import type { Doubt } from "../doubt.ts";
import type { PublicState, WatchMode } from "../events.ts";
import { type HandleState, notifies, transitions } from "../facts.ts";
import { type NotifyOutcome, SourceError, type SourceFailure } from "../source.ts";

/** Why a handle is of no use any more. */
export interface Loss extends Doubt {
  readonly error: SourceError;
}

/** A handle as consumers see it. */
export interface HandleStatus {
  readonly state: PublicState | "starting";
  readonly mode: WatchMode;
  readonly error?: SourceError;
}

export function publishMove(
  connection: string,
  { path, recursive }: { readonly path: CanonicalPath; readonly recursive: boolean },
  from: HandleState,
  to: HandleState,
  error: SourceError | undefined,
): void {
  transitions.publish({
    connection,
    path,
    recursive,
    from,
    to,
    ...(error === undefined ? {} : { failure: error.failure }),
  });
}

export function publishAnswer(connection: string, path: CanonicalPath, outcome: NotifyOutcome): void {
  const records = outcome.type === "records" ? outcome.records.length : 0;
  notifies.publish({ connection, path, outcome: outcome.type, records });
}

/** Where a watch waits after a failure it can do nothing about. */
export function stateAfter(failure: SourceFailure): "gone" | "denied" | "unreachable" {
  switch (failure) {
    case "gone":
    case "not-a-directory":
    case "bad-path":
      return "gone";
    case "denied":
    case "credentials":
    case "policy":
      return "denied";
    default:
      return "unreachable";
  }
}

/* The same for thousands of handles. */
const LIVE: HandleStatus = { state: "live", mode: "notify" };
const POLLED: HandleStatus = { state: "live", mode: "poll" };
export const STARTING: HandleStatus = { state: "starting", mode: "notify" };

/** States on the way back to `live` change nothing for consumers. */
export function statusAfter(
  before: HandleStatus,
  state: HandleState,
  error: SourceError | undefined,
): HandleStatus {
  const mode = before.mode;
  const why = error === undefined ? {} : { error };
  switch (state) {
    case "live":
    case "polling": {
      return state === "live" ? LIVE : POLLED;
    }
    case "gone":
    case "denied":
      return { state, mode, ...why };
    case "unreachable":
      return { state: error?.failure === "busy" ? "degraded" : "unreachable", mode, ...why };
    default:
      return before;
  }
}

/** Whatever else goes wrong below counts as "away": retried with backoff, for ever. */
export function asSourceError(error: unknown): SourceError {
  if (error instanceof SourceError) return error;
  const retryable = error instanceof Smb2NatsError && error.retryable;
  return new SourceError(retryable ? "busy" : "unreachable", describeError(error), error);
}

/** A server that can neither notify nor list is only asked again later. */
export function asPollError(error: unknown): SourceError {
  const known = asSourceError(error);
  return known.failure === "unsupported" ? new SourceError("busy", known.message, known) : known;
}
