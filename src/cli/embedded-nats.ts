import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { sleep } from "../base/async.ts";
import { Smb2NatsError } from "../base/errors.ts";
import type { Environment } from "../ops/config/index.ts";

/** There is no nats-server here, or it did not start. */
export class EmbeddedNatsError extends Smb2NatsError {
  constructor(message: string, cause?: unknown) {
    super("EMBEDDED_NATS", "refused", message, { cause });
  }
}

export interface EmbeddedNatsOptions {
  readonly env: Environment;
  /** Default `$XDG_STATE_HOME/smb2nats/nats`, or below `~/.local/state`. */
  readonly dataDir?: string;
  readonly signal?: AbortSignal | undefined;
  /** The server ended without being asked to. */
  readonly onExit?: (reason: string) => void;
}

/** What may be reserved, bytes; the sizes of the streams are the limit that counts. */
const MAX_FILE_STORE = 2 ** 40;
const START_MS = 15_000;
/** After SIGTERM; nats-server flushes and ends in well under a second. */
const STOP_MS = 10_000;

/**
 * A nats-server of our own as a child process: on a free loopback port, with JetStream on disk, let in
 * only who can read `tokenFile`. Ended with us.
 */
export class EmbeddedNats {
  readonly url: string;
  readonly tokenFile: string;
  readonly dataDir: string;
  readonly #running: Running;
  #closing: Promise<void> | undefined;

  private constructor(running: Running) {
    this.url = running.url;
    this.tokenFile = running.tokenFile;
    this.dataDir = running.dataDir;
    this.#running = running;
  }

  /** @throws EmbeddedNatsError, AbortedError */
  static async start(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
    const program = findNatsServer(options.env);
    const dataDir = options.dataDir ?? defaultDataDir(options.env);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const lock = await takeLock(dataDir, options.signal);
    try {
      return new EmbeddedNats(await run(program, dataDir, lock, options));
    } catch (error) {
      rmSync(lock, { force: true });
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#running.child.pid;
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#stop();
    return this.#closing;
  }

  async #stop(): Promise<void> {
    this.#running.expectEnd();
    await stopChild(this.#running.child);
    rmSync(this.#running.lock, { force: true });
  }
}

interface Running {
  readonly url: string;
  readonly tokenFile: string;
  readonly dataDir: string;
  readonly child: ChildProcess;
  readonly lock: string;
  /** From now on its end is no news. */
  readonly expectEnd: () => void;
}

async function run(
  program: string,
  dataDir: string,
  lock: string,
  { signal, onExit }: EmbeddedNatsOptions,
): Promise<Running> {
  const tokenFile = join(dataDir, "token");
  const token = readOr(tokenFile) ?? randomBytes(24).toString("base64url");
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const config = join(dataDir, "nats.conf");
  for (const name of readdirSync(dataDir)) if (name.endsWith(".ports")) rmSync(join(dataDir, name));
  // In a file, not in arguments: those are open to everyone on the machine. JSON is what its parser takes.
  const settings = {
    listen: "127.0.0.1:-1",
    // Its own guess is a part of what is free now: with less at the next start it would not take back the streams it has.
    jetstream: { store_dir: join(dataDir, "jetstream"), max_file_store: MAX_FILE_STORE },
    ports_file_dir: dataDir,
    authorization: { token },
  };
  writeFileSync(config, JSON.stringify(settings, undefined, 1), { mode: 0o600 });

  // In a process group of its own, or Ctrl-C would end it before we have drained.
  const child = spawn(program, ["-c", config], { stdio: ["ignore", "ignore", "pipe"], detached: true });
  writeFileSync(lock, `${process.pid}\n${child.pid ?? ""}\n`, { mode: 0o600 });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-4_096);
  });
  let expected = false;
  let ended: string | undefined;
  const end = (reason: string): void => {
    if (ended !== undefined) return;
    ended = reason;
    if (!expected) onExit?.(`nats-server ${reason}`);
  };
  child.on("error", (error) => end(`did not start: ${error.message}`));
  child.on("exit", (code, by) => end(by === null ? `ended with status ${code}` : `was ended by ${by}`));
  try {
    const url = await waitForPort(dataDir, child, () => ended, signal);
    const expectEnd = (): void => {
      expected = true;
    };
    return { url, tokenFile, dataDir, child, lock, expectEnd };
  } catch (error) {
    expected = true;
    await stopChild(child);
    if (!(error instanceof EmbeddedNatsError)) throw error;
    const last = said.trim().split("\n").at(-1) ?? "";
    throw new EmbeddedNatsError(last === "" ? error.message : `${error.message}: ${last}`);
  }
}

