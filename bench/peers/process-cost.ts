import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** What a process costs the machine. */
export interface Cost {
  /** Its part of resident memory: pages that several processes share count in parts. */
  readonly bytes: number;
  readonly threads: number;
  /** To the file server. */
  readonly connections: number;
}

/** @param port - the file server's */
export function costOf(pid: number, port: number): Cost {
  const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
  const sockets = new Set<string>();
  for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`))?.[1];
      if (inode !== undefined) sockets.add(inode);
    } catch {
      // Closed since it was read of.
    }
  }
  return {
    bytes: parsePss(read("smaps_rollup")),
    threads: Number(/^Threads:\s+(\d+)/m.exec(read("status"))?.[1] ?? Number.NaN),
    connections: connectionsTo(port, readFileSync("/proc/net/tcp", "utf8")).filter((inode) =>
      sockets.has(inode),
    ).length,
  };
}

/** Bytes, of a `smaps_rollup`. */
export function parsePss(rollup: string): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? Number.NaN) * 1_024;
}

/** Inodes of the established connections to a port, of a `/proc/net/tcp`. */
export function connectionsTo(port: number, table: string): string[] {
  const remote = port.toString(16).toUpperCase().padStart(4, "0");
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, , to = "", state, , , , , , inode] = line.trim().split(/\s+/);
      return state === "01" && to.endsWith(`:${remote}`) && inode !== undefined ? [inode] : [];
    });
}
