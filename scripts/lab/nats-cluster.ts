import { type Nats, startNats } from "./nats.ts";
import { freePort } from "./workspace.ts";

/** A JetStream cluster on loopback, as one broker: what is done to it is done to all its nodes. */
export interface NatsCluster extends Nats {
  readonly nodes: readonly Nats[];
}

/** @param size - odd, for there must be a majority. @throws Error when a node does not start. */
export async function startNatsCluster(binary: string, size = 3): Promise<NatsCluster> {
  const routes = await Promise.all(Array.from({ length: size }, () => freePort()));
  const name = `lab-${routes[0]}`;
  const nodes: Nats[] = [];
  const each = async (act: (node: Nats) => Promise<unknown>): Promise<void> => {
    const results = await Promise.allSettled(nodes.map(act));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  };
  try {
    for (const port of routes) {
      const others = routes.filter((route) => route !== port).map((route) => `"nats://127.0.0.1:${route}"`);
      // Clients keep to the addresses they are given, so that a test can stand between.
      const config = `cluster { name: ${name}, listen: "127.0.0.1:${port}", no_advertise: true, routes: [ ${others.join(", ")} ] }`;
      nodes.push(await startNats({ binary, config }));
    }
  } catch (error) {
    await each((node) => node.stop()).catch(() => undefined);
    throw error;
  }
  const [first] = nodes as [Nats];
  return {
    nodes,
    url: nodes.map(({ url }) => url).join(","),
    port: first.port,
    dir: first.dir,
    pid: () => first.pid(),
    stop: () => each((node) => node.stop()),
    kill: () => each((node) => node.kill()),
    shutdown: () => each((node) => node.shutdown()),
    start: () => each((node) => node.start()),
    async restart({ downMs = 0, signal = "SIGTERM" } = {}) {
      await each((node) => (signal === "SIGKILL" ? node.kill() : node.shutdown()));
      if (downMs > 0) await new Promise((resolve) => setTimeout(resolve, downMs));
      await each((node) => node.start());
    },
    pause: () => nodes.forEach((node) => void node.pause()),
    resume: () => nodes.forEach((node) => void node.resume()),
    log: () => nodes.map((node) => node.log()).join("\n"),
  };
}
