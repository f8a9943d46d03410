import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import type { Samba } from "../../lab/samba.ts";

export interface ListedEntry {
  readonly name: string;
  readonly directory: boolean;
  /** Last write in ms since the epoch; smbclient shows whole seconds. */
  readonly modified: number;
}

/** What the answer to `ls` ends with. */
const END = /(?:\d+ blocks available|^NT_STATUS_\w+ listing .*)\n$/m;
/** Two blanks, the name, seven columns of attributes, the size, the time as `asctime` has it. */
const ENTRY =
  /^ {2}(.+)(.{7}) (?:[ \d]{7}\d|\d{9,}) {2}([A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/** smbclient, kept running: what a share lists to an account, by a client that shares no code with ours. */
export class ShareClient {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = "";
  #wake: (() => void) | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(samba: Samba, share: string) {
    const { dir, port } = samba;
    const args = [
      `//127.0.0.1/${share}`,
      "-p",
      String(port),
      "-s",
      join(dir, "smb.conf"),
      "-A",
      join(dir, "auth"),
    ];
    // Without a terminal it shows no prompt, and keeps what it has to say unless told not to.
    this.#child = spawn("stdbuf", ["-o0", "smbclient", ...args]);
    this.#child.stdin.on("error", () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output += text;
        this.#wake?.();
      });
    }
    this.#child.once("close", () => this.#wake?.());
  }

  /** `undefined` where there is no such directory, or "refused". Its entries are in no order. @throws Error */
  async list(path: string): Promise<readonly ListedEntry[] | "refused" | undefined> {
    const mask = `${path === "/" ? "" : path.replaceAll("/", "\\")}\\*`;
    const output = await this.#command(`ls "${mask}"`);
    const status = /NT_STATUS_\w+/.exec(output.replace(/^ {2}.*$/gm, ""))?.[0];
    if (status === "NT_STATUS_ACCESS_DENIED") return "refused";
    if (status !== undefined && status !== "NT_STATUS_NO_SUCH_FILE") {
      if (/_(NOT_FOUND|A_DIRECTORY|DELETE_PENDING|PATH_SYNTAX_BAD)$/.test(status)) return undefined;
      throw new Error(`smbclient could not list ${path}: ${output.trim()}`);
    }
    return output.split("\n").flatMap((line): ListedEntry[] => {
      const [, padded = "", attributes = "", time = ""] = ENTRY.exec(line) ?? [];
      const name = padded.trimEnd();
      if (name === "" || name === "." || name === "..") return [];
      return [{ name, directory: attributes.includes("D"), modified: Date.parse(time) }];
    });
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.#child.stdin.end("quit\n");
    const force = setTimeout(() => this.#child.kill("SIGKILL"), 2_000);
    await closed;
    clearTimeout(force);
  }

  #command(text: string): Promise<string> {
    const result = this.#queue.then(() => {
      this.#child.stdin.write(`${text}\n`);
      return this.#answer();
    });
    this.#queue = result.catch(() => undefined);
    return result;
  }

  async #answer(): Promise<string> {
    const deadline = setTimeout(() => this.#child.kill("SIGKILL"), 30_000);
    try {
      for (;;) {
        if (END.test(this.#output)) {
          const text = this.#output;
          this.#output = "";
          return text;
        }
        if (this.#child.exitCode !== null || this.#child.signalCode !== null)
          throw new Error(`smbclient ended: ${this.#output.trim()}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
    }
  }
}
