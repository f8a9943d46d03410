import { createNtlmProvider } from "../../auth/ntlm.ts";
import type { AuthProvider } from "../../auth/provider.ts";
import type { ConnectionConfig } from "../../ops/config.ts";
import type { Secret } from "../../ops/secrets.ts";
import { UsageError } from "../exit-codes.ts";

/** @throws UsageError, AuthError */
export function authProvider(settings: ConnectionConfig, password: Secret | undefined): AuthProvider {
  const { username, domain } = settings;
  if (username === undefined || password === undefined) {
    throw new UsageError(
      "a user name and a password are needed: --username, and SMB2NATS_PASSWORD_FILE or a terminal",
    );
  }
  return createNtlmProvider({ username, domain, password: () => password.reveal() });
}
