import { AuthError, type AuthErrorCode } from "./errors.ts";
import { fallbackFacts } from "./facts.ts";
import type { AuthExchange, AuthProvider, AuthTarget } from "./provider.ts";
import { decodeNegTokenInit, MECH } from "./spnego.ts";

export interface NegotiateOptions {
  /** Label of the facts this states. */
  readonly connection: string;
  readonly kerberos: AuthProvider;
  /** Absent: NTLMv2 is not allowed, and the login fails where Kerberos cannot be used. */
  readonly ntlm?: AuthProvider | undefined;
}

/**
 * Failures that leave Kerberos without a ticket for this server, while nothing was said to it yet. A secret
 * that the KDC has judged wrong is not among them: NTLM would try it a second time, and lock the account.
 */
const NO_KERBEROS: ReadonlySet<AuthErrorCode> = new Set([
  "AUTH_KERBEROS_UNAVAILABLE",
  "AUTH_KERBEROS_UNREACHABLE",
  "AUTH_KERBEROS_NO_TICKET",
  "AUTH_KERBEROS_FAILED",
]);

/**
 * Kerberos first, NTLMv2 where there is no ticket for the server and the configuration allows it: who can cut
 * us off from the KDC can then bring us to NTLM, so it is for the operator to allow. The choice is made before
 * the first token, and only what was chosen is offered. Each login that is not Kerberos is stated on
 * `auth.fallback`.
 */
export function createNegotiateProvider(options: NegotiateOptions): AuthProvider {
  return { mechanism: "negotiate", begin: (target) => new NegotiateExchange(options, target) };
}

class NegotiateExchange implements AuthExchange {
  readonly #options: NegotiateOptions;
  readonly #target: AuthTarget;
  #chosen: AuthExchange;
  #started = false;

  constructor(options: NegotiateOptions, target: AuthTarget) {
    this.#options = options;
    this.#target = target;
    this.#chosen = options.kerberos.begin(target);
  }

  get mechanism(): "ntlm" | "kerberos" | undefined {
    return this.#chosen.mechanism;
  }

  /** What NTLM learns of the server. */
  get peer(): unknown {
    return "peer" in this.#chosen ? this.#chosen.peer : undefined;
  }

  get expiresAt(): number | undefined {
    return this.#chosen.expiresAt;
  }

  async next(...round: Parameters<AuthExchange["next"]>): Promise<Uint8Array | undefined> {
    if (this.#started) return this.#chosen.next(...round);
    this.#started = true;
    try {
      if (!offersKerberos(this.#target.serverToken)) {
        throw new AuthError("AUTH_KERBEROS_FAILED", "Kerberos: the server does not offer it");
      }
      return await this.#chosen.next(...round);
    } catch (error) {
      if (!(error instanceof AuthError && NO_KERBEROS.has(error.code))) throw error;
      return this.#fallBack(error, round);
    }
  }

  sessionKey(): Uint8Array {
    return this.#chosen.sessionKey();
  }

  close(): void {
    this.#chosen.close();
  }

  #fallBack(error: AuthError, round: Parameters<AuthExchange["next"]>): Promise<Uint8Array | undefined> {
    const { connection, ntlm } = this.#options;
    this.#chosen.close();
    fallbackFacts.publish({ connection, error, allowed: ntlm !== undefined });
    if (ntlm === undefined) {
      throw new AuthError(
        error.code,
        `${error.message} (and the configuration does not allow NTLM instead)`,
        {
          cause: error.cause,
        },
      );
    }
    this.#chosen = ntlm.begin(this.#target);
    return this.#chosen.next(...round);
  }
}

/** A server that tells nothing of its mechanisms is asked for Kerberos. */
function offersKerberos(serverToken: Uint8Array): boolean {
  if (serverToken.length === 0) return true;
  try {
    const { mechTypes } = decodeNegTokenInit(serverToken);
    return mechTypes.includes(MECH.KERBEROS) || mechTypes.includes(MECH.MS_KERBEROS);
  } catch {
    return true;
  }
}
