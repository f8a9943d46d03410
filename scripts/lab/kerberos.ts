import { type Kdc, type KdcOptions, startKdc } from "./kdc.ts";
import { type Samba, type SambaOptions, startSamba } from "./samba.ts";

/** A realm, and a Samba in it that takes nothing but Kerberos. */
export interface KerberosLab {
  readonly kdc: Kdc;
  readonly samba: Samba;
  /** Host part of the server's service principal. */
  readonly spnHost: string;
  /** An account that exists on this machine: Samba maps principals to those. */
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

const HOST = "files.lab.test";
const USER = "daemon";
const PASSWORD = "Kerberos-Horse-9";

/** @throws Error when something is missing or does not start */
export async function startKerberosLab(
  options: KdcOptions & {
    readonly samba?: SambaOptions;
    /** Seconds after its ticket's end at which smbd ends a session. Default 300, as everywhere. */
    readonly clockSkew?: number;
  } = {},
): Promise<KerberosLab> {
  const kdc = await startKdc(options);
  try {
    await kdc.addPrincipal(USER, { password: PASSWORD });
    await kdc.addPrincipal(`cifs/${HOST}`);
    const samba = await startSamba({
      ...options.samba,
      global: {
        realm: kdc.realm,
        "kerberos method": "dedicated keytab",
        "dedicated keytab file": await kdc.keytab(`cifs/${HOST}`),
        "ntlm auth": "disabled",
        "server signing": "mandatory",
        "log level": "1 auth_audit:4",
        ...options.samba?.global,
      },
      env: {
        KRB5_CONFIG: kdc.writeConfig("smbd-krb5.conf", { clockSkew: options.clockSkew ?? 300 }),
        ...options.samba?.env,
      },
    });
    return {
      kdc,
      samba,
      spnHost: HOST,
      user: USER,
      password: PASSWORD,
      async stop() {
        await samba.stop();
        await kdc.stop();
      },
    };
  } catch (error) {
    await kdc.stop();
    throw error;
  }
}
