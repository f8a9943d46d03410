import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findSbin } from "./programs.ts";
import { ServerProcess, startOnFreePort } from "./server-process.ts";
import { createWorkspace, freePort } from "./workspace.ts";

export interface NatsOptions {
  /** Extra lines of nats-server configuration. */
  readonly config?: string;
  /** Path of another nats-server binary. Default: the one on PATH, or `NATS_SERVER_BIN`. */
  readonly binary?: string;
  /** Fixed port. Default: any free one. */
  readonly port?: number;
  /** JetStream domain; `false`: a server without JetStream. Default: JetStream without a domain. */
  readonly domain?: string | false;
}

/** A real nats-server of our own with JetStream, on loopback. */
export interface Nats {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  pid(): number | undefined;
  /** SIGTERM; data is removed. */
  stop(): Promise<void>;
  /** SIGKILL; data stays for `start`. */
  kill(): Promise<void>;
  /** SIGTERM; data stays for `start`. */
  shutdown(): Promise<void>;
  start(): Promise<void>;
  /** Down and up again on the same port with the same data. */
  restart(options?: { readonly downMs?: number; readonly signal?: "SIGTERM" | "SIGKILL" }): Promise<void>;
  pause(): void;
  resume(): void;
  log(): string;
}

/** @throws Error when nats-server is absent or does not start. */
export async function startNats(options: NatsOptions = {}): Promise<Nats> {
  const binary = options.binary ?? process.env["NATS_SERVER_BIN"] ?? findSbin("nats-server");
  if (binary === undefined) throw new Error("nats-server not found: install the package nats-server");
  return startOnFreePort(options.port === undefined ? 3 : 1, () => startWith(binary, options));
}

async function startWith(binary: string, options: NatsOptions): Promise<Nats> {
  const workspace = createWorkspace();
  const port = options.port ?? (await freePort());
  const conf = join(workspace.dir, "nats.conf");
  writeFileSync(
    conf,
    [
      `listen: "127.0.0.1:${port}"`,
      `server_name: "lab-${port}"`,
      ...jetstream(options, join(workspace.dir, "jetstream")),
      options.config ?? "",
    ].join("\n"),
  );
  const server = new ServerProcess(workspace, binary, ["-c", conf], { name: "nats-server" });
  try {
    await server.start(port);
  } catch (error) {
    workspace.remove();
    throw error;
  }
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    dir: workspace.dir,
    pid: () => server.pid,
    async stop() {
      server.signal("SIGCONT");
      await server.stop();
      workspace.remove();
    },
    kill: () => server.stop("SIGKILL"),
    shutdown: () => server.stop("SIGTERM"),
    start: () => server.start(port),
    async restart({ downMs = 0, signal = "SIGTERM" } = {}) {
      await server.stop(signal);
      if (downMs > 0) await new Promise((resolve) => setTimeout(resolve, downMs));
      await server.start(port);
    },
    pause: () => server.signal("SIGSTOP"),
    resume: () => server.signal("SIGCONT"),
    log: () => server.log(),
  };
}

function jetstream({ domain }: NatsOptions, storeDir: string): string[] {
  if (domain === false) return [];
  const name = domain === undefined ? "" : `, domain: ${domain}`;
  return [`jetstream { store_dir: ${JSON.stringify(storeDir)}${name} }`];
}
