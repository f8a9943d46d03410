import { BadPathError, describeError } from "../base/errors.ts";
import { canonicalPath } from "../base/path.ts";
import { FleetError } from "../fleet/errors.ts";
import type { FleetErrorCode, Listing, ListRequest } from "../fleet/port.ts";
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
