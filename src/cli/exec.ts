import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Deferred, deferred } from "../base/async.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { UsageError } from "./exit-codes.ts";

export interface ExecOptions {
  /** Path of an executable file. */
  readonly program: string;
  readonly args: readonly string[];
  /** Processes at once. With more than 1 they may end in another order than they began. */
  readonly jobs: number;
  /** Longest run of one process, ms; then SIGTERM, and SIGKILL after `KILL_MS`. */
  readonly timeoutMs: number;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** One line on each process that did not end with 0. */
  readonly onFailure: (line: string) => void;
  readonly clock?: Clock;
}

/** Between SIGTERM and SIGKILL. */
const KILL_MS = 2_000;

/** One process for each batch: what happened on its standard input, no shell, no more at once than allowed. */
export class Executor {
  readonly #options: ExecOptions;
  readonly #clock: Clock;
  readonly #running = new Map<ChildProcess, Promise<boolean>>();
  #freed: Deferred<void> | undefined;
  #failures = 0;

  constructor(options: ExecOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Processes that did not end with 0. */
  get failures(): number {
    return this.#failures;
  }

  /** Resolves once a process has been started with `input`, which waits while too many run. */
  async run(input: string): Promise<void> {
    await this.#place();
    void this.#start(input);
  }

  /** As `run`, and waits for its end. Resolves with whether it ended with 0. */
  async attempt(input: string): Promise<boolean> {
    await this.#place();
    return this.#start(input);
  }

  /** Resolves when none runs any more. */
  async idle(): Promise<void> {
    await Promise.all(this.#running.values());
  }

  /** Waits `graceMs` for those that run, then ends them. Idempotent. */
  async close(graceMs: number): Promise<void> {
    const cancel = this.#clock.after(graceMs, () => {
      for (const child of this.#running.keys()) this.#end(child);
    });
    await this.idle();
    cancel();
  }

  async #place(): Promise<void> {
    while (this.#running.size >= this.#options.jobs) {
      this.#freed ??= deferred();
      await this.#freed.promise;
    }
  }

  #start(input: string): Promise<boolean> {
    const { program, args, env, timeoutMs } = this.#options;
    const child = spawn(program, args, { stdio: ["pipe", "inherit", "inherit"], env });
    // A program that does not read all of it has its reasons.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    let late = false;
    const cancel = this.#clock.after(timeoutMs, () => {
      late = true;
      this.#end(child);
    });
    const ended = new Promise<boolean>((resolve) => {
      const done = (why: string | undefined): void => {
        cancel();
        if (why !== undefined) this.#fail(child, why);
        if (!this.#running.delete(child)) return;
        this.#freed?.resolve();
        this.#freed = undefined;
        resolve(why === undefined);
      };
      child.once("error", (error) => done(`cannot be started (${error.message})`));
      // Not `close`: what it left behind may hold our standard output for ever.
      child.once("exit", (code, signal) => {
        if (late) done(`took longer than ${timeoutMs / 1_000} s and was ended`);
        else if (signal !== null) done(`was ended by ${signal}`);
        else done(code === 0 ? undefined : `ended with ${code}`);
      });
    });
    this.#running.set(child, ended);
    return ended;
  }

  #fail(child: ChildProcess, why: string): void {
    this.#failures++;
    const { program, onFailure } = this.#options;
    onFailure(`${program}${child.pid === undefined ? "" : ` (process ${child.pid})`} ${why}`);
  }

  #end(child: ChildProcess): void {
    child.kill("SIGTERM");
    const cancel = this.#clock.after(KILL_MS, () => child.kill("SIGKILL"));
    child.once("exit", cancel);
  }
}

/** Where a program is, as `execvp` would look: a mistake is told now and not at the first change. @throws UsageError */
export function findProgram(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const places = name.includes("/")
    ? [name]
    : (env["PATH"] ?? "").split(delimiter).map((folder) => join(folder === "" ? "." : folder, name));
  const found = places.find(isProgram);
  if (found !== undefined) return found;
  const blank = /\s/.test(name) ? "; it is started without a shell: arguments go behind --" : "";
  throw new UsageError(`--exec: ${JSON.stringify(name)} is not an executable file${blank}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
