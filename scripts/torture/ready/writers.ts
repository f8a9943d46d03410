import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from "node:fs";
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
const UNSEEN_MS = 1_000;
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
      const local = join(samba.path(), path);
      const before = changedAt(local);
      const pipe = join(samba.dir, `pipe-${serial++}`);
      execFileSync("mkfifo", [pipe]);
      // Opened for both, so that nobody waits for the other end.
      const end = openSync(pipe, "r+");
      let open = true;
      // Once: by then the number may be another file's.
      const close = (): void => {
        if (open) closeSync(end);
        open = false;
      };
      try {
        const sent = run(`put ${pipe} "${path.replaceAll("/", "\\")}"`);
        sent.catch(() => undefined);
        const begun = Date.now();
        // It empties what is there; where that is empty already, nothing shows that it is open.
        while (changedAt(local) === before && (before === undefined || Date.now() < begun + UNSEEN_MS)) {
          if (Date.now() > begun + OPENED_MS) throw new Error(`smbclient has not opened ${path}`);
          await delay(LOOK_MS);
        }
        const seenAt = changedAt(local) === before ? undefined : Date.now();
        let size = 0;
        for (const { bytes, pauseMs } of pieces) {
          // A pipe takes 64 KiB without a reader: this does not block.
          if (bytes > 0) size += writeSync(end, Buffer.alloc(bytes, 1));
          await delay(pauseMs);
        }
        const closingAt = Date.now();
        close();
        await sent;
        return { openedAt: seenAt ?? closingAt, closingAt, closedAt: Date.now(), size };
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

/** It changes when it is emptied, too, also where nothing was in it. */
function changedAt(path: string): bigint | undefined {
  return statSync(path, { throwIfNoEntry: false, bigint: true })?.ctimeNs;
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
