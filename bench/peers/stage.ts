import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Role, type Stack, startStack } from "../../scripts/lab/stack.ts";
import type { Contestant } from "./contestants.ts";
import { Peer } from "./peer.ts";

/** A file server, a broker and a worker of our own, and listeners that are ended with them. */
export class Stage {
  readonly stack: Stack;
  readonly signal: AbortSignal;
  readonly #peers = new Set<Peer>();
  #worker: Role;

  private constructor(stack: Stack, worker: Role, signal: AbortSignal) {
    this.stack = stack;
    this.#worker = worker;
    this.signal = signal;
  }

  /** @param directories - of the share: made, and watched by the worker for whoever subscribes to them */
  static async open(directories: readonly string[], signal: AbortSignal): Promise<Stage> {
    const connection = "lab";
    const stack = await startStack({
      workers: 0,
      gateways: 0,
      // What is made on the server itself only a handle on the directory hears at once.
      connection: { cover: "directory" },
      // The level that users have: at `debug` five lines are written of each watch.
      config: {
        log: { level: "info", format: "json" },
        watches: directories.map((path) => ({ connection, path: `/${path}` })),
      },
    });
    try {
      for (const path of directories) mkdirSync(join(stack.samba.path(), path), { recursive: true });
      return new Stage(stack, await stack.startRole("worker"), signal);
    } catch (error) {
      await stack.close();
      throw error;
    }
  }

  /** Another worker in its place, which watches nothing yet. Returns its pid. */
  async freshWorker(): Promise<number> {
    await this.#worker.stop();
    this.stack.writeConfig({ watches: [] });
    this.#worker = await this.stack.startRole("worker");
    return this.#worker.process.pid ?? 0;
  }

  path(directory: string): string {
    return join(this.stack.samba.path(), directory);
  }

  make(directory: string): void {
    mkdirSync(this.path(directory), { recursive: true });
  }

  start({ program, settings }: Contestant): Peer {
    const { samba, nats } = this.stack;
    const { host, port, user, password, domain, dir } = samba;
    const peer = new Peer(
      program,
      {
        ...{ host, port: String(port), user, password, domain, share: "share", nats: nats.url },
        // For smbclient, which reads a login from a file.
        ...{ auth: join(dir, "auth"), conf: join(dir, "smb.conf") },
        ...settings,
      },
      this.signal,
    );
    this.#peers.add(peer);
    return peer;
  }

  async end(peer: Peer): Promise<void> {
    this.#peers.delete(peer);
    await peer.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#peers].map((peer) => this.end(peer)));
    await this.stack.close();
  }
}
