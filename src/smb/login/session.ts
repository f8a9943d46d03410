import { AuthError } from "../../auth/errors.ts";
import type { AuthExchange, AuthProvider } from "../../auth/provider.ts";
import { AbortedError } from "../../base/errors.ts";
import { Command, HeaderFlags } from "../../codec/header.ts";
import { encodeLogoffRequest } from "../../codec/msg/logoff.ts";
import { SessionFlags } from "../../codec/msg/session-setup.ts";
import { NtStatus } from "../../codec/status.ts";
import { deriveKeys } from "../../crypto/keys.ts";
import { wipe } from "../../crypto/wipe.ts";
import { SmbSecurityError } from "../errors.ts";
import { guessKind, type NtlmVersion, type ServerInfo, type ServerKind } from "../server-info.ts";
import { Call, type Connection, type RequestOptions, type Response, SessionSecurity } from "../wire/index.ts";
import { impostor, type LoginResult, runLogin } from "./login.ts";
import type { Negotiated } from "./negotiate.ts";

/** Re-authenticate when this much of the credentials' life is over (tickets have an end, passwords have none). */
const RENEW_AT = 0.8;
/** What a timer of Node can do; nothing is lost by renewing a credential that lives longer. */
const LONGEST_TIMER_MS = 0x7fff_ffff;
/** Longest pause before another try, where nothing could be sent. */
const RENEW_RETRY_MS = 60_000;

export interface SessionOptions {
  readonly auth: AuthProvider;
  readonly signal?: AbortSignal | undefined;
  readonly previousSessionId?: bigint | undefined;
}

export interface ExchangeOptions {
  readonly signal?: AbortSignal | undefined;
  /**
   * Takes each successful answer that the caller will not see, because it went away or another request of the
   * compound failed to be answered: the place to close a handle that nobody will ever use.
   */
  readonly orphan?: ((response: Response) => void) | undefined;
}

/** One login on one connection (MS-SMB2 3.2.1.3). */
export class Session {
  readonly connection: Connection;
  readonly negotiated: Negotiated;
  readonly id: bigint;
  readonly security: SessionSecurity;
  /** What the login let us see of the server. */
  readonly kind: ServerKind;
  readonly version: string | undefined;
  readonly mechanism: ServerInfo["mechanism"];
  #auth: AuthProvider;
  #renewal: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;

  private constructor(
    connection: Connection,
    negotiated: Negotiated,
    auth: AuthProvider,
    login: LoginResult,
    security: SessionSecurity,
  ) {
    this.connection = connection;
    this.negotiated = negotiated;
    this.id = login.sessionId;
    this.security = security;
    this.#auth = auth;
    const version = versionOf(login.exchange);
    this.mechanism = login.exchange.mechanism;
    this.kind = guessKind(version, negotiated);
    this.version = version === undefined ? undefined : `${version.major}.${version.minor}.${version.build}`;
    this.#renewBefore(login.exchange.expiresAt);
    void connection.closed.then(() => this.stop());
  }

  /** @throws SmbCredentialsError, SmbSecurityError, SmbStatusError, SmbProtocolError, and the connection's errors */
  static async logIn(
    connection: Connection,
    negotiated: Negotiated,
    options: SessionOptions,
  ): Promise<Session> {
    const login = await runLogin(connection, negotiated, options);
    try {
      const security = secure(connection, negotiated, login);
      connection.authenticated(security);
      return new Session(connection, negotiated, options.auth, login, security);
    } finally {
      login.exchange.close();
    }
  }

  /**
   * Whether a compound of so many small requests can be paid for on this connection, and is wise. What speaks
   * nothing newer than 2.0.2 is asked one by one: of those only Impacket is left, which signs compounds wrongly.
   */
  canCompound(messages: number): boolean {
    const { creditReach, options } = this.connection;
    const allowed = this.negotiated.dialect > 0x0202 && options.compounding?.allowed !== false;
    return allowed && creditReach >= messages;
  }

  /**
   * Sends requests, as one compound when there are several, and waits for all answers. When the session has
   * expired it authenticates again, once, and repeats them (MS-SMB2 3.2.5.1.6).
   * Statuses are the caller's to judge. @throws the connection's errors, AbortedError
   */
  async exchange(requests: readonly RequestOptions[], options: ExchangeOptions = {}): Promise<Response[]> {
    const responses = await this.#once(requests, options);
    if (responses[0]?.header.status !== NtStatus.NETWORK_SESSION_EXPIRED) return responses;
    await this.reauthenticate();
    return this.#once(requests, options);
  }

  /**
   * Proves again who we are, on the same session: its handles and armed notifies live on, its keys stay
   * (MS-SMB2 3.2.5.3.2). Many callers share one conversation. Failure ends the connection, since the
   * server has dropped the session by then.
   */
  reauthenticate(): Promise<void> {
    return this.#renew(undefined);
  }

  /** What the next renewal uses. */
  replaceAuth(auth: AuthProvider): void {
    this.#auth = auth;
  }

