import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorCode, Smb2NatsError } from "../base/errors.ts";
import { jsonText } from "../base/printable.ts";
import type { Version } from "./version.ts";

/** The answer to one question of `/readyz`. */
export interface CheckResult {
  readonly ready: boolean;
  /** One clause, for people. No secrets, no paths: whoever reaches the port reads it. */
  readonly reason?: string;
}

export type ReadinessCheck = () => CheckResult;

export interface OpsServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly version: Version;
  readonly metrics: {
    /** @param accept - what the scraper understands. */
    scrape(accept: string | undefined): Promise<{ readonly contentType: string; readonly text: string }>;
  };
}

/** The operators' endpoint cannot listen. */
export class ListenError extends Smb2NatsError {
  constructor(host: string, port: number, cause: unknown) {
    const why = errorCode(cause) === "EADDRINUSE" ? "the port is taken" : errorCode(cause);
    super("LISTEN", "refused", `cannot listen on ${host}:${port}: ${why}`, { cause });
  }
}

/** Few and small: probes and one scraper. */
const MAX_SOCKETS = 64;
const REQUEST_MS = 10_000;

/** `/metrics`, `/healthz`, `/readyz`, `/version` on a listener of their own. */
export class OpsServer {
  readonly #server: Server;
  readonly #options: OpsServerOptions;
  readonly #checks = new Map<string, ReadinessCheck>();
  readonly #actions = new Map<string, () => void>();
  #closing: Promise<void> | undefined;

  private constructor(options: OpsServerOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        maxHeaderSize: 8_192,
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: 5_000,
      },
      (request, response) => {
        this.#answer(request, response).catch(() => {
          if (response.headersSent) response.destroy();
          else send(response, 500, "text/plain; charset=utf-8", "internal error\n");
        });
      },
    );
    this.#server.maxConnections = MAX_SOCKETS;
  }

  /** @throws ListenError */
  static async listen(options: OpsServerOptions): Promise<OpsServer> {
    const ops = new OpsServer(options);
    const { host, port } = options;
    await new Promise<void>((resolve, reject) => {
      ops.#server.once("error", (error) => reject(new ListenError(host, port, error)));
      ops.#server.listen({ host, port }, resolve);
    });
    ops.#server.removeAllListeners("error");
    // After listening, errors concern single sockets (EMFILE on accept); the listener goes on.
    ops.#server.on("error", () => undefined);
    return ops;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : this.#options.port;
  }

  /** Adds a question to `/readyz`; the returned function takes it away. */
  addCheck(name: string, check: ReadinessCheck): () => void {
    this.#checks.set(name, check);
    return () => {
      if (this.#checks.get(name) === check) this.#checks.delete(name);
    };
  }

  /** Has `POST path` do something, and answer 202 at once; the returned function takes it away. `action` must not throw. */
  addAction(path: string, action: () => void): () => void {
    this.#actions.set(path, action);
    return () => {
      if (this.#actions.get(path) === action) this.#actions.delete(path);
    };
  }

  /** Idempotent. Answers under way are finished. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), 1_000).unref();
    });
    return this.#closing;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume();
    const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
    const action = this.#actions.get(path);
    if (action !== undefined) {
      if (request.method === "POST") action();
      else response.setHeader("allow", "POST");
      send(response, request.method === "POST" ? 202 : 405, "text/plain; charset=utf-8", "");
      return;
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      send(response, 405, "text/plain; charset=utf-8", "method not allowed\n");
      return;
    }
    if (path === "/healthz") send(response, 200, "text/plain; charset=utf-8", "ok\n");
    else if (path === "/readyz") this.#readiness(response);
    else if (path === "/version") sendJson(response, 200, this.#options.version);
    else if (path === "/metrics") {
      const { contentType, text } = await this.#options.metrics.scrape(request.headers.accept);
      send(response, 200, contentType, text);
    } else send(response, 404, "text/plain; charset=utf-8", "not found\n");
  }

  #readiness(response: ServerResponse): void {
    const checks: Record<string, CheckResult> = {};
    for (const [name, check] of this.#checks) {
      try {
        checks[name] = check();
      } catch {
        checks[name] = { ready: false, reason: "the check failed" };
      }
    }
    const ready = Object.values(checks).every((result) => result.ready);
    sendJson(response, ready ? 200 : 503, { ready, checks });
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, "application/json; charset=utf-8", `${jsonText(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}
