import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sweepLeftovers } from "../scripts/lab/workspace.ts";
import type { Section } from "./stats.ts";

/** Installing and building take a minute or two; a machine with other work five times as long. */
const PREPARE_MS = 15 * 60_000;
/** The longest section needs ten minutes on an idle machine. */
const MEASURE_MS = 60 * 60_000;
/** From SIGTERM to SIGKILL. */
const FAREWELL_MS = 10_000;

/** The command could not be compared, and why. */
export class CompareError extends Error {}

/** A place where the bench can be run: this working tree, or another commit in a folder of its own. */
export interface Place {
  /** As it is shown: the commit, or `now`. */
  readonly name: string;
  readonly root: string;
}

/** A commit's id in full. @throws CompareError where `ref` names none. */
export async function resolveCommit(root: string, ref: string, signal: AbortSignal): Promise<string> {
  // Behind `--end-of-options` nothing is an option, whatever it begins with.
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${ref}^{commit}`];
  const { code, output } = await run("git", args, { cwd: root, ms: 60_000, signal, capture: true });
  const id = output.trim();
  if (code !== 0 || !/^[0-9a-f]{40,64}$/.test(id)) throw new CompareError(`${ref} is no commit here`);
  return id;
}

/**
 * The sources of `commit` in a temporary folder, with their packages, built. Packages are those of `root` where both
 * have the same lock file, and else installed, from npm's cache as far as it goes.
 * @throws CompareError where a step fails; nothing is left then.
 */
export async function checkOut(root: string, commit: string, signal: AbortSignal): Promise<Place> {
  const dir = mkdtempSync(join(tmpdir(), "smb2nats-bench-"));
  const step = async (program: string, args: readonly string[], cwd = dir): Promise<void> => {
    // The folder has no git of its own: the stamp in the build says which commit it is.
    const env = { ...process.env, SMB2NATS_COMMIT: commit };
    const { code } = await run(program, args, { cwd, ms: PREPARE_MS, signal, env });
    if (code !== 0) throw new CompareError(`${[program, ...args].join(" ")} failed (${code}) in ${cwd}`);
  };
  try {
    const tar = join(dir, "sources.tar");
    await step("git", ["archive", "--format=tar", `--output=${tar}`, commit], root);
    await step("tar", ["-xf", tar]);
    rmSync(tar);
    const lock = (place: string): string => readFileSync(join(place, "package-lock.json"), "utf8");
    if (lock(root) === lock(dir)) symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
    else await step("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]);
    await step(process.execPath, [join(dir, "scripts", "build.mjs")]);
  } catch (error) {
    remove(dir);
    throw error;
  }
  return { name: commit.slice(0, 7), root: dir };
}

export function remove(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/**
 * One section in a process of its own, from that place's own sources; undefined where that place has no such section.
 * @throws CompareError where it fails.
 */
export async function measure(
  place: Place,
  section: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Section | undefined> {
  const dir = mkdtempSync(join(tmpdir(), "smb2nats-bench-"));
  try {
    const json = join(dir, "result.json");
    const main = join(place.root, "bench", "main.ts");
    const { code, output } = await run(
      process.execPath,
      ["--import", "tsx", main, "--only", section, "--json", json, ...args],
      { cwd: place.root, ms: MEASURE_MS, signal, capture: true },
    );
    if (code === 2) return undefined;
    if (code !== 0) throw new CompareError(`${section} with ${place.name} failed (${code}):\n${output}`);
    const { sections } = JSON.parse(readFileSync(json, "utf8")) as { sections: readonly Section[] };
    return sections[0];
  } finally {
    // A section that was ended, or broke, has left its servers behind.
    for (const base of [tmpdir(), "/dev/shm"]) if (existsSync(base)) sweepLeftovers(base);
    remove(dir);
  }
}

interface RunOptions {
  readonly cwd: string;
  readonly ms: number;
  readonly signal: AbortSignal;
  /** Keeps what it prints; else its output goes where our errors go. */
  readonly capture?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** A process until its end, by `ms` at the latest. @throws CompareError where it cannot be started or is given up. */
async function run(
  program: string,
  args: readonly string[],
  { cwd, ms, signal, capture = false, env = process.env }: RunOptions,
): Promise<{ readonly code: number | null; readonly output: string }> {
  signal.throwIfAborted();
  const stdout = capture ? "pipe" : 2;
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", stdout, capture ? "pipe" : 2] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const until = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  let kill: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill("SIGTERM");
    kill = setTimeout(() => child.kill("SIGKILL"), FAREWELL_MS);
  };
  until.addEventListener("abort", end, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", (error) => reject(new CompareError(`${program}: ${error.message}`)));
      child.once("close", resolve);
    });
    signal.throwIfAborted();
    if (until.aborted) throw new CompareError(`${program} took longer than ${ms / 60_000} minutes`);
    return { code, output };
  } finally {
    until.removeEventListener("abort", end);
    clearTimeout(kill);
  }
}
