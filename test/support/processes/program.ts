import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until } from "../until.ts";

/** The command as users get it. */
export const MAIN: string = join(import.meta.dirname, "../../../dist/cli/main.js");

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Of Node itself. */
  readonly execArgv?: readonly string[];
}

/** One run of the built command, ended with the test at the latest. */
export class Program {
  readonly child: ChildProcess;
  /** Exit status, or the name of the signal. */
  readonly ended: Promise<number | string>;
  stdout = "";
  stderr = "";
  #running = true;

  constructor(args: readonly string[], { env = {}, execArgv = [] }: ProgramOptions = {}) {
    if (!existsSync(MAIN)) throw new Error("dist/ is not built: npm run build");
    this.child = spawn(process.execPath, [...execArgv, MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", ...env },
    });
    this.child.stdout?.on("data", (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr?.on("data", (chunk) => {
      this.stderr += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        this.#running = false;
        resolve(code ?? signal ?? "unknown");
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** Waits for the end; past `withinMs` the process is killed, which is then what is returned: `SIGKILL`. */
  async end(withinMs: number): Promise<number | string> {
    const late = setTimeout(() => this.child.kill("SIGKILL"), withinMs);
    const ended = await this.ended;
    clearTimeout(late);
    return ended;
  }

  async said(text: string, timeoutMs = 30_000): Promise<void> {
    const heard = (): boolean => this.stderr.includes(text) || this.stdout.includes(text);
    await until(`"${text}" of the program`, heard, { timeoutMs }).catch((cause: unknown) => {
      throw new Error(`${this.stdout.slice(-2_000)}\n${this.stderr.slice(-2_000)}`, { cause });
    });
  }

  kill(): void {
    if (this.#running) this.child.kill("SIGKILL");
  }
}
