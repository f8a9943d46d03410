import { setTimeout as delay } from "node:timers/promises";
import type { Scope } from "../../src/base/scope.ts";
import type { CoverPolicy } from "../../src/watch/interest.ts";
import type { Suite } from "../lab/debian.ts";
import { startNats } from "../lab/nats.ts";
import { startNatsCluster } from "../lab/nats-cluster.ts";
import { newerNats } from "../lab/newer-nats.ts";
import { type Role, type Stack, startStack } from "../lab/stack.ts";
import { startTcpProxy, type TcpProxy } from "../lab/tcp-proxy.ts";
import type { Chance } from "./chance.ts";

export const TTL_MS = 3_000;
/** TTL, the grace, and what a look takes. */
const DEAD_MS = TTL_MS * 1.1 + 1_500;

export const FLEET_FAULTS = [
  "kill-worker",
  "freeze-worker",
  "end-worker",
  "cut-worker",
  "kill-gateway",
  "freeze-gateway",
  "end-gateway",
  "nats-node",
  "nats-restart",
  "nats-outage",
] as const;
export type FleetFault = (typeof FLEET_FAULTS)[number];

/** A role behind relays of its own, so that its way to NATS can be cut. */
export interface Member {
  readonly kind: "worker" | "gateway";
  readonly proxies: readonly TcpProxy[];
  role: Role | undefined;
}

export interface ArenaOptions {
  readonly workers: number;
  readonly gateways: number;
  /** Nodes of the JetStream cluster; 1 where no fitting nats-server is to be had. */
  readonly nodes: number;
  readonly suite: Suite;
  readonly cover: CoverPolicy;
  /** How long a full outage of NATS lasts, ms. */
  readonly outageMs: number;
}

/** Real processes on a real share and a real broker, and what can happen to them. */
export class Arena {
  readonly stack: Stack;
  /** Of the broker, one per node. */
  readonly natsUrls: readonly string[];
  readonly broker: string;
  readonly members: Member[] = [];
  readonly #nodes: readonly { restart: Stack["nats"]["restart"] }[];
  readonly #outageMs: number;
  readonly #scope: Scope;

  private constructor(
    stack: Stack,
    broker: string,
    nodes: readonly Stack["nats"][],
    options: ArenaOptions,
    scope: Scope,
  ) {
    this.stack = stack;
    this.broker = broker;
    this.natsUrls = nodes.map(({ url }) => url);
    this.#nodes = nodes;
    this.#outageMs = options.outageMs;
    this.#scope = scope;
  }

  static async start(options: ArenaOptions, scope: Scope): Promise<Arena> {
    const newer = options.nodes > 1 ? newerNats(options.suite) : undefined;
    let nodes: readonly Stack["nats"][] = [];
    const stack = await startStack({
      workers: 0,
      gateways: 0,
      connection: { cover: options.cover },
      nats: async () => {
        const nats = newer === undefined ? undefined : await startNatsCluster(newer.path, options.nodes);
        const single = nats ?? (await startNats());
        nodes = nats?.nodes ?? [single];
        return single;
      },
    });
    scope.use(stack);
    const broker =
      newer === undefined
        ? "one nats-server as installed"
        : `${options.nodes} nodes of nats-server ${newer.version}, R${options.nodes}`;
    stack.writeConfig({
      nats: { servers: nodes.map(({ url }) => url), replicas: nodes.length },
      worker: { leaseTtlMs: TTL_MS },
      gateway: { host: "127.0.0.1", auth: { mode: "none" }, lingerSeconds: 1, drainSeconds: 1 },
    });
    const arena = new Arena(stack, broker, nodes, options, scope);
    for (let i = 0; i < options.workers; i++) await arena.#add("worker");
    for (let i = 0; i < options.gateways; i++) await arena.#add("gateway");
    return arena;
  }

  of(kind: Member["kind"]): Member[] {
    return this.members.filter((member) => member.kind === kind);
  }

  async revive(member: Member): Promise<void> {
    if (member.role?.process.running === true) return;
    const servers = member.proxies.map(({ port }) => `nats://127.0.0.1:${port}`).join(",");
    member.role = await this.stack.startRole(member.kind, { SMB2NATS_NATS_SERVERS: servers });
  }

  /** Ends everything in good order. */
  async disband(): Promise<void> {
    for (const kind of ["gateway", "worker"] as const) {
      await Promise.all(this.of(kind).map(({ role }) => role?.stop()));
    }
  }

  /** Does it and undoes it; longer than a lease lives, where it is about that. */
  async inject(fault: FleetFault, chance: Chance): Promise<void> {
    const [verb, whom = ""] = fault.split("-");
    if (verb === "nats") {
      await this.#injectNats(fault, chance);
      return;
    }
    const member = chance.pick(this.of(whom === "worker" ? "worker" : "gateway"));
    const pause = chance.happens(0.7) ? DEAD_MS + chance.between(0, 2_000) : chance.between(100, TTL_MS);
    switch (verb) {
      case "kill":
        await member.role?.stop("SIGKILL");
        await delay(chance.between(0, pause));
        break;
      case "end":
        await member.role?.process.stop("SIGTERM", 60_000);
        await delay(chance.between(0, 1_000));
        break;
      case "freeze":
        member.role?.process.signal("SIGSTOP");
        await delay(pause);
        member.role?.process.signal("SIGCONT");
        break;
      case "cut":
        for (const proxy of member.proxies) {
          proxy.refuse(true);
          proxy.cut();
        }
        await delay(pause);
        for (const proxy of member.proxies) proxy.refuse(false);
        break;
    }
    await this.revive(member);
  }

  async #injectNats(fault: FleetFault, chance: Chance): Promise<void> {
    const signal = chance.pick(["SIGTERM", "SIGKILL"] as const);
    if (fault === "nats-node")
      await chance.pick(this.#nodes).restart({ downMs: chance.between(0, 5_000), signal });
    else if (fault === "nats-restart") await this.stack.nats.restart({ signal });
    else await this.stack.nats.restart({ downMs: this.#outageMs, signal });
  }

  async #add(kind: Member["kind"]): Promise<void> {
    const ports = this.natsUrls.map((url) => Number(new URL(url).port));
    const proxies = await Promise.all(ports.map((port) => startTcpProxy({ port })));
    for (const proxy of proxies) this.#scope.use(proxy);
    const member: Member = { kind, proxies, role: undefined };
    this.members.push(member);
    this.#scope.defer(async () => {
      member.role?.process.signal("SIGCONT");
      await member.role?.stop();
    });
    await this.revive(member);
  }
}
