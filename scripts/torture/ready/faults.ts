import { setTimeout as delay } from "node:timers/promises";
import type { Samba } from "../../lab/samba.ts";
import type { TcpProxy } from "../../lab/tcp-proxy.ts";
import type { Chance } from "../chance.ts";
import type { Engine } from "./engine.ts";

export interface Arena {
  readonly samba: Samba;
  /** Between the engine and the server; writers do not pass it. */
  readonly proxy: TcpProxy;
  readonly engine: Engine;
  readonly chance: Chance;
}

export const READY_FAULTS = [
  "connection cut",
  "cut in mid-frame",
  "connections refused",
  "smbd killed",
  "engine handed over",
  "engine crashed",
] as const;
export type ReadyFault = (typeof READY_FAULTS)[number];

/** Does it, and undoes it. Writers are not concerned: who has a file open keeps it open. */
export async function injectReady(fault: ReadyFault, arena: Arena): Promise<void> {
  await ACTIONS[fault](arena);
}

const ACTIONS: Readonly<Record<ReadyFault, (arena: Arena) => Promise<void>>> = {
  async "connection cut"({ proxy }) {
    proxy.cut();
  },

  async "cut in mid-frame"({ proxy, chance }) {
    proxy.cutAfter(chance.between(1, 2_000));
  },

  async "connections refused"({ proxy, chance }) {
    proxy.refuse(true);
    proxy.cut();
    await delay(chance.between(200, 2_500));
    proxy.refuse(false);
  },

  /** Those of its processes that serve the engine. */
  async "smbd killed"({ samba, proxy }) {
    const ports = new Set(proxy.upstreamPorts);
    for (const line of (await samba.status()).split("\n")) {
      // `4711  watcher  daemon  127.0.0.1 (ipv4:127.0.0.1:52874)  SMB3_11 ...`
      const [, pid, port] = /^(\d+)\s.*\(ipv4:127\.0\.0\.1:(\d+)\)/.exec(line) ?? [];
      if (pid !== undefined && ports.has(Number(port))) kill(Number(pid));
    }
  },

  async "engine handed over"({ engine, chance }) {
    const estate = await engine.stop();
    await delay(chance.between(0, 1_500));
    await engine.start(estate);
  },

  async "engine crashed"({ engine, chance }) {
    const estate = await engine.crash();
    await delay(chance.between(0, 1_500));
    await engine.start(estate);
  },
};

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
