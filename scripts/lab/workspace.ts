import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PREFIX = "smb2nats-lab-";

/** A folder of our own below the temp folder, and the pids started in it. */
export interface Workspace {
  readonly dir: string;
  /** Writes the pid down, so that a later run can end what an interrupted one left behind. */
  recordPid(pid: number): void;
  remove(): void;
}

/** `memory` puts the folder on tmpfs where there is one: creating files is then not the bottleneck. */
export function createWorkspace(options: { readonly memory?: boolean } = {}): Workspace {
  const base = options.memory === true && isDirectory("/dev/shm") ? "/dev/shm" : tmpdir();
  sweepLeftovers(base);
  const dir = mkdtempSync(join(base, `${PREFIX}${process.pid}-`));
  const pids: number[] = [];
  return {
    dir,
    recordPid(pid) {
      pids.push(pid);
      writeFileSync(join(dir, "pids"), pids.join("\n"));
    },
    remove() {
      rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/** Ends servers and removes folders of lab runs whose own process is gone (crashed or killed). */
export function sweepLeftovers(base: string = tmpdir()): void {
  for (const name of readdirSync(base)) {
    const owner = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]);
    if (!Number.isInteger(owner) || isAlive(owner)) continue;
    const dir = join(base, name);
    for (const pid of readPids(join(dir, "pids"))) {
      // A pid may have been reused by a stranger: only end what still names our folder.
      if (commandLine(pid).includes(dir)) killGroup(pid, "SIGKILL");
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Signals a process group; a group already gone is fine. */
export function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** A loopback port that was free a moment ago. Callers must cope with losing the race. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

export function makeDir(path: string, mode = 0o755): string {
  mkdirSync(path, { recursive: true, mode });
  return path;
}

function readPids(path: string): number[] {
  try {
    return readFileSync(path, "utf8").split("\n").map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

function isDirectory(path: string): boolean {
  try {
    readdirSync(path);
    return true;
  } catch {
    return false;
  }
}
