import { createServer, type Server, type Socket } from "node:net";
import { Peer } from "./peer.ts";
import type { Script } from "./script.ts";

export { Peer } from "./peer.ts";
export type { Incoming, Reply, Script } from "./script.ts";

/**
 * An SMB server on loopback that does what it is told: built on the codec under test, with its own idea of
 * ids, credits and keys, so that a mistake on one side does not cancel out on the other.
 */
export class ScriptedServer {
  readonly host = "127.0.0.1";
  readonly user = "watcher";
  readonly password = "Correct-Horse-7";
  script: Script;
  /** Connections so far, the oldest first. */
  readonly peers: Peer[] = [];
  /** What clients did that no client may do. */
  readonly violations: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, script: Script) {
    this.#server = server;
    this.script = script;
    server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      this.peers.push(new Peer(socket, this));
    });
  }

  static async start(script: Script = {}): Promise<ScriptedServer> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new ScriptedServer(server, script);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** The connection opened last. */
  get peer(): Peer {
    const last = this.peers.at(-1);
    if (last === undefined) throw new Error("nobody has connected");
    return last;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
