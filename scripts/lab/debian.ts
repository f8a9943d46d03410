import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lock } from "../setup.mjs";

const CACHE = join(import.meta.dirname, "../../.cache");
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Of Debian: `trixie` is 13, `sid` has the newest. */
export type Suite = "trixie" | "sid";

export interface Wanted {
  readonly suite: Suite;
  /** The folder is `.cache/<name>-<suite>`. */
  readonly name: string;
  readonly packages: readonly string[];
  /** Which of the packages that these depend on, in every depth, are unpacked beside them. Default: none. */
  readonly dependencies?: RegExp;
}

/**
 * Packages of a later Debian, unpacked into `.cache/` and never installed; later calls find them there. Apt works
 * with lists and a cache of its own: the system's sources stay as they are.
 * @returns the folder, the root of a file tree
 * @throws Error where there is no apt, no Debian archive, or no way to it
 */
export function unpackFromDebian({ suite, name, packages, dependencies }: Wanted): string {
  const target = join(CACHE, `${name}-${suite}`);
  if (existsSync(target)) return target;
  // Test files run side by side and ask for the same.
  const release = lock(`unpack-${name}-${suite}`);
  const work = `${target}.${process.pid}`;
  try {
    if (existsSync(target)) return target;
    console.error(`unpacking ${packages.join(", ")} of Debian ${suite} into .cache/`);
    const apt = aptOf(suite, work);
    apt("update");
    const beside =
      dependencies === undefined ? [] : closure(apt, packages).filter((p) => dependencies.test(p));
    apt("download", ...new Set([...packages, ...beside]));
    const debs = readdirSync(work).filter((file) => file.endsWith(".deb"));
    if (debs.length === 0) throw new Error("apt downloaded nothing");
    for (const deb of debs) {
      execFileSync("dpkg-deb", ["-x", join(work, deb), join(work, "root")], { stdio: "pipe" });
    }
    for (const unused of ["doc", "locale", "man"]) {
      rmSync(join(work, "root/usr/share", unused), { recursive: true, force: true });
    }
    renameSync(join(work, "root"), target);
    return target;
  } finally {
    rmSync(work, { recursive: true, force: true });
    release();
  }
}

/** One sentence of what went wrong, for the reason of a skip. */
export function whyNot(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: unknown; readonly message?: string };
  return String(stderr ?? "").trim() || (message ?? String(error));
}

type Apt = (...args: readonly string[]) => string;

function aptOf(suite: Suite, work: string): Apt {
  if (!existsSync(KEYRING)) throw new Error(`this is not Debian: ${KEYRING} is absent`);
  for (const dir of ["lists/partial", "cache/archives/partial", "root"]) {
    mkdirSync(join(work, dir), { recursive: true });
  }
  const list = join(work, "sources.list");
  const status = join(work, "status");
  writeFileSync(list, `deb [signed-by=${KEYRING}] ${debianMirror()} ${suite} main\n`);
  writeFileSync(status, "");
  const options = {
    "Dir::Etc::sourcelist": list,
    "Dir::Etc::sourceparts": "-",
    "Dir::State::lists": join(work, "lists"),
    // Nothing is installed there: so every package that is needed is named.
    "Dir::State::status": status,
    "Dir::Cache": join(work, "cache"),
    "APT::Sandbox::User": "",
    "APT::Install-Recommends": "false",
    "Acquire::Languages": "none",
    "Acquire::Retries": "3",
  };
  const flags = Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  return (...args) =>
    execFileSync("apt-get", ["-qq", ...flags, ...args], {
      cwd: work,
      encoding: "utf8",
      maxBuffer: 16 << 20,
      stdio: "pipe",
      timeout: 300_000,
    });
}

/** The names of all packages that an installation would bring: a line is `'URL' NAME_VERSION_ARCH.deb SIZE HASH`. */
function closure(apt: Apt, packages: readonly string[]): string[] {
  const lines = apt("--print-uris", "install", ...packages).split("\n");
  return lines.flatMap((line) => /^'.*' ([^_ ]+)_/.exec(line)?.[1] ?? []);
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
