import { type Nats, type NatsOptions, startNats } from "./nats.ts";
import { freePort } from "./workspace.ts";

export interface HubAndLeafOptions {
  /** Path of another nats-server binary, for both. */
  readonly binary?: string;
  readonly hub?: Pick<NatsOptions, "domain" | "config">;
  readonly leaf?: Pick<NatsOptions, "domain" | "config">;
}

export interface HubAndLeaf {
  readonly hub: Nats;
  readonly leaf: Nats;
  stop(): Promise<void>;
}

/** Two real nats-servers, one a leaf node of the other; resolves when the leaf is connected. */
export async function startHubAndLeaf(options: HubAndLeafOptions = {}): Promise<HubAndLeaf> {
  const binary = options.binary === undefined ? {} : { binary: options.binary };
  const port = await freePort();
  const hub = await startNats({
    ...binary,
    ...options.hub,
    config: `leafnodes { listen: "127.0.0.1:${port}" }\n${options.hub?.config ?? ""}`,
  });
  try {
    const leaf = await startNats({
      ...binary,
      ...options.leaf,
      config: `leafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:${port}" }] }\n${options.leaf?.config ?? ""}`,
    });
    try {
      await connected(leaf);
    } catch (error) {
      await leaf.stop();
      throw error;
    }
    return {
      hub,
      leaf,
      async stop() {
        await leaf.stop();
        await hub.stop();
      },
    };
  } catch (error) {
    await hub.stop();
    throw error;
  }
}

async function connected(leaf: Nats): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!/Leafnode connection created/.test(leaf.log())) {
    if (Date.now() > deadline) throw new Error(`the leaf does not connect:\n${leaf.log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
