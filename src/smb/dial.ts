import type { AuthProvider } from "../auth/provider.ts";
import { DecodeError } from "../codec/errors.ts";
import { Connection } from "./connection.ts";
import { SmbProtocolError } from "./errors.ts";
import { negotiate } from "./negotiate.ts";
import type { ConnectionOptions } from "./options.ts";
import { Session } from "./session.ts";
import { Tree } from "./tree.ts";

export interface DialOptions {
  readonly connection: ConnectionOptions;
  readonly auth: AuthProvider;
  readonly share: string;
}

/**
 * The whole way to a share: connect, negotiate, log in, connect to the share. Whatever fails on the way
 * leaves no socket behind.
 * @throws SmbConnectionError, SmbTimeoutError, SmbProtocolError, SmbSecurityError, SmbCredentialsError,
 *   SmbStatusError, AbortedError
 */
export async function dialTree(
  options: DialOptions,
  {
    signal,
    previousSessionId,
  }: { readonly signal?: AbortSignal | undefined; readonly previousSessionId?: bigint | undefined } = {},
): Promise<Tree> {
  const connection = await Connection.open(options.connection, { signal });
  let session: Session | undefined;
  try {
    const negotiated = await negotiate(connection, { signal });
    session = await Session.logIn(connection, negotiated, { auth: options.auth, signal, previousSessionId });
    return await Tree.connect(session, options.share, { signal });
  } catch (cause) {
    const error =
      cause instanceof DecodeError ? new SmbProtocolError("the handshake is malformed", cause) : cause;
    // A session without a share is still a session: log off where there is one.
    const loggedIn = session;
    if (loggedIn === undefined) connection.destroy(error instanceof Error ? error : new Error(String(error)));
    await connection.close((hurry) => loggedIn?.logOff(hurry) ?? Promise.resolve());
    throw error;
  }
}
