import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../../dist/cli/main.js");

/** One run of the built command line. */
export interface Running {
  readonly child: ChildProcess;
  readonly code: Promise<number | null>;
  out(): string;
  err(): string;
  /** Standard output as JSON, a value a line. */
  lines(): Record<string, unknown>[];
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; absent: none. */
  readonly input?: string;
}

/** Runs the built command line with nothing of our environment but PATH, and ends what is left at the end. */
export class CommandLine {
  readonly folder: string = mkdtempSync(join(tmpdir(), "smb2nats-cli-"));
  readonly #children = new Set<ChildProcess>();
  readonly #env: Readonly<Record<string, string>>;

  constructor(env: Readonly<Record<string, string>> = {}) {
    this.#env = env;
  }

  run(args: readonly string[], { env = {}, input }: RunOptions = {}): Running {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", HOME: this.folder, ...this.#env, ...env },
    });
    this.#children.add(child);
    child.stdin?.end(input);
    const text = { out: "", err: "" };
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      text.out += chunk;
    });
    child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
      text.err += chunk;
    });
    const code = new Promise<number | null>((resolve) => child.once("close", resolve));
    return {
      child,
      code,
      out: () => text.out,
      err: () => text.err,
      lines: () =>
        text.out
          .split("\n")
          .filter((line) => line !== "")
          .map((line) => JSON.parse(line) as Record<string, unknown>),
    };
  }

  /** Kills what still runs. */
  async endAll(): Promise<void> {
    const left = [...this.#children].filter((child) => child.exitCode === null && child.signalCode === null);
    this.#children.clear();
    await Promise.all(
      left.map(async (child) => {
        const gone = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await gone;
      }),
    );
  }

  async close(): Promise<void> {
    await this.endAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
