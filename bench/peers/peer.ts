import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { killGroup } from "../../scripts/lab/workspace.ts";
import { rounded } from "../stats.ts";
import { type Answer, parseAnswer } from "./lines.ts";

/** From `end` to SIGKILL. */
const FAREWELL_MS = 3_000;

/** A listener has not done what it was asked for, and why. */
export class PeerError extends Error {}

/** How a listener is started. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** A listener in a process of its own, spoken to in lines (lines.ts). */
export class Peer {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  #onAnswer: ((answer: Answer | PeerError) => void) | undefined;
  #errors = "";
  #ended = false;

  /** Passwords go by its standard input: what stands in arguments everybody on the machine can read. */
  constructor(program: Program, settings: Readonly<Record<string, string>>, signal: AbortSignal) {
    signal.throwIfAborted();
    this.#signal = signal;
    // A group of its own: some have children.
    const child = spawn(program.command, program.args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.#child = child;
    child.stdin?.on("error", () => undefined);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = `${this.#errors}${text}`.slice(-1_000);
    });
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      try {
        this.#onAnswer?.(parseAnswer(line));
      } catch (error) {
        this.#onAnswer?.(new PeerError(String(error)));
      }
    });
    const gone = (): void => {
      this.#ended = true;
      this.#onAnswer?.(this.#gone());
    };
    child.once("error", gone).once("close", gone);
    for (const [key, value] of Object.entries(settings)) this.say(`set ${key} ${value}`);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** For what has no answer. */
  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** @throws PeerError where it fails, ends, or does not answer in time */
  async arm(paths: readonly string[], ms: number): Promise<void> {
    for (const path of paths) this.say(`watch ${path}`);
    await this.#ask("arm", "armed", ms);
  }

  count(): Promise<Extract<Answer, { type: "count" }>> {
    return this.#ask("count", "count", 30_000);
  }

  /** Forgets what was heard; from now on only names that begin so count. */
  async clear(prefix: string): Promise<void> {
    await this.#ask(`clear ${prefix}`, "cleared", 30_000);
  }

  list(path: string, ms: number): Promise<Extract<Answer, { type: "listed" }>> {
    return this.#ask(`list ${path}`, "listed", ms);
  }

  /** When it first heard of each name, ms of the clock that all processes share. */
  async tell(): Promise<ReadonlyMap<string, number>> {
    const names = new Map<string, number>();
    await this.#ask("tell", "told", 30_000, ({ at, name }) => names.set(name, at));
    return names;
  }

  /** Makes changes until it hears of one: then it listens, whatever it thinks of itself. @throws PeerError */
  async hearing(change: (serial: number) => void, ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    for (let serial = 0; ; serial++) {
      change(serial);
      await delay(100);
      if ((await this.count()).names > 0) return;
      if (performance.now() > deadline) throw new PeerError(`it has heard nothing within ${ms / 1_000} s`);
    }
  }

  /** Ends it and what it has started. Idempotent. */
  async close(): Promise<void> {
    const { pid } = this.#child;
    if (pid === undefined) return;
    if (!this.#ended) {
      this.say("end");
      const ended = once(this.#child, "close");
      await Promise.race([ended, delay(FAREWELL_MS, undefined, { ref: false })]);
    }
    killGroup(pid, "SIGKILL");
  }

  async #ask<T extends Answer["type"]>(
    line: string,
    wanted: T,
    ms: number,
    onHeard: (heard: Extract<Answer, { type: "heard" }>) => void = () => undefined,
  ): Promise<Extract<Answer, { type: T }>> {
    this.#signal.throwIfAborted();
    if (this.#ended) throw this.#gone();
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise((resolve, reject) => {
        onAbort = () => reject(this.#signal.reason);
        this.#signal.addEventListener("abort", onAbort);
        const late = (): void =>
          reject(new PeerError(`no answer to "${line.split(" ")[0]}" within ${rounded(ms / 1_000)} s`));
        timer = setTimeout(late, ms);
        this.#onAnswer = (answer) => {
          if (answer instanceof PeerError) reject(answer);
          else if (answer.type === wanted) resolve(answer as Extract<Answer, { type: T }>);
          else if (answer.type === "heard") onHeard(answer);
          else reject(new PeerError(answer.type === "failed" ? answer.why : `unexpected ${answer.type}`));
        };
        this.say(line);
      });
    } finally {
      clearTimeout(timer);
      if (onAbort !== undefined) this.#signal.removeEventListener("abort", onAbort);
      this.#onAnswer = undefined;
    }
  }

  /** With the last line of what it complained of. */
  #gone(): PeerError {
    return new PeerError(`it has ended: ${this.#errors.trim().split("\n").at(-1) ?? ""}`);
  }
}
