import { createKerberosProvider } from "../../auth/kerberos.ts";
import { createNegotiateProvider } from "../../auth/negotiate.ts";
import { createNtlmProvider } from "../../auth/ntlm.ts";
import type { AuthProvider } from "../../auth/provider.ts";
import type { ConnectionConfig } from "../../ops/config/index.ts";
import type { Secret } from "../../ops/secrets.ts";
import { UsageError } from "../exit-codes.ts";

/** The way to log in that connection `name` configures. @throws UsageError, AuthError */
export function authProvider(
  name: string,
  settings: ConnectionConfig,
  password: Secret | undefined,
): AuthProvider {
  switch (settings.auth) {
    case "ntlm":
      return ntlm(settings, password);
    case "kerberos":
      return kerberos(settings, password);
    case "negotiate":
      return createNegotiateProvider({
        connection: name,
        kerberos: kerberos(settings, password),
        ntlm: settings.ntlmFallback ? ntlm(settings, password) : undefined,
      });
  }
}

function kerberos(settings: ConnectionConfig, password: Secret | undefined): AuthProvider {
  const { username, domain, keytabFile, ccache, spnHost } = settings;
  // With a keytab or a cache, a password is there for NTLM.
  const secret = keytabFile === undefined && ccache === undefined ? password : undefined;
  return createKerberosProvider({
    principal: username,
    realm: domain,
    keytab: keytabFile,
    ccache,
    spnHost,
    ...(secret === undefined ? {} : { password: () => secret.reveal() }),
  });
}

function ntlm({ username, domain }: ConnectionConfig, password: Secret | undefined): AuthProvider {
  if (username === undefined || password === undefined) {
    throw new UsageError("NTLM needs a user name and a password");
  }
  return createNtlmProvider({ username, domain, password: () => password.reveal() });
}
