import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type Suite, unpackFromDebian, whyNot } from "./debian.ts";
import { findSbin } from "./programs.ts";

/** The one of this system, or that of a later Debian: `trixie` has 4.22, `sid` the newest. */
export type SambaRelease = "installed" | Suite;

export interface SambaPrograms {
  readonly release: SambaRelease;
  /** `4.22.11` */
  readonly version: string;
  /** Names for `vfs objects`; Debian 12 has them in a package of their own. */
  readonly vfsModules: ReadonlySet<string>;
  /** What to start in place of a program of this release: `smbd`, `smbpasswd`, `smbcontrol`, `smbstatus`, `testparm`. */
  command(program: string, args: readonly string[]): [file: string, args: string[]];
}

const found = new Map<SambaRelease, SambaPrograms | Error>();

/** What `SMB2NATS_LAB_SAMBA` says, for whole suites on another release. */
export function wantedRelease(): SambaRelease {
  const wanted = process.env["SMB2NATS_LAB_SAMBA"] || "installed";
  if (wanted === "installed" || wanted === "trixie" || wanted === "sid") return wanted;
  throw new Error(`SMB2NATS_LAB_SAMBA is ${wanted}, and may be installed, trixie or sid`);
}

/** @throws Error with the reason where that release is not to be had here */
export function sambaPrograms(release: SambaRelease = wantedRelease()): SambaPrograms {
  let programs = found.get(release);
  if (programs === undefined) {
    try {
      programs = release === "installed" ? installed() : unpacked(release);
    } catch (error) {
      programs = new Error(`no Samba of Debian ${release} to be had: ${whyNot(error)}`, { cause: error });
    }
    found.set(release, programs);
  }
  if (programs instanceof Error) throw programs;
  return programs;
}

/** For `describe.skipIf`: `undefined`, and the reason on stderr, where that release is not to be had here. */
export function sambaIfAny(release: SambaRelease): SambaPrograms | undefined {
  try {
    return sambaPrograms(release);
  } catch (error) {
    console.error(whyNot(error));
    return undefined;
  }
}

function installed(): SambaPrograms {
  if (findSbin("smbd") === undefined) throw new Error("smbd not found: install the package samba");
  return known("installed", "/", (program, args) => [findSbin(program) ?? program, [...args]]);
}

/**
 * Samba has its folders compiled in, and needs its own loader and C library. So its tree lies over `/usr` of a mount
 * namespace, which only the started program and its children see; `/etc`, `/tmp` and all else are this system's.
 */
function unpacked(suite: Suite): SambaPrograms {
  const root = unpackFromDebian({
    suite,
    name: "samba",
    packages: ["samba", "samba-common", "samba-common-bin", "dash"],
    // Libraries only: no Perl, no account tools, nothing that helps an installation.
    dependencies: /^(lib|samba-|zlib)(?!text-|ncurses|proc2|debconf)/,
  });
  const script = 'mount --bind "$0" /usr && exec "$@"';
  const namespace = userInfo().uid === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"];
  return known(suite, root, (program, args) => {
    const inside = join("/usr", program === "smbd" ? "sbin" : "bin", program);
    return ["unshare", [...namespace, "--mount", "sh", "-c", script, join(root, "usr"), inside, ...args]];
  });
}

function known(release: SambaRelease, root: string, command: SambaPrograms["command"]): SambaPrograms {
  const text = execFileSync(...command("smbd", ["-V"]), { encoding: "utf8", stdio: "pipe", timeout: 30_000 });
  const version = /Version (\d+\.\d+\.\d+)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`smbd -V says ${text.trim()}`);
  return { release, version, vfsModules: vfsModules(root), command };
}

function vfsModules(root: string): Set<string> {
  const libraries = join(root, "usr/lib");
  const folders = [libraries, ...readdirSync(libraries).map((name) => join(libraries, name))];
  const files = folders
    .map((folder) => join(folder, "samba/vfs"))
    .filter(existsSync)
    .flatMap((dir) => readdirSync(dir));
  return new Set(files.map((file) => file.replace(/\.so$/, "")));
}
