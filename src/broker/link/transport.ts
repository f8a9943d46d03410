import { createConnection, type Socket } from "node:net";
import { NatsConnectionImpl, type NodeConnectionOptions, setTransportFactory } from "@nats-io/transport-node";
import { NodeTransport, nodeResolveHost } from "@nats-io/transport-node/lib/node_transport.js";
import { waitFor } from "../../base/async.ts";
import { describeError } from "../../base/errors.ts";
import { BrokerError } from "../errors.ts";

/** The C library asks one name server after the other, 5 s each by default: the third may be the one that is well. */
const LOOKUP_MS = 15_000;

/** Options of the client, and how long its sockets may live. */
export interface DialSettings extends NodeConnectionOptions {
  /** Aborted: no socket of this connection is opened any more, and one being opened is closed. */
  readonly lifetime: AbortSignal;
}

/**
 * The client's own way to connect, with sockets that do not outlive their attempt. In 3.4.0 a dial that timed out
 * leaves its socket open until the next attempt of the same connection, which for a first connection never comes,
 * and `close` during an attempt leaves it open, too: a peer that accepts and says nothing keeps the process alive.
 */
export function connectNats(settings: DialSettings): ReturnType<typeof NatsConnectionImpl.connect> {
  // Global to the client, as it is when the client does it: connections of others are served as before.
  setTransportFactory({ factory: () => new AttemptTransport(), dnsResolveFn: resolveHost });
  return NatsConnectionImpl.connect(settings);
}

class AttemptTransport extends NodeTransport {
  override async connect(
    server: Parameters<NodeTransport["connect"]>[0],
    options: NodeConnectionOptions & Partial<DialSettings>,
  ): Promise<void> {
    const { lifetime } = options;
    const abandon = (): void => {
      if (!this.connected) this.discard();
    };
    lifetime?.addEventListener("abort", abandon, { once: true });
    try {
      // A socket that was destroyed tells nobody: the client has taken its listeners away.
      await waitFor(super.connect(server, options), { signal: lifetime });
    } finally {
      lifetime?.removeEventListener("abort", abandon);
    }
  }

  /** As the client does it, but known from its first moment on: a handshake may take as long as the kernel likes. */
  override dial({ hostname, port }: { hostname: string; port: number }): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(port, hostname);
      this.socket = socket;
      if (this.done) socket.destroy();
      let failure = new Error("the connection closed");
      socket.setNoDelay(true);
      socket.on("error", (error) => {
        failure = error;
      });
      socket.once("close", () => reject(failure));
      socket.once("connect", () => {
        socket.removeAllListeners();
        resolve(socket);
      });
    });
  }

  override async close(error?: Error): Promise<void> {
    if (this.connected) await super.close(error);
    else this.discard();
  }
}

async function resolveHost(host: string): Promise<string[]> {
  try {
    return await waitFor(nodeResolveHost(host), { deadlineMs: LOOKUP_MS, what: `look-up of ${host}` });
  } catch (error) {
    throw new BrokerError("BROKER_UNAVAILABLE", `cannot resolve ${host}: ${describeError(error)}`, error);
  }
}
