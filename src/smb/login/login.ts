import { AuthError } from "../../auth/errors.ts";
import type { AuthExchange, AuthProvider } from "../../auth/provider.ts";
import { Command } from "../../codec/header.ts";
import { Capabilities } from "../../codec/msg/negotiate.ts";
import {
  decodeSessionSetupResponse,
  encodeSessionSetupRequest,
  SessionFlags,
  type SessionSetupResponse,
} from "../../codec/msg/session-setup.ts";
import { isError, NtStatus } from "../../codec/status.ts";
import type { PreauthHash } from "../../crypto/preauth.ts";
import {
  SmbCredentialsError,
  type SmbError,
  SmbProtocolError,
  SmbSecurityError,
  SmbStatusError,
} from "../errors.ts";
import { classifyStatus } from "../status-class.ts";
import { type Connection, HandshakeCall, type Response } from "../wire/index.ts";
import type { Negotiated } from "./negotiate.ts";

/** MS-SMB2 sets no limit; no mechanism needs more. */
const MOST_ROUNDS = 8;

export interface LoginOptions {
  readonly auth: AuthProvider;
  readonly signal?: AbortSignal | undefined;
  /** A session of ours that the server should drop (MS-SMB2 3.2.4.2.3). */
  readonly previousSessionId?: bigint | undefined;
}

/** What a completed conversation leaves behind. The caller closes `exchange`. */
export interface LoginResult {
  readonly exchange: AuthExchange;
  readonly sessionId: bigint;
  /** The final SESSION_SETUP response: not verified yet when this is a first login. */
  readonly final: Response;
  readonly setup: SessionSetupResponse;
  /** Over all requests, and all responses but the last: what the keys depend on (MS-SMB2 3.2.5.3.1). */
  readonly preauth: PreauthHash;
}

/**
 * Runs the SESSION_SETUP rounds (MS-SMB2 3.2.4.2.3, 3.2.5.3): for a new session, or on an existing one
 * when the connection already has adopted its id.
 */
export async function runLogin(
  connection: Connection,
  negotiated: Negotiated,
  options: LoginOptions,
): Promise<LoginResult> {
  const { auth, signal } = options;
  const exchange = auth.begin({
    host: connection.options.host,
    serverToken: negotiated.securityBuffer,
    referred: connection.options.referred,
  });
  try {
    let preauth = negotiated.preauth;
    let token = await step(exchange, undefined, false, signal);
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (token === undefined)
        throw new SmbProtocolError("the server wants another login round, we have said all");
      const call = new HandshakeCall(
        {
          command: Command.SESSION_SETUP,
          body: encodeSessionSetupRequest({
            flags: 0,
            securityMode: negotiated.ourSecurityMode,
            capabilities: negotiated.ourCapabilities & Capabilities.DFS,
            previousSessionId: options.previousSessionId ?? 0n,
            securityBuffer: token,
          }),
        },
        connection.options.timeouts.requestMs,
      );
      connection.submit([call]);
      const response = await connection.settle(call, signal);
      preauth = preauth.update(call.sentMessage ?? new Uint8Array(0));
      const { status, sessionId } = response.header;
      if (status !== NtStatus.SUCCESS && status !== NtStatus.MORE_PROCESSING_REQUIRED) throw refusal(status);
      const setup = decodeSessionSetupResponse(response.message);
      if (sessionId === 0n) throw new SmbProtocolError("SESSION_SETUP: the server gave no session id");
      connection.adoptSession(sessionId);
      if (status === NtStatus.SUCCESS) {
        await finish(exchange, setup, signal);
        return { exchange, sessionId, final: response, setup, preauth };
      }
      preauth = preauth.update(response.message);
      token = await step(exchange, setup.securityBuffer, false, signal);
    }
    throw new SmbProtocolError(`the login did not end within ${MOST_ROUNDS} rounds`);
  } catch (error) {
    exchange.close();
    throw error;
  }
}

/** A guest's last token often lacks what the mechanism wants to see: name the cause, not the symptom. */
async function finish(
  exchange: AuthExchange,
  setup: SessionSetupResponse,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await step(exchange, setup.securityBuffer, true, signal);
  } catch (error) {
    throw impostor(setup.sessionFlags) ?? error;
  }
}

/** The refusal of a session that is not ours, if it is none (MS-SMB2 3.2.5.3.1). */
export function impostor(sessionFlags: number): SmbSecurityError | undefined {
  if ((sessionFlags & SessionFlags.IS_GUEST) !== 0) {
    return new SmbSecurityError("guest", "the server let us in as guest: it does not know these credentials");
  }
  if ((sessionFlags & SessionFlags.IS_NULL) !== 0)
    return new SmbSecurityError("anonymous", "the server let us in as nobody");
  return undefined;
}

async function step(
  exchange: AuthExchange,
  token: Uint8Array | undefined,
  final: boolean,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  try {
    return await exchange.next(token, { final, signal });
  } catch (error) {
    throw error instanceof AuthError ? translate(error) : error;
  }
}

/** The mechanism's own verdict, in the engine's terms. A password that cannot be read now may be readable later. */
function translate(error: AuthError): SmbError | AuthError {
  switch (error.code) {
    case "AUTH_REJECTED":
    case "AUTH_BAD_CREDENTIALS":
    case "AUTH_NTLM_UNAVAILABLE":
    case "AUTH_KERBEROS_REFUSED":
      return new SmbCredentialsError("login failed", undefined, error);
    case "AUTH_BAD_MIC":
      return new SmbSecurityError("downgrade", "the login was changed on its way", { cause: error });
    case "AUTH_MECHANISM_REFUSED":
    case "AUTH_WEAK_CHALLENGE":
    case "AUTH_MISSING_NAMES":
      return new SmbSecurityError("policy", "the server does not authenticate the way we must", {
        cause: error,
      });
    case "AUTH_MALFORMED_TOKEN":
    case "AUTH_UNEXPECTED_TOKEN":
      return new SmbProtocolError("the login broke the protocol", error);
    default:
      return error;
  }
}

function refusal(status: number): SmbError {
  const error = new SmbStatusError("SESSION_SETUP", status);
  if (status === NtStatus.NTLM_BLOCKED) {
    return new SmbSecurityError("policy", "the server takes no NTLM: log in by Kerberos", {
      cause: error,
      remedy: { option: "auth", value: "kerberos" },
    });
  }
  if (classifyStatus(status) === "credentials") {
    return new SmbCredentialsError("the server refused the credentials", status, error);
  }
  if (!isError(status)) return new SmbProtocolError(`SESSION_SETUP: unexpected ${error.statusName}`);
  return error;
}
