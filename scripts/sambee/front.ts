import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { connect } from "node:net";
import { extname, join, normalize } from "node:path";
import { codeBlocks } from "../../test/support/oracles/code-blocks.ts";
import { findProxy, startReverseProxy } from "../lab/reverse-proxy.ts";

/**
 * What stands in front of Sambee: its page, its API, and its WebSocket, which goes where `socket` says. Where nginx is
 * installed, it is what the browser meets, with the location of the recipe.
 */
export interface Front {
  /** Who that is. */
  readonly server: string;
  /** All that nginx has written. */
  logs(): string;
  readonly url: string;
  /** Port that WebSockets go to; their sockets are cut when it changes, and refused while it is undefined. */
  socket: number | undefined;
  /** Handshakes passed on so far. */
  readonly handshakes: number;
  close(): Promise<void>;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".woff2": "font/woff2",
};

export async function startFront(page: string, sambee: number): Promise<Front> {
  if (findProxy("nginx") === undefined) return startWire(page, sambee, { first: true });
  const wire = await startWire(page, sambee, { first: false });
  const nginx = await startReverseProxy(
    "nginx",
    { "sambee.conf": nginxFor(page) },
    {
      "smb2nats-gateway:8080": new URL(wire.url).host,
      "sambee:8000": `127.0.0.1:${sambee}`,
    },
  ).catch(async (error: unknown) => {
    await wire.close();
    throw error;
  });
  return {
    server: versionOf(findProxy("nginx") ?? ""),
    url: `http://127.0.0.1:${nginx.port}`,
    logs: () => nginx.logs(),
    get socket() {
      return wire.socket;
    },
    set socket(next) {
      wire.socket = next;
    },
    get handshakes() {
      return wire.handshakes;
    },
    async close() {
      await nginx.stop();
      await wire.close();
    },
  };
}

function versionOf(nginx: string): string {
  // It tells on standard error.
  const { stderr } = spawnSync(nginx, ["-v"], { encoding: "utf8" });
  return stderr.trim().replace(/^.*: /, "");
}

/** The recipe's location, before those that pass page and API to Sambee. */
function nginxFor(page: string): string {
  const [location] = codeBlocks().filter(
    ({ language, where }) => language === "nginx" && where.startsWith("docs/recipes/sambee.md"),
  );
  if (location === undefined) throw new Error("the recipe has no location for nginx");
  return `server {
  listen 443 ;
  root ${page};
  ${location.text}
  location /api/ { proxy_pass http://sambee:8000; proxy_set_header Host $http_host; client_max_body_size 0; }
  location / { try_files $uri /index.html; }
}
`;
}

/** Passes sockets on, counts and cuts them; `first`: nothing is before it, so it serves page and API, too. */
async function startWire(
  page: string,
  sambee: number,
  { first }: { readonly first: boolean },
): Promise<Front> {
  const sockets = new Set<Socket>();
  let target: number | undefined = sambee;
  let handshakes = 0;
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://front").pathname;
    if (path.startsWith("/api/")) {
      const { method, headers, url } = request;
      const onward = httpRequest(
        { host: "127.0.0.1", port: sambee, method, headers, path: url },
        (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        },
      );
      onward.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
      request.pipe(onward);
      return;
    }
    const file = join(page, normalize(path));
    const found = extname(file) !== "" && existsSync(file) ? file : join(page, "index.html");
    response.writeHead(200, { "content-type": TYPES[extname(found)] ?? "application/octet-stream" });
    response.end(readFileSync(found));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (target === undefined) {
      socket.destroy();
      return;
    }
    handshakes++;
    const onward = connect(target, "127.0.0.1", () => {
      const lines = [`${request.method} ${request.url} HTTP/1.1`];
      for (let at = 0; at < request.rawHeaders.length; at += 2) {
        lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
      }
      if (first) lines.push(`X-Forwarded-For: ${request.socket.remoteAddress}`);
      lines.push("", "");
      onward.write(lines.join("\r\n"));
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const side of [socket, onward]) {
      sockets.add(side);
      side.on("error", () => undefined);
      side.on("close", () => {
        sockets.delete(side);
        socket.destroy();
        onward.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    server: "a small proxy of this command (nginx is not installed)",
    url: `http://127.0.0.1:${port}`,
    logs: () => "",
    get socket() {
      return target;
    },
    set socket(next) {
      target = next;
      for (const each of sockets) each.destroy();
    },
    get handshakes() {
      return handshakes;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const each of sockets) each.destroy();
      }),
  };
}
