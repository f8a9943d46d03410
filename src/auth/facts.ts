import { type Channel, channel } from "../base/channels.ts";
import type { AuthError } from "./errors.ts";

/** `negotiate` could not use Kerberos for a login. No secret, principal or ticket is ever part of a fact. */
export interface FallbackFact {
  /** As the owner of the provider calls the connection. */
  readonly connection: string;
  /** Why not Kerberos. */
  readonly error: AuthError;
  /** Whether NTLMv2 was tried instead. */
  readonly allowed: boolean;
}

export const fallbackFacts: Channel<FallbackFact> = channel("auth.fallback");
