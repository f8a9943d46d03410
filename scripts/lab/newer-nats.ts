import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSbin } from "./samba.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Of Debian: `sid` has the newest. */
export type Suite = "trixie" | "sid";

export interface NatsBinary {
  readonly path: string;
  /** `2.10.27` */
  readonly version: string;
}

/**
 * A nats-server newer than the system's, whose replicated buckets can be trusted (see `versions.ts` of the broker
 * floor): the one installed where that is new enough, else the package of a later Debian suite, unpacked into
 * `.cache/` and never installed. `undefined` with a reason on stderr where there is neither.
 */
export function newerNats(suite: Suite = "trixie"): NatsBinary | undefined {
  const cache = join(import.meta.dirname, "../../.cache", `nats-server-${suite}`);
  const installed = process.env["NATS_SERVER_BIN"] ?? findSbin("nats-server");
  for (const path of [join(cache, "usr/sbin/nats-server"), installed]) {
    if (path === undefined || !existsSync(path)) continue;
    const version = natsVersion(path);
    if (clusters(version)) return { path, version };
  }
  try {
    return { path: unpack(suite, cache), version: natsVersion(join(cache, "usr/sbin/nats-server")) };
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: unknown; readonly message?: string };
    const why = String(stderr ?? "").trim() || message;
    console.error(`no nats-server of Debian ${suite} to be had: ${why}`);
    return undefined;
  }
}

export function natsVersion(path: string): string {
  const text = execFileSync(path, ["--version"], { encoding: "utf8" });
  return /v(\d+\.\d+\.\d+)/.exec(text)?.[1] ?? "0.0.0";
}

/** Compare-and-swap holds on replicated buckets from 2.10.20 on. */
export function clusters(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && (minor > 10 || (minor === 10 && patch >= 20)));
}

/** Where this machine gets its Debian from: the first archive that is no security archive. */
function debianMirror(): string {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  for (const file of [...files, "/etc/apt/sources.list"].filter(existsSync)) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const url = /^(?:deb|URIs:)\s.*?(https?:\/\/\S+)/.exec(line)?.[1];
      if (url !== undefined && /debian\/?$/.test(url)) return url;
    }
  }
  throw new Error("apt has no Debian archive configured");
}

/** Uses apt with lists and a cache of its own: the system's sources stay as they are. */
function unpack(suite: Suite, target: string): string {
  if (!existsSync(KEYRING)) throw new Error(`this is not Debian: ${KEYRING} is absent`);
  const work = `${target}.${process.pid}`;
  for (const dir of ["lists/partial", "cache/archives/partial", "root"]) {
    mkdirSync(join(work, dir), { recursive: true });
  }
  try {
    const list = join(work, "sources.list");
    writeFileSync(list, `deb [signed-by=${KEYRING}] ${debianMirror()} ${suite} main\n`);
    const apt = (...args: string[]): void => {
      const options = {
        "Dir::Etc::sourcelist": list,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": join(work, "lists"),
        "Dir::Cache": join(work, "cache"),
        "APT::Sandbox::User": "",
        "Acquire::Retries": "3",
      };
      const flags = Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
      execFileSync("apt-get", ["-qq", ...flags, ...args], { cwd: work, stdio: "pipe", timeout: 300_000 });
    };
    console.error(`unpacking nats-server of Debian ${suite} into .cache/`);
    apt("update");
    apt("download", "nats-server");
    const deb = readdirSync(work).find((name) => name.endsWith(".deb"));
    if (deb === undefined) throw new Error("apt downloaded nothing");
    execFileSync("dpkg-deb", ["-x", join(work, deb), join(work, "root")], { stdio: "pipe" });
    rmSync(target, { recursive: true, force: true });
    renameSync(join(work, "root"), target);
    return join(target, "usr/sbin/nats-server");
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
