import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Samba } from "../scripts/lab/samba.ts";

/** Nothing came for so long: something hangs. */
const STUCK_MS = 30_000;

/** One session of smbclient, which takes commands as fast as it can do them. */
export class SmbclientSession {
  /** What the server refused, as smbclient says it. */
  readonly refused: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #opened = 0;
  #over = false;

  constructor(samba: Samba) {
    const args = ["//127.0.0.1/share", "-p", String(samba.port)];
    args.push("-s", join(samba.dir, "smb.conf"), "-A", join(samba.dir, "auth"));
    this.#child = spawn("smbclient", args, { stdio: ["pipe", "pipe", "ignore"] });
    this.#child.stdin?.on("error", () => undefined);
    const { stdout } = this.#child;
    if (stdout !== null) createInterface({ input: stdout }).on("line", (line) => this.#take(line));
    this.#ended = new Promise((resolve) =>
      this.#child.once("close", () => {
        this.#over = true;
        resolve();
      }),
    );
  }

  /** Files that were opened, as far as it has said so: it says so in blocks of 4 KiB, the rest at its end. */
  get opened(): number {
    return this.#opened;
  }

  do(commands: string): void {
    this.#child.stdin?.write(commands);
  }

  /** What it has read ahead it does only when more comes. */
  wake(): void {
    this.do("\n");
  }

  /** Until so many files have been opened. @throws Error */
  async until(count: number): Promise<void> {
    let before = this.#opened;
    let at = performance.now();
    while (this.#opened < count) {
      await delay(1);
      if (this.#opened > before) [before, at] = [this.#opened, performance.now()];
      if (this.#over || performance.now() - at > STUCK_MS)
        throw new Error(`smbclient opened ${this.#opened} of ${count} files`);
    }
  }

  /** Nothing more is to be done. */
  finish(): void {
    this.#child.stdin?.end();
  }

  /** When it has done all, and ended; then it has opened so many files. @throws Error */
  async ended(count: number): Promise<void> {
    await Promise.race([this.#ended, this.until(Number.POSITIVE_INFINITY).catch(() => undefined)]);
    if (this.#opened < count) throw new Error(`smbclient opened ${this.#opened} of ${count} files`);
  }

  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #take(line: string): void {
    if (line.includes("for read/write")) this.#opened++;
    else if (/NT_STATUS_|for read /.test(line)) {
      // Refused for writing it opens for reading alone.
      if (line.includes("for read ")) this.#opened++;
      this.refused.push(line.trim());
    }
  }
}
