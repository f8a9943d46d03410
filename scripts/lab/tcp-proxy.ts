import { connect, createServer, type Socket } from "node:net";

/** A TCP relay on loopback whose wire a test can cut, freeze or limit. */
export interface TcpProxy {
  readonly port: number;
  /** Bytes relayed so far, both directions. */
  readonly bytes: number;
  /** Live client connections. */
  readonly connections: number;
  /** Where live connections come from, as the server sees it. */
  readonly upstreamPorts: readonly number[];
  /** Resets every connection now; new ones are welcome. */
  cut(): void;
  /** Cuts each connection after `bytes` more from the server: in the middle of a frame, say. */
  cutAfter(bytes: number): void;
  /** Stops relaying on live sockets without closing them; `thaw` goes on. New ones freeze too. */
  freeze(): void;
  thaw(): void;
  /** Refuses new connections while true. */
  refuse(on: boolean): void;
  /**
   * Everything seen from the server (`in`) and the client (`out`), when `record` was set; `connection` counts
   * the accepted ones from 0.
   */
  readonly captured: {
    readonly connection: number;
    readonly direction: "in" | "out";
    readonly data: Buffer;
  }[];
  close(): Promise<void>;
}

export async function startTcpProxy(target: {
  readonly port: number;
  readonly host?: string;
  readonly record?: boolean;
}): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const captured: TcpProxy["captured"] = [];
  let bytes = 0;
  let frozen = false;
  let refusing = false;
  let budget: number | undefined;
  let accepted = 0;

  const server = createServer((client) => {
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const connection = accepted++;
    const upstream = connect({ host: target.host ?? "127.0.0.1", port: target.port });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
      if (frozen) socket.pause();
    }
    client.on("data", (data) => {
      bytes += data.length;
      if (target.record === true) captured.push({ connection, direction: "out", data });
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      bytes += data.length;
      if (target.record === true) captured.push({ connection, direction: "in", data });
      if (budget === undefined) {
        client.write(data);
        return;
      }
      const part = data.subarray(0, budget);
      budget -= part.length;
      client.write(part, () => {
        if (budget !== undefined && budget <= 0) {
          budget = undefined;
          cut();
        }
      });
    });
  });
  const cut = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
    pairs.clear();
  };
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    get bytes() {
      return bytes;
    },
    get connections() {
      return pairs.size;
    },
    get upstreamPorts() {
      return [...pairs].flatMap(([, { localPort }]) => (localPort === undefined ? [] : [localPort]));
    },
    captured,
    cut,
    cutAfter(count) {
      budget = count;
    },
    freeze() {
      frozen = true;
      for (const pair of pairs) for (const socket of pair) socket.pause();
    },
    thaw() {
      frozen = false;
      for (const pair of pairs) for (const socket of pair) socket.resume();
    },
    refuse(on) {
      refusing = on;
    },
    async close() {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
