import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { findSbin } from "../../scripts/lab/programs.ts";
import { killGroup } from "../../scripts/lab/workspace.ts";
import { PeerError, type Program } from "./peer.ts";

/** With what it needs below it: pip resolves nothing. */
const PYTHON_PINS = [
  "smbprotocol==1.17.0",
  "pyspnego==0.12.4",
  "cryptography==50.0.2",
  "cffi==2.1.1",
  "pycparser==3.12",
];
const INSTALL_MS = 5 * 60_000;
/** Ninety crates, one after another; a machine with other work five times as long. */
const BUILD_MS = 20 * 60_000;

export interface Peers {
  readonly smbprotocol?: Program;
  readonly rust?: Program;
  readonly smbclient?: Program;
  /** What is not here, and why. */
  readonly skipped: readonly { readonly peer: string; readonly why: string }[];
}

export const VERSIONS = { smbprotocol: "1.17.0", smb2: "0.18.1" } as const;

/**
 * The peers that can be had here, in a temporary folder that the next run finds again: nothing of them is a dependency, or
 * touches what is installed.
 */
export async function findPeers(signal: AbortSignal): Promise<Peers> {
  const skipped: { peer: string; why: string }[] = [];
  const have = async (peer: string, get: () => Promise<Program>): Promise<Program | undefined> => {
    try {
      return await get();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      skipped.push({ peer, why: error.message });
      return undefined;
    }
  };
  const smbprotocol = await have(`smbprotocol ${VERSIONS.smbprotocol}`, () => installPython(signal));
  const rust = await have(`smb2 ${VERSIONS.smb2}`, () => buildRust(signal));
  const smbclient = await have("smbclient", async () => {
    for (const program of ["smbclient", "stdbuf"])
      if (findSbin(program) === undefined) throw new PeerError(`no ${program} here`);
    return { command: process.execPath, args: [join(import.meta.dirname, "listener.mjs"), "smbclient"] };
  });
  return {
    skipped,
    ...(smbprotocol === undefined ? {} : { smbprotocol }),
    ...(rust === undefined ? {} : { rust }),
    ...(smbclient === undefined ? {} : { smbclient }),
  };
}

async function installPython(signal: AbortSignal): Promise<Program> {
  const python = findSbin("python3");
  if (python === undefined) throw new PeerError("no python3 here");
  const folder = folderFor("python", PYTHON_PINS.join("\n"));
  const own = join(folder, "bin", "python3");
  const complete = join(folder, "complete");
  if (!existsSync(complete)) {
    await run(python, ["-m", "venv", folder], INSTALL_MS, signal);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    await run(own, [...pip, "--only-binary", ":all:", ...PYTHON_PINS], INSTALL_MS, signal);
    writeFileSync(complete, "");
  }
  return { command: own, args: [join(import.meta.dirname, "smbprotocol_listener.py")] };
}

async function buildRust(signal: AbortSignal): Promise<Program> {
  const cargo = findSbin("cargo");
  if (cargo === undefined) throw new PeerError("no cargo here");
  const sources = join(import.meta.dirname, "rust");
  const folder = folderFor("rust", readFileSync(join(sources, "Cargo.toml"), "utf8"));
  // Cargo knows what is there already, and writes its lock file beside the manifest.
  const own = join(folder, "sources");
  cpSync(sources, own, { recursive: true });
  const args = ["build", "--release", "--quiet", "--manifest-path", join(own, "Cargo.toml")];
  await run(cargo, [...args, "--target-dir", folder], BUILD_MS, signal);
  return { command: join(folder, "release", "listener"), args: [] };
}

/** Of this user alone, and named after what is put into it. */
function folderFor(what: string, pins: string): string {
  const { uid, username } = userInfo();
  const base = join(tmpdir(), `smb2nats-peers-${uid < 0 ? username : uid}`);
  mkdirSync(base, { recursive: true, mode: 0o700 });
  const found = lstatSync(base);
  if (!found.isDirectory() || (uid >= 0 && found.uid !== uid))
    throw new PeerError(`${base} is somebody else's`);
  chmodSync(base, 0o700);
  return join(base, `${what}-${createHash("sha256").update(pins).digest("hex").slice(0, 12)}`);
}

/** @throws PeerError with what it said */
async function run(command: string, args: readonly string[], ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], detached: true });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors = `${errors}${text}`.slice(-4_000);
  });
  const until = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  const end = (): void => {
    if (child.pid !== undefined) killGroup(child.pid, "SIGKILL");
  };
  until.addEventListener("abort", end, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (error) => reject(new PeerError(error.message)));
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    if (until.aborted) throw new PeerError(`not done within ${ms / 60_000} minutes`);
    if (code !== 0) throw new PeerError(reason(errors));
  } finally {
    until.removeEventListener("abort", end);
  }
}

/** The first line that says what went wrong; where it came from is nobody's business here. */
export function reason(errors: string): string {
  const lines = errors.split("\n").map((line) => line.trim());
  const line = lines.find((each) => /^error/i.test(each)) ?? lines.filter(Boolean).at(-1) ?? "it failed";
  return line.replaceAll(/\b\w+:\/\/\S+/g, "(an address)").slice(0, 200);
}
