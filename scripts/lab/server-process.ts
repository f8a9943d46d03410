import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { killGroup, type Workspace } from "./workspace.ts";

/** One server process as leader of its own group, its output in a file of the workspace. */
export class ServerProcess {
  readonly #workspace: Workspace;
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly logFile: string;
  #child: ChildProcess | undefined;

  constructor(
    workspace: Workspace,
    command: string,
    args: readonly string[],
    options: { readonly name: string; readonly env?: NodeJS.ProcessEnv },
  ) {
    this.#workspace = workspace;
    this.#command = command;
    this.#args = args;
    this.#env = { ...process.env, ...options.env };
    this.logFile = `${workspace.dir}/${options.name}.out`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  log(): string {
    try {
      return readFileSync(this.logFile, "utf8");
    } catch {
      return "";
    }
  }

  /** Starts the process and waits until it answers on `port`. @throws Error with its output otherwise. */
  async start(port: number, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const out = openSync(this.logFile, "a");
    const child = spawn(this.#command, this.#args, {
      stdio: ["ignore", out, out],
      env: this.#env,
      detached: true,
    });
    closeSync(out);
    this.#child = child;
    const failed = new Promise<never>((_, reject) => child.once("error", reject));
    if (child.pid !== undefined) this.#workspace.recordPid(child.pid);
    child.unref();
    try {
      await Promise.race([failed, this.#answers(port, options.timeoutMs ?? 20_000)]);
    } catch (error) {
      await this.stop("SIGKILL");
      throw error;
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#child?.pid !== undefined && this.running) killGroup(this.#child.pid, signal);
  }

  /** Ends the whole group and waits for it; forces it after `timeoutMs`. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = 10_000): Promise<void> {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    killGroup(pid, signal);
    const deadline = Date.now() + timeoutMs;
    while (groupAlive(pid)) {
      if (Date.now() > deadline) killGroup(pid, "SIGKILL");
      if (Date.now() > deadline + 5_000) break;
      await delay(10);
    }
    this.#child = undefined;
  }

  async #answers(port: number, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      if (!this.running) throw new Error(`${this.#command} ended at once:\n${this.log().slice(-2000)}`);
      if (await canConnect(port)) return;
      if (Date.now() > deadline) {
        throw new Error(`${this.#command} did not listen on ${port}:\n${this.log().slice(-2000)}`);
      }
      await delay(20);
    }
  }
}

function groupAlive(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const done = (ok: boolean): void => {
      socket.destroy();
      resolve(ok);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
    socket.setTimeout(1_000, () => done(false));
  });
}

/** Starts on one free port after another until one is really free. */
export async function startOnFreePort<T>(tries: number, attempt: () => Promise<T>): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left <= 1) throw error;
    }
  }
}
