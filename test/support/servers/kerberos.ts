import { type Kdc, missingKdc } from "../../../scripts/lab/kdc.ts";
import type { KerberosLab } from "../../../scripts/lab/kerberos.ts";
import { createKerberosProvider, type KerberosOptions } from "../../../src/auth/kerberos.ts";
import type { SmbClientOptions } from "../../../src/share/smb-client.ts";

/** Part of a suite's title, so that a skip says why. */
export const WITHOUT_KDC: string | undefined = missingKdc();

export function kerberosSuite(title: string): string {
  return WITHOUT_KDC === undefined ? title : `${title} (skipped: ${WITHOUT_KDC})`;
}

/** The library reads this process's environment at each use. */
export function useRealm(kdc: Pick<Kdc, "env">): void {
  for (const [name, value] of Object.entries(kdc.env)) process.env[name] = value;
}

/** How `SmbClient` and `Share` reach the lab's share, by Kerberos alone. */
export function kerberosClient(
  lab: KerberosLab,
  how: KerberosOptions,
  smb: SmbClientOptions["smb"] = {},
): SmbClientOptions {
  return {
    server: lab.samba.host,
    port: lab.samba.port,
    share: "share",
    auth: createKerberosProvider({ spnHost: lab.spnHost, ...how }),
    smb,
  };
}
