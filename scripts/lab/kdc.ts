import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { findSbin } from "./programs.ts";
import { ServerProcess, startOnFreePort } from "./server-process.ts";
import { createWorkspace, freePort } from "./workspace.ts";

const run = promisify(execFile);

/** Each program, and the Debian package it comes with. */
export const KDC_PROGRAMS: Readonly<Record<string, string>> = {
  krb5kdc: "krb5-kdc",
  kdb5_util: "krb5-kdc",
  "kadmin.local": "krb5-admin-server",
  kinit: "krb5-user",
};

/** Why no KDC can be started here; `undefined` where one can. */
export function missingKdc(): string | undefined {
  const missing = Object.entries(KDC_PROGRAMS).find(([program]) => findSbin(program) === undefined);
  return missing === undefined ? undefined : `${missing[0]} is not installed (Debian: ${missing[1]})`;
}

export interface KdcOptions {
  /** Default `LAB.TEST`. */
  readonly realm?: string;
  /** Longest life of a ticket, seconds. Default 3,600. */
  readonly ticketSeconds?: number;
}

export interface PrincipalOptions {
  /** Default: a random key, for a keytab. */
  readonly password?: string;
  /** Options of `addprinc`, e.g. `-pwexpire "1 day ago"`. */
  readonly attributes?: readonly string[];
}

export interface ClientConfig {
  readonly realm?: string;
  readonly port?: number;
  /** Difference of clocks that is tolerated, seconds. Default 300, as everywhere. */
  readonly clockSkew?: number;
}

/** A real MIT KDC of our own on loopback, with a realm of its own and no PAC in its tickets. */
export interface Kdc {
  readonly realm: string;
  readonly port: number;
  readonly dir: string;
  /** What a client of this realm needs in its environment: `KRB5_CONFIG`. */
  readonly env: Readonly<Record<string, string>>;
  /** Makes a principal, without realm: `daemon`, `cifs/host`. */
  addPrincipal(name: string, options?: PrincipalOptions): Promise<void>;
  /** Another `kadmin.local` query. */
  admin(query: string): Promise<string>;
  /** File with the current keys of these principals; the keys stay as they are. */
  keytab(...names: readonly string[]): Promise<string>;
  /** The long-term keys in a keytab, in hexadecimal. */
  keys(keytab: string): Promise<readonly string[]>;
  /** A credential cache of one principal, as `kinit` leaves it: `FILE:...`. */
  ccache(name: string, options?: { readonly seconds?: number }): Promise<string>;
  /** Fetches a fresh ticket into an existing cache. */
  refill(cache: string, name: string, options?: { readonly seconds?: number }): Promise<void>;
  /** Another krb5.conf for clients or servers. Returns its path. */
  writeConfig(name: string, config: ClientConfig): string;
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws Error when the programs are absent or the KDC does not start. */
export async function startKdc(options: KdcOptions = {}): Promise<Kdc> {
  const missing = missingKdc();
  if (missing !== undefined) throw new Error(missing);
  return startOnFreePort(3, () => startWith(options));
}

async function startWith(options: KdcOptions): Promise<Kdc> {
  const { realm = "LAB.TEST", ticketSeconds = 3_600 } = options;
  const workspace = createWorkspace();
  const { dir } = workspace;
  const port = await freePort();
  const profile = join(dir, "kdc.conf");
  const env = { KRB5_CONFIG: join(dir, "krb5.conf"), KRB5_KDC_PROFILE: profile };
  const tool = async (program: string, ...args: readonly string[]): Promise<string> => {
    const path = findSbin(program) ?? program;
    const { stdout } = await run(path, args, { env: { ...process.env, ...env }, timeout: 30_000 });
    return stdout;
  };
  const admin = (query: string): Promise<string> => tool("kadmin.local", "-r", realm, "-q", query);

  const writeConfig: Kdc["writeConfig"] = (name, config) => {
    const file = join(dir, name);
    const theirs = config.realm ?? realm;
    writeFileSync(
      file,
      [
        "[libdefaults]",
        `  default_realm = ${theirs}`,
        "  dns_lookup_kdc = false",
        "  dns_lookup_realm = false",
        // Service principals are named as they are: nothing of this may depend on the machine's DNS.
        "  dns_canonicalize_hostname = false",
        "  rdns = false",
        "  udp_preference_limit = 1",
        `  clockskew = ${config.clockSkew ?? 300}`,
        `  default_ccache_name = FILE:${join(dir, "no-such-cache")}`,
        "[realms]",
        `  ${theirs} = {`,
        `    kdc = 127.0.0.1:${config.port ?? port}`,
        "  }",
        "[domain_realm]",
        `  .${theirs.toLowerCase()} = ${theirs}`,
        "",
      ].join("\n"),
    );
    return file;
  };
  writeConfig("krb5.conf", {});
  writeFileSync(
    profile,
    [
      "[kdcdefaults]",
      `  kdc_listen = 127.0.0.1:${port}`,
      `  kdc_tcp_listen = 127.0.0.1:${port}`,
      "[realms]",
      `  ${realm} = {`,
      `    database_name = ${join(dir, "principal")}`,
      `    key_stash_file = ${join(dir, "stash")}`,
      `    acl_file = ${join(dir, "kadm5.acl")}`,
      `    max_life = ${ticketSeconds}s`,
      "    max_renewable_life = 0s",
      "    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal",
      // A stand-alone smbd answers a ticket with a PAC by BAD_TOKEN_TYPE.
      "    disable_pac = true",
      "  }",
      "[logging]",
      `  kdc = FILE:${join(dir, "kdc.log")}`,
      "",
    ].join("\n"),
  );
  writeFileSync(join(dir, "kadm5.acl"), "");

  const server = new ServerProcess(
    workspace,
    findSbin("krb5kdc") ?? "krb5kdc",
    ["-n", "-r", realm, "-P", join(dir, "krb5kdc.pid")],
    {
      name: "krb5kdc",
      env,
    },
  );
  try {
    await tool("kdb5_util", "-r", realm, "create", "-s", "-P", "master");
    await server.start(port);
  } catch (error) {
    workspace.remove();
    throw error;
  }
  let files = 0;
  const kdc: Kdc = {
    realm,
    port,
    dir,
    env: { KRB5_CONFIG: env.KRB5_CONFIG },
    async addPrincipal(name, { password, attributes = [] } = {}) {
      const key = password === undefined ? "-randkey" : `-pw ${password}`;
      await admin(`addprinc ${key} ${attributes.join(" ")} ${name}`);
    },
    admin,
    async keytab(...names) {
      const file = join(dir, `${++files}.keytab`);
      for (const name of names) await admin(`ktadd -norandkey -k ${file} ${name}`);
      return file;
    },
    async keys(file) {
      const listing = await tool("klist", "-k", "-K", file);
      return [...listing.matchAll(/\(0x([0-9a-f]{32,})\)/g)].map((match) => match[1] as string);
    },
    async ccache(name, options) {
      const cache = `FILE:${join(dir, `${++files}.ccache`)}`;
      await kdc.refill(cache, name, options);
      return cache;
    },
    async refill(cache, name, { seconds } = {}) {
      const life = seconds === undefined ? [] : ["-l", `${seconds}s`];
      const keys = await kdc.keytab(name);
      await tool("kinit", ...life, "-k", "-t", keys, "-c", cache, name);
    },
    writeConfig,
    kill: () => server.stop("SIGKILL"),
    start: () => server.start(port),
    async stop() {
      await server.stop();
      workspace.remove();
    },
  };
  return kdc;
}
