import { randomBytes } from "node:crypto";
import { AuthError } from "./errors.ts";
import { type NtlmExchange, type NtlmSettings, NtlmV2Exchange } from "./ntlm-exchange.ts";
import type { AuthProvider, AuthTarget } from "./provider.ts";

export type { NtlmExchange, NtlmPeer } from "./ntlm-exchange.ts";

export interface NtlmOptions {
  /** `user`, `DOMAIN\user` or `user@dns.domain`. */
  readonly username: string;
  /** Default: the part before `\` in `username`, else empty, which leaves the choice to the server. */
  readonly domain?: string | undefined;
  /** A function is asked anew for each exchange, so that secrets can be rotated. */
  readonly password: string | (() => string);
  /** Our name for the server's log. Default: empty. */
  readonly workstation?: string | undefined;
  /** Source of random bytes. Default: the system's. */
  readonly random?: ((length: number) => Uint8Array) | undefined;
  /** Unix ms; used only with servers that send no timestamp. Default: the system's clock. */
  readonly now?: (() => number) | undefined;
}

export interface NtlmProvider extends AuthProvider {
  readonly mechanism: "ntlm";
  begin(target: AuthTarget): NtlmExchange;
}

/**
 * NTLMv2 inside SPNEGO (MS-NLMP 3.1.5.1, MS-SPNG): 128-bit keys, a MIC over all three messages,
 * mechListMIC in both directions. NTLMv1, anonymous and guest logons are not spoken.
 *
 * @throws AuthError `AUTH_BAD_CREDENTIALS` when the user name is empty
 */
export function createNtlmProvider(options: NtlmOptions): NtlmProvider {
  const { user, domain } = splitUser(options);
  const settings: NtlmSettings = {
    user,
    domain,
    workstation: options.workstation ?? "",
    password: options.password,
    random: options.random ?? randomBytes,
    now: options.now ?? Date.now,
  };
  return { mechanism: "ntlm", begin: (target) => new NtlmV2Exchange(settings, target) };
}

function splitUser(options: NtlmOptions): { user: string; domain: string } {
  const slash = options.username.indexOf("\\");
  const split = options.domain === undefined && slash >= 0;
  const user = split ? options.username.slice(slash + 1) : options.username;
  const domain = split ? options.username.slice(0, slash) : (options.domain ?? "");
  if (user === "") throw new AuthError("AUTH_BAD_CREDENTIALS", "NTLM needs a user name");
  return { user, domain };
}
