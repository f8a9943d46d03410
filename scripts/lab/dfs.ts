import { chmodSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Samba, type SambaOptions, startSamba } from "./samba.ts";

/** A Samba whose share `dfs` is the root of a namespace. */
export interface DfsNamespace {
  readonly samba: Samba;
  /** Makes or replaces a link. Targets as Samba writes them, in order: `host:port\share\dir`. */
  link(path: string, ...targets: readonly string[]): void;
  unlink(path: string): void;
}

/** How a link names a share of a lab server. Windows has no port there; Samba passes on what its link says. */
export function dfsTarget({ host, port }: Pick<Samba, "host" | "port">, share = "share", dir = ""): string {
  return `${host}:${port}\\${share}${dir === "" ? "" : `\\${dir}`}`;
}

export async function startDfs(options: SambaOptions = {}): Promise<DfsNamespace> {
  const samba = await startSamba({
    ...options,
    global: { "host msdfs": "yes", ...options.global },
    shares: { dfs: { "msdfs root": "yes" }, ...options.shares },
  });
  // Referrals are read as the account that logged in, whoever the share is forced to.
  chmodSync(samba.dir, 0o711);
  const root = samba.path("dfs");
  return {
    samba,
    link(path, ...targets) {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      rmSync(file, { force: true });
      symlinkSync(`msdfs:${targets.join(",")}`, file);
    },
    unlink: (path) => rmSync(join(root, path), { force: true }),
  };
}
