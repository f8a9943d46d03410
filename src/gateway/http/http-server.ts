import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface HttpOptions {
  /** For the head of a request, ms. */
  readonly headersMs: number;
  /** Sockets held at once, WebSockets among them. */
  readonly sockets: number;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** Must not throw. */
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** The HTTP server below the gateway, with a bound to everything a stranger may make it wait for or keep. */
export function newHttpServer({ headersMs, onRequest, onUpgrade, sockets }: HttpOptions): Server {
  const server = createServer({
    headersTimeout: headersMs,
    requestTimeout: headersMs,
    keepAliveTimeout: 5_000,
    maxHeaderSize: 24_576,
    connectionsCheckingInterval: Math.min(1_000, headersMs),
  });
  server.maxHeadersCount = 100;
  server.maxRequestsPerSocket = 1_000;
  server.maxConnections = sockets;
  server.on("request", (request, response) => {
    response.on("error", () => undefined);
    // A body is never wanted; reading on would keep the socket busy.
    request.on("error", () => undefined).resume();
    onRequest(request, response);
  });
  server.on("upgrade", onUpgrade);
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    else socket.destroy();
  });
  return server;
}
