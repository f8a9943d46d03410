import { existsSync } from "node:fs";
import { join } from "node:path";
import { findSbin } from "./programs.ts";
import { ServerProcess, startOnFreePort } from "./server-process.ts";
import { createWorkspace, freePort, makeDir } from "./workspace.ts";

/** Impacket's SMB server: SMB 2.0.2 only, signed, and it cannot notify. */
export interface Impacket {
  readonly host: "127.0.0.1";
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** Local folder behind the share `SHARE`. */
  readonly path: string;
  log(): string;
  stop(): Promise<void>;
}

const USER = "watcher";
const PASSWORD = "Correct-Horse-7";

/** Arguments: port, folder, user, password. */
const SERVER = `
import logging, sys
from impacket import smbserver
from impacket.ntlm import compute_lmhash, compute_nthash
logging.basicConfig(level=logging.INFO)
port, folder, user, password = sys.argv[1:5]
server = smbserver.SimpleSMBServer(listenAddress="127.0.0.1", listenPort=int(port))
server.addShare("SHARE", folder, "")
server.setSMB2Support(True)
server.addCredential(user, 0, compute_lmhash(password), compute_nthash(password))
server.start()
`;

/** Debian installs the module for its own Python, which may not be the first one on PATH. */
function findPython(): string | undefined {
  return ["/usr/bin/python3", findSbin("python3")].find((file) => file !== undefined && existsSync(file));
}

/** Whether the Debian package python3-impacket is installed. */
export function hasImpacket(): boolean {
  return findSbin("impacket-netview") !== undefined && findPython() !== undefined;
}

/** @throws Error when it is absent or does not start; the message holds its output. */
export async function startImpacket(): Promise<Impacket> {
  const python = findPython();
  if (python === undefined || !hasImpacket()) {
    throw new Error("impacket not found: install the package python3-impacket");
  }
  const workspace = createWorkspace();
  const path = makeDir(join(workspace.dir, "share"));
  try {
    return await startOnFreePort(3, async () => {
      const port = await freePort();
      const args = ["-c", SERVER, String(port), path, USER, PASSWORD];
      const server = new ServerProcess(workspace, python, args, { name: "impacket" });
      await server.start(port);
      return {
        host: "127.0.0.1" as const,
        port,
        user: USER,
        password: PASSWORD,
        path,
        log: () => server.log(),
        async stop() {
          await server.stop();
          workspace.remove();
        },
      };
    });
  } catch (error) {
    workspace.remove();
    throw error;
  }
}
