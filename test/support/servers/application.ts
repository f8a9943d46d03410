import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A small application with users of its own: who brings a token is told the connections that are his. */
export interface Application {
  readonly url: string;
  /** Connections by token; who is not in it gets 401. */
  readonly users: Map<string, readonly string[]>;
  /** Tokens asked about so far, in order. */
  readonly asked: string[];
  /** In place of an answer by `users`. */
  answer: Answer | undefined;
  /** Answers nobody any more; comes back by `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startApplication(
  options: { readonly tls?: { readonly key: string; readonly cert: string }; readonly header?: string } = {},
): Promise<Application> {
  const { tls, header = "authorization" } = options;
  const users = new Map<string, readonly string[]>();
  const asked: string[] = [];
  let server: Server;
  let port = 0;
  const onRequest: Answer = (request, response) => {
    const token = String(request.headers[header] ?? "").replace(/^Bearer /, "");
    asked.push(token);
    if (application.answer !== undefined) return application.answer(request, response);
    const ids = users.get(token);
    if (ids === undefined) return void response.writeHead(401).end();
    json(
      response,
      ids.map((id) => ({ id, name: `Share ${id}`, path_prefix: "/" })),
    );
  };
  const start = async (): Promise<void> => {
    server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  };
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  await start();
  const application: Application = {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}/api/connections`,
    users,
    asked,
    answer: undefined,
    start,
    stop,
  };
  return application;
}

export function json(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}
