import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { Samba } from "../../lab/samba.ts";

/** So many bytes, then so long nothing, the file open. */
export interface Piece {
  readonly bytes: number;
  readonly pauseMs: number;
}

/**
 * One time that a writer had a file open, ms of the wall clock. It was open for certain from `openedAt` to `closingAt`, and not
 * any more after `closedAt`.
 */
export interface Hold {
  readonly openedAt: number;
  readonly closingAt: number;
  readonly closedAt: number;
  /** Bytes of the file when it was closed. */
  readonly size: number;
  /** Tries in vain began then: until it was opened nobody knows what was in it, and who had it open. */
  readonly triedAt?: number;
}

/** Another SMB client. Paths are of the share, with slashes, without one at the start. */
export interface Writer {
  readonly name: string;
  /** Can add to what is there; others write it anew. */
  readonly appends: boolean;
  /** Opens a file, writes, and closes it. @throws Error with what it was refused */
  write(path: string, pieces: readonly Piece[], options: { readonly append: boolean }): Promise<Hold>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  close(): Promise<void>;
}

const OPENED_MS = 60_000;
/** Longer than all pauses of a file, and than the server lets anybody wait. */
const WRITTEN_MS = 120_000;
const LOOK_MS = 20;

/** Those that are here, and why others are not. */
export function writersOf(samba: Samba): { readonly writers: Writer[]; readonly absent: string[] } {
  const own = smbclient(samba);
  const marsaud = helper("@marsaud/smb2", samba, own, process.execPath, [
    "--openssl-legacy-provider",
    join(import.meta.dirname, "marsaud.mjs"),
  ]);
  // Debian 12 has no package of it.
  const python = process.env["SMBPROTOCOL_PYTHON"] ?? "/usr/bin/python3";
  if (!existsSync(python) || spawnSync(python, ["-c", "import smbclient, smbprotocol"]).status !== 0)
    return {
      writers: [own, marsaud],
      absent: ["smbprotocol: no Python has it; SMBPROTOCOL_PYTHON names one"],
    };
  const args = [join(import.meta.dirname, "smbprotocol_writer.py")];
  return { writers: [own, marsaud, helper("smbprotocol", samba, own, python, args)], absent: [] };
}

/** It sends what comes out of a pipe, its handle open until the pipe ends. */
function smbclient(samba: Samba): Writer {
  let serial = 0;
  const run = async (commands: string): Promise<void> => {
    const said = await samba.smbclient(commands).catch((error: unknown) => {
      // Why it failed stands on its standard output.
      const { stdout = "" } = error as { readonly stdout?: string };
      throw new Error(`smbclient: ${stdout.trim() || String(error)}`);
    });
    if (/NT_STATUS_/.test(said)) throw new Error(`smbclient: ${said.trim()}`);
  };
  return {
    name: "smbclient",
    appends: false,
    async write(path, pieces) {
      const pipe = join(samba.dir, `pipe-${serial++}`);
      execFileSync("mkfifo", [pipe]);
      const sent = run(`put ${pipe} "${path.replaceAll("/", "\\")}"`);
      let over = false;
      const ended = (): void => {
        over = true;
      };
      sent.then(ended, ended);
      let end: number | undefined;
      // Once: by then the number may be another file's.
      const close = (): void => {
        if (end !== undefined) closeSync(end);
        end = undefined;
      };
      try {
        const begun = Date.now();
        // It opens the file on the server first, then what is to be put there.
        while (end === undefined) {
          end = openForReader(pipe);
          if (end !== undefined) break;
          if (over) await sent;
          if (over || Date.now() > begun + OPENED_MS) throw new Error(`smbclient has not opened ${path}`);
          await delay(LOOK_MS);
        }
        const openedAt = Date.now();
        let size = 0;
        for (const { bytes, pauseMs } of pieces) {
          // A pipe takes 64 KiB without a reader: this does not block for long.
          if (bytes > 0) size += writeSync(end, Buffer.alloc(bytes, 1));
          await delay(pauseMs);
        }
        const closingAt = Date.now();
        close();
        await sent;
        return { openedAt, closingAt, closedAt: Date.now(), size };
      } finally {
        close();
        rmSync(pipe, { force: true });
      }
    },
    rename: (from, to) => run(`rename "${from.replaceAll("/", "\\")}" "${to.replaceAll("/", "\\")}"`),
    remove: (path) => run(`rm "${path.replaceAll("/", "\\")}"`),
    close: async () => undefined,
  };
}

/** `undefined`: nobody reads from it yet. */
function openForReader(pipe: string): number | undefined {
  try {
    const probe = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      return openSync(pipe, constants.O_WRONLY);
    } finally {
      closeSync(probe);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENXIO") return undefined;
    throw error;
  }
}

interface Answer {
  readonly id: number;
  readonly error?: string;
}

/** A process that takes jobs as lines of JSON, many at a time, and answers each with a line. */
function helper(name: string, samba: Samba, own: Writer, file: string, args: readonly string[]): Writer {
  const waiting = new Map<
    number,
    { resolve: (answer: Answer & Hold) => void; reject: (error: Error) => void }
  >();
  let child: ChildProcess | undefined;
  let serial = 0;
  const start = (): ChildProcess => {
    const started = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
    started.stdin?.on("error", () => undefined);
    const { port, domain, user: username, password } = samba;
    started.stdin?.write(`${JSON.stringify({ port, domain, username, password, share: "share" })}\n`);
    createInterface({ input: started.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer & Hold;
      const job = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (answer.error === undefined) job?.resolve(answer);
      else job?.reject(new Error(`${name}: ${answer.error}`));
    });
    started.once("close", (code) => {
      for (const job of waiting.values()) job.reject(new Error(`${name} ended with ${code}`));
      waiting.clear();
    });
    return started;
  };
  return {
    name,
    appends: true,
    write(path, pieces, { append }) {
      child ??= start();
      const id = serial++;
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new Error(`${name} has not written ${path} within ${WRITTEN_MS / 1_000} s`));
        }, WRITTEN_MS);
        waiting.set(id, {
          resolve: (answer) => {
            clearTimeout(timer);
            resolve(answer);
          },
          reject: (error) => {
            clearTimeout(timer);
            reject(error);
          },
        });
        child?.stdin?.write(`${JSON.stringify({ id, path, pieces, append })}\n`);
      });
    },
    // It is the writing that differs between clients.
    rename: own.rename,
    remove: own.remove,
    async close() {
      const ending = child;
      child = undefined;
      if (ending === undefined || ending.exitCode !== null) return;
      const ended = new Promise<void>((resolve) => ending.once("close", () => resolve()));
      ending.stdin?.end();
      const timer = setTimeout(() => ending.kill("SIGKILL"), 5_000);
      await ended;
      clearTimeout(timer);
    },
  };
}
