import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import { Scope } from "../../src/base/scope.ts";
import { type Nats, startNats } from "./nats.ts";
import { type Samba, type SambaOptions, startSamba } from "./samba.ts";
import { ServerProcess } from "./server-process.ts";
import { createWorkspace, freePort } from "./workspace.ts";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");

export interface StackOptions {
  readonly samba?: SambaOptions;
  /** Workers to start. Default 1. */
  readonly workers?: number;
  /** Gateways to start. Default 1. */
  readonly gateways?: number;
  /** Merged over the connection `lab`. */
  readonly connection?: Readonly<Record<string, unknown>>;
  /** Merged over the top level of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Another broker than one of our own; stopped with the stack. */
  readonly nats?: () => Promise<Nats>;
  /** Environment of each worker and gateway, over ours. */
  readonly env?: Readonly<Record<string, string>>;
  /** Told before each step that takes time. */
  readonly onStep?: (text: string) => void;
}

/** One role of smb2nats as a process of its own. */
export interface Role {
  readonly process: ServerProcess;
  /** Base URL of the operations listener: `/metrics`, `/readyz`, … */
  readonly ops: string;
  /** Gateway only: where browsers go. */
  readonly url: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Samba, NATS, workers and gateways as real processes on free loopback ports. */
export interface Stack {
  readonly samba: Samba;
  readonly nats: Nats;
  readonly workers: Role[];
  readonly gateways: Role[];
  readonly configFile: string;
  readonly dir: string;
  /** Rewrites the configuration file. */
  writeConfig(extra?: Readonly<Record<string, unknown>>): void;
  /** @param env - `SMB2NATS_…` variables over the configuration file. */
  startRole(role: "worker" | "gateway", env?: Readonly<Record<string, string>>): Promise<Role>;
  close(): Promise<void>;
}

/** The build in `dist/` is what runs. @throws Error with the output of what did not start. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const scope = new Scope();
  const step = options.onStep ?? ((): void => undefined);
  try {
    step("starting a file server (smbd)");
    const samba = await startSamba(options.samba);
    scope.defer(() => samba.stop());
    step("starting a message broker (nats-server)");
    const nats = await (options.nats ?? startNats)();
    scope.defer(() => nats.stop());
    const workspace = createWorkspace();
    scope.defer(() => workspace.remove());
    const configFile = join(workspace.dir, "smb2nats.yaml");
    const writeConfig = (extra: Readonly<Record<string, unknown>> = {}): void => {
      const lab = {
        server: "127.0.0.1",
        port: samba.port,
        share: "share",
        username: samba.user,
        domain: samba.domain,
        passwordFile: samba.passwordFile,
        ...options.connection,
      };
      const config = {
        nats: { servers: [nats.url] },
        connections: { lab },
        gateway: { host: "127.0.0.1", auth: { mode: "none" } },
        log: { level: "debug", format: "json" },
        ...options.config,
        ...extra,
      };
      writeFileSync(configFile, stringify(config));
    };
    writeConfig();

    // Whoever starts one later need not remember to end it.
    const roles: ServerProcess[] = [];
    scope.defer(async () => {
      await Promise.all(roles.map((role) => role.stop()));
    });
    const startRole: Stack["startRole"] = async (role, env = {}) => {
      const ops = await freePort();
      const port = await freePort();
      const process = new ServerProcess(
        workspace,
        globalThis.process.execPath,
        [MAIN, role, "--config", configFile],
        {
          name: `${role}-${roles.length + 1}`,
          env: {
            SMB2NATS_HTTP_HOST: "127.0.0.1",
            SMB2NATS_HTTP_PORT: String(ops),
            SMB2NATS_GATEWAY_PORT: String(port),
            ...options.env,
            ...env,
          },
        },
      );
      roles.push(process);
      await process.start(ops);
      await ready(`http://127.0.0.1:${ops}/readyz`, process);
      return {
        process,
        ops: `http://127.0.0.1:${ops}`,
        url: `http://127.0.0.1:${port}`,
        stop: (signal) => process.stop(signal),
      };
    };
    const workers: Role[] = [];
    const gateways: Role[] = [];
    for (let i = 0; i < (options.workers ?? 1); i++) {
      step("starting a worker");
      workers.push(await startRole("worker"));
    }
    for (let i = 0; i < (options.gateways ?? 1); i++) {
      step("starting a gateway");
      gateways.push(await startRole("gateway"));
    }
    return {
      samba,
      nats,
      workers,
      gateways,
      configFile,
      dir: workspace.dir,
      writeConfig,
      startRole,
      close: () => scope.close(),
    };
  } catch (error) {
    await scope.close();
    throw error;
  }
}

async function ready(url: string, process: ServerProcess): Promise<void> {
  const deadline = Date.now() + 30_000;
  let last = "no answer";
  while (Date.now() < deadline) {
    if (!process.running) break;
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      if (response.ok) return;
      last = await response.text();
    } catch (error) {
      last = String(error);
    }
    await delay(50);
  }
  const output = process.log().slice(-3_000);
  await process.stop("SIGKILL");
  throw new Error(`${url} never became ready (${last}):\n${output}`);
}
