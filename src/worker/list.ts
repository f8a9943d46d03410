import { waitFor } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { BadPathError, describeError } from "../base/errors.ts";
import { canonicalPath } from "../base/path.ts";
import { Turnstile } from "../base/turnstile.ts";
import { FleetError } from "../fleet/errors.ts";
import type { FleetErrorCode, Listing, ListRequest, StatAnswer, StatRequest } from "../fleet/port.ts";
import { SourceError, type SourceFailure } from "../watch/source.ts";
import type { ConnectionRuntime } from "./runtime.ts";

const CODES: Readonly<Record<SourceFailure, FleetErrorCode>> = {
  gone: "not_found",
  denied: "denied",
  "not-a-directory": "not_a_directory",
  unsupported: "internal",
  busy: "limit",
  unreachable: "unreachable",
  // The operator's matter, not the asker's: to the asker the share is out of reach.
  credentials: "unreachable",
  policy: "unreachable",
  "bad-path": "bad_path",
};

/** The contract's code for a failure of the file server. */
export function codeOfFailure(error: unknown): FleetErrorCode {
  if (error instanceof SourceError) return CODES[error.failure];
  return error instanceof BadPathError ? "bad_path" : "internal";
}

/** One page of a directory. @throws FleetError */
export async function listDirectory(
  connections: ReadonlyMap<string, ConnectionRuntime>,
  request: ListRequest,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<Listing> {
  const runtime = connections.get(request.connection);
  if (runtime === undefined) throw new FleetError("unknown_connection", "this worker has no such connection");
  const { path, after, limit } = request;
  try {
    return await runtime.list(
      {
        path: canonicalPath(path),
        ...(after === undefined ? {} : { after }),
        ...(limit === undefined ? {} : { limit }),
      },
      options,
    );
  } catch (error) {
    throw new FleetError(codeOfFailure(error), describeError(error), error);
  }
}

/** Looks of one request under way: a few round trips' worth, so that those of others find their turn between them. */
const STATS_AT_ONCE = 32;
const STAT_DEADLINE_MS = 5_000;

/** What each path is. One that hangs is `unreachable`, and keeps no other waiting for ever. @throws FleetError */
export async function statDirectories(
  connections: ReadonlyMap<string, ConnectionRuntime>,
  { connection, paths }: StatRequest,
  { signal, clock = systemClock }: { readonly signal?: AbortSignal | undefined; readonly clock?: Clock },
): Promise<readonly StatAnswer[]> {
  const runtime = connections.get(connection);
  if (runtime === undefined) throw new FleetError("unknown_connection", "this worker has no such connection");
  const over = new AbortController();
  const signals = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const turnstile = new Turnstile(STATS_AT_ONCE);
  const cancel = clock.after(STAT_DEADLINE_MS, () => over.abort());
  const look = async (path: string): Promise<StatAnswer> => {
    try {
      const found = runtime.stat?.(canonicalPath(path), { signal: signals });
      const info = found === undefined ? undefined : await waitFor(found, { signal: signals });
      return info?.type === "file" ? "not_a_directory" : "directory";
    } catch (error) {
      return over.signal.aborted ? "unreachable" : codeOfFailure(error);
    }
  };
  try {
    return await Promise.all(paths.map((path) => turnstile.run(() => look(path))));
  } finally {
    cancel();
  }
}
