import { createKerberosProvider } from "../../auth/kerberos.ts";
import { createNtlmProvider } from "../../auth/ntlm.ts";
import type { AuthProvider } from "../../auth/provider.ts";
import type { ConnectionConfig } from "../../ops/config.ts";
import type { Secret } from "../../ops/secrets.ts";
import { UsageError } from "../exit-codes.ts";

/** The way to log in that a connection names. @throws UsageError, AuthError */
export function authProvider(settings: ConnectionConfig, password: Secret | undefined): AuthProvider {
  const { username, domain, keytabFile, ccache } = settings;
  if (settings.auth === "kerberos") {
    return createKerberosProvider({
      principal: username,
      realm: domain,
      keytab: keytabFile,
      ccache,
      ...(password === undefined ? {} : { password: () => password.reveal() }),
    });
  }
  if (username === undefined || password === undefined) {
    throw new UsageError("NTLM needs a user name and a password");
  }
  return createNtlmProvider({ username, domain, password: () => password.reveal() });
}