  #renew(expiresAt: number | undefined): Promise<void> {
    this.#renewal ??= this.#reauthenticate(expiresAt).finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  /** Says goodbye; the connection is of no use afterwards. */
  async logOff(signal: AbortSignal): Promise<void> {
    this.stop();
    await this.connection.call({ command: Command.LOGOFF, body: encodeLogoffRequest() }, { signal });
  }

  /** No more renewals. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  async #once(requests: readonly RequestOptions[], options: ExchangeOptions): Promise<Response[]> {
    const { signal, orphan } = options;
    const { connection } = this;
    if (signal?.aborted === true) throw new AbortedError(signal.reason);
    const calls = requests.map((each) => new Call(each, connection.options.timeouts.requestMs, orphan));
    connection.submit(calls);
    await connection.ended(calls, signal);
    const responses: Response[] = [];
    let failure: Error | undefined;
    for (const call of calls) {
      if (call.response !== undefined) responses.push(call.response);
      else failure ??= call.failure;
    }
    if (failure === undefined) return responses;
    for (const response of responses) orphan?.(response);
    throw failure;
  }

  /** @param expiresAt when the session ends, Unix ms, where it still holds. */
  async #reauthenticate(expiresAt: number | undefined): Promise<void> {
    const { connection } = this;
    try {
      const login = await runLogin(connection, this.negotiated, { auth: this.#auth });
      login.exchange.close();
      const refusal = impostor(login.setup.sessionFlags);
      if (refusal !== undefined) throw refusal;
      if (login.sessionId !== this.id) {
        throw new SmbSecurityError("downgrade", "re-authentication came back with another session");
      }
      connection.telemetry.session({ type: "renewed", expiresAt: login.exchange.expiresAt });
      this.#renewBefore(login.exchange.expiresAt);
    } catch (error) {
      // The mechanism failed before it had anything to send: the server knows nothing of it.
      if (
        error instanceof AuthError &&
        expiresAt !== undefined &&
        expiresAt > connection.options.clock.now()
      ) {
        connection.telemetry.session({ type: "renewal-failed", expiresAt, error });
        this.#renewBefore(expiresAt, RENEW_RETRY_MS);
        return;
      }
      connection.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  #renewBefore(expiresAt: number | undefined, atMost: number = LONGEST_TIMER_MS): void {
    this.stop();
    if (expiresAt === undefined || this.connection.state === "closed") return;
    const { clock } = this.connection.options;
    const pause = Math.min(atMost, Math.max(1_000, (expiresAt - clock.now()) * RENEW_AT));
    this.#cancelTimer = clock.after(
      pause,
      () => {
        // Failure has ended the connection, which everyone concerned hears of.
        this.#renew(expiresAt).catch(() => undefined);
      },
      { unref: true },
    );
  }
}

/** From a finished conversation to keys, in the order of MS-SMB2 3.2.5.3.1: derive, verify, then believe the flags. */
function secure(connection: Connection, negotiated: Negotiated, login: LoginResult): SessionSecurity {
  const { options } = connection;
  const { setup } = login;
  const guest = impostor(setup.sessionFlags);
  if (guest !== undefined) throw guest;
  const sessionKey = login.exchange.sessionKey();
  const security = new SessionSecurity({
    sessionId: login.sessionId,
    keys: deriveKeys({
      dialect: negotiated.dialect,
      sessionKey,
      preauthHash: negotiated.dialect === 0x0311 ? login.preauth.value : undefined,
      cipher: negotiated.cipher,
    }),
    signingAlgorithm: negotiated.signingAlgorithm,
    cipher: negotiated.cipher,
    signing: negotiated.signing,
  });
  wipe(sessionKey);
  verifyFinal(security, negotiated, login);
  if (options.encryption === "required" || (setup.sessionFlags & SessionFlags.ENCRYPT_DATA) !== 0) {
    if (!security.canSeal || options.encryption === "off") {
      throw new SmbSecurityError(
        "policy",
        options.encryption === "off"
          ? "the server demands encryption, which is switched off"
          : "encryption is required, and the server has no cipher of ours",
        { remedy: { option: "encryption", value: "auto" } },
      );
    }
    security.sealing = true;
  }
  return security;
}

/**
 * A server that knows our credentials signs its last word with the key they lead to. Without that, it
 * may be anyone; flags do not help, since Samba does not set IS_NULL for an anonymous session.
 */
function verifyFinal(security: SessionSecurity, negotiated: Negotiated, login: LoginResult): void {
  const { header, message } = login.final;
  if ((header.flags & HeaderFlags.SIGNED) === 0) {
    if (!negotiated.signing) return;
    throw new SmbSecurityError("unsigned", "the server did not sign the end of the login");
  }
  if (!security.verify(message, header.messageId)) {
    throw new SmbSecurityError("bad-signature", "the signature under the login is wrong");
  }
}

function versionOf(exchange: AuthExchange): NtlmVersion | undefined {
  return "peer" in exchange
    ? (exchange as { readonly peer?: { readonly version?: NtlmVersion | undefined } | undefined }).peer
        ?.version
    : undefined;
}
