import { once } from "node:events";
import { WebSocket } from "ws";
import { deferred, waitFor } from "../../../src/base/async.ts";
import type { GatewayOptions } from "../../../src/gateway/options.ts";
import { createGateway, type Gateway, type GatewayPorts } from "../../../src/gateway/server.ts";
import { FakeFleet } from "../fakes/fake-fleet.ts";

/** Generous: a wait that is met ends at once. */
const WAIT_MS = 10_000;

export type Frame = Readonly<Record<string, unknown>> & { readonly type: string };

/** Any WebSocket client, frame by frame. */
export class TestClient {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly #waiting = new Set<() => void>();
  #read = 0;
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)) as Frame);
      this.#wake();
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) };
      this.#wake();
    });
    socket.on("error", () => undefined);
  }

  send(message: object | string): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The next frame not read yet. */
  async next(): Promise<Frame> {
    await this.until(() => this.frames.length > this.#read, "a frame");
    return this.frames[this.#read++] as Frame;
  }

  /** The next frame of this type; those before it are skipped. */
  async nextOf(type: string): Promise<Frame> {
    for (;;) {
      const frame = await this.next();
      if (frame.type === type) return frame;
    }
  }

  /** Not in Sambee's words only, unless `more` is empty. */
  async subscribe(path: string, more: object = { detail: "none" }, connection = "nas1"): Promise<Frame> {
    this.send({ action: "subscribe", connection_id: connection, path, ...more });
    return this.next();
  }

  async closing(): Promise<{ readonly code: number; readonly reason: string }> {
    await this.until(() => this.closed !== undefined, "the close");
    return this.closed as { code: number; reason: string };
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    while (!condition()) {
      const moved = deferred<void>();
      const wake = (): void => moved.resolve();
      this.#waiting.add(wake);
      await waitFor(moved.promise, { deadlineMs: WAIT_MS, what }).finally(() => this.#waiting.delete(wake));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

export interface Bench {
  readonly fleet: FakeFleet;
  readonly gateway: Gateway;
  readonly port: number;
  readonly url: string;
  /** Resolves once open. */
  connect(options?: ConnectOptions): Promise<TestClient>;
  /** The HTTP status of a refused handshake. */
  refused(options?: ConnectOptions): Promise<number>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
  /** `false`: a client that is there for TCP and for nobody else. */
  readonly autoPong?: boolean;
}

/** A gateway on a free port, without authentication unless told otherwise, over a fake fleet. */
export async function startGateway(
  options: Partial<GatewayOptions> = {},
  ports: Partial<GatewayPorts> = {},
): Promise<Bench> {
  const fleet = new FakeFleet();
  const gateway = createGateway(
    {
      auth: { mode: "none" },
      connections: [
        { name: "nas1", caseSensitive: false },
        { name: "unix", caseSensitive: true },
      ],
      ...options,
      times: { drainMs: 0, closeMs: 500, ...options.times },
    },
    { fleet, ...ports },
  );
  const { port, url } = await gateway.listen();
  const clients: WebSocket[] = [];
  const open = ({
    path = "/ws",
    headers = {},
    protocols = [],
    autoPong = true,
  }: ConnectOptions = {}): WebSocket => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [...protocols], { headers, autoPong });
    clients.push(socket);
    return socket;
  };
  return {
    fleet,
    gateway,
    port,
    url,
    async connect(how) {
      const socket = open(how);
      const client = new TestClient(socket);
      await once(socket, "open");
      return client;
    },
    async refused(how) {
      const socket = open(how);
      const answer = deferred<number>();
      socket.on("unexpected-response", (request, response) => {
        answer.resolve(response.statusCode ?? 0);
        request.destroy();
      });
      socket.on("open", () => answer.resolve(101));
      socket.on("error", () => answer.resolve(0));
      return waitFor(answer.promise, { deadlineMs: WAIT_MS, what: "refusal" });
    },
    async close() {
      for (const socket of clients) socket.terminate();
      await gateway.close();
    },
  };
}
