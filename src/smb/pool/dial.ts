import type { AuthProvider } from "../../auth/provider.ts";
import { DecodeError } from "../../codec/errors.ts";
import { NtStatus } from "../../codec/status.ts";
import { type DfsLocation, shareKey } from "../dfs-location.ts";
import { SmbProtocolError, SmbStatusError } from "../errors.ts";
import { askReferral } from "../files/index.ts";
import { negotiate, Session, Tree } from "../login/index.ts";
import type { ConnectionOptions } from "../options.ts";
import { Connection } from "../wire/index.ts";

export interface DialOptions {
  readonly connection: ConnectionOptions;
  readonly auth: AuthProvider;
  readonly share: string;
}

interface DialAttempt {
  readonly signal?: AbortSignal | undefined;
  readonly previousSessionId?: bigint | undefined;
}

/** Longest chain of servers that name each other for one share. */
const MOST_HOPS = 8;

/**
 * The whole way to a share: connect, negotiate, log in, connect to the share. Whatever fails on the way
 * leaves no socket behind. A server without the share may know who has it: a domain controller knows the
 * servers of a domain's DFS namespaces (MS-DFSC 3.1.4.1), which are tried in its order.
 * @throws SmbConnectionError, SmbTimeoutError, SmbProtocolError, SmbSecurityError, SmbCredentialsError,
 *   SmbStatusError, AbortedError
 */
export function dialTree(options: DialOptions, attempt: DialAttempt = {}): Promise<Tree> {
  return dialHop(options, attempt, new Set());
}

async function dialHop(options: DialOptions, attempt: DialAttempt, seen: Set<string>): Promise<Tree> {
  const { signal, previousSessionId } = attempt;
  const { host, port } = options.connection;
  seen.add(shareKey({ host, port, share: options.share, names: [] }));
  let referred: readonly DfsLocation[] = [];
  const connection = await Connection.open(options.connection, { signal });
  let session: Session | undefined;
  let failure: unknown;
  try {
    const negotiated = await negotiate(connection, { signal });
    session = await Session.logIn(connection, negotiated, { auth: options.auth, signal, previousSessionId });
    try {
      return await Tree.connect(session, options.share, { signal });
    } catch (error) {
      referred = isAbsent(error) ? await rootTargets(session, options.share, signal) : [];
      throw error;
    }
  } catch (cause) {
    const error =
      cause instanceof DecodeError ? new SmbProtocolError("the handshake is malformed", cause) : cause;
    // A session without a share is still a session: log off where there is one.
    const loggedIn = session;
    if (loggedIn === undefined) connection.destroy(error instanceof Error ? error : new Error(String(error)));
    await connection.close((hurry) => loggedIn?.logOff(hurry) ?? Promise.resolve());
    failure = error;
  }
  for (const target of referred) {
    // A namespace's root is a share: a target below one would be none. Neither is one that was asked already.
    if (target.names.length > 0 || seen.has(shareKey(target)) || seen.size > MOST_HOPS) continue;
    const { host: targetHost, port: targetPort, share } = target;
    const there = { ...options.connection, host: targetHost, port: targetPort, referred: true };
    try {
      return await dialHop({ ...options, connection: there, share }, { signal }, seen);
    } catch (error) {
      if (signal?.aborted === true) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** Who has the share, where the server knows; nobody otherwise. */
async function rootTargets(
  session: Session,
  share: string,
  signal: AbortSignal | undefined,
): Promise<readonly DfsLocation[]> {
  try {
    const { host } = session.connection.options;
    const { consumed, targets } = await askReferral(session, `\\${host}\\${share}`, { signal });
    return consumed === 0 ? targets : [];
  } catch {
    return [];
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof SmbStatusError && error.status === NtStatus.BAD_NETWORK_NAME;
}