/** The server writes the port it got into `nats-server_<pid>.ports` once it listens. */
async function waitForPort(
  dataDir: string,
  child: ChildProcess,
  ended: () => string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline) {
    const reason = ended();
    if (reason !== undefined) throw new EmbeddedNatsError(`nats-server ${reason}`);
    const name = readdirSync(dataDir).find((file) => file.endsWith(`_${child.pid}.ports`));
    const url = name === undefined ? undefined : portIn(readOr(join(dataDir, name)));
    if (url !== undefined) return url;
    await sleep(20, { signal });
  }
  throw new EmbeddedNatsError(`nats-server did not listen within ${START_MS} ms`);
}

function portIn(text: string | undefined): string | undefined {
  try {
    const parsed: unknown = JSON.parse(text ?? "");
    const urls: unknown =
      typeof parsed === "object" && parsed !== null && "nats" in parsed ? parsed.nats : undefined;
    const first: unknown = Array.isArray(urls) ? urls[0] : undefined;
    return typeof first === "string" ? first : undefined;
  } catch {
    // Being written.
    return undefined;
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const kill = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await gone;
  clearTimeout(kill);
}

/** Where packages put servers, and a plain user's PATH does not look. */
const SBIN = ["/usr/sbin", "/usr/local/sbin"];

/** @throws EmbeddedNatsError that says which package to install. */
export function findNatsServer(env: Environment, beside: readonly string[] = SBIN): string {
  const given = env["NATS_SERVER_BIN"];
  if (given !== undefined && given !== "") {
    if (isExecutable(given)) return given;
    throw new EmbeddedNatsError(`NATS_SERVER_BIN names ${given}, which is not a program`);
  }
  const folders = [...(env["PATH"] ?? "").split(delimiter), ...beside];
  const found = folders
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, "nats-server"))
    .find(isExecutable);
  if (found !== undefined) return found;
  throw new EmbeddedNatsError(
    "no nats-server on this machine: install it (Debian and Ubuntu: apt install nats-server; macOS: brew install nats-server), name it in NATS_SERVER_BIN, or name running servers in SMB2NATS_NATS_SERVERS",
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function defaultDataDir(env: Environment): string {
  const state = env["XDG_STATE_HOME"];
  const base = state !== undefined && state !== "" ? state : join(homedir(), ".local", "state");
  return join(base, "smb2nats", "nats");
}

/**
 * Two servers on one JetStream directory would destroy it. The lock names its owner, and the server it started:
 * an owner that was killed leaves a server behind, which is ended here. @throws EmbeddedNatsError, AbortedError
 */
async function takeLock(dataDir: string, signal: AbortSignal | undefined): Promise<string> {
  const lock = join(dataDir, "lock");
  const [holder = 0, child = 0] = (readOr(lock) ?? "").split("\n").map(Number);
  // Our own number: a container before us, in which numbers start over.
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new EmbeddedNatsError(
      `${dataDir} is in use by process ${holder}; if that is something else, remove ${lock}`,
    );
  }
  writeFileSync(lock, `${process.pid}\n`, { mode: 0o600 });
  if (child > 0) await endOrphan(child, dataDir, signal);
  return lock;
}

async function endOrphan(pid: number, dataDir: string, signal: AbortSignal | undefined): Promise<void> {
  // The number may be a stranger's by now: only what still names our folder is ours.
  const ours = (): boolean => isAlive(pid) && (readOr(`/proc/${pid}/cmdline`) ?? "").includes(dataDir);
  if (!ours()) return;
  process.kill(pid, "SIGTERM");
  const deadline = performance.now() + STOP_MS;
  while (ours()) {
    if (performance.now() > deadline) throw new EmbeddedNatsError(`nats-server ${pid} does not end`);
    await sleep(50, { signal });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}
