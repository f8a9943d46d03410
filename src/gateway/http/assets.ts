import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { parseTarget, SOCKET_PATHS } from "../auth/index.ts";

interface Asset {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
}

/** No script, style or frame but our own; the page talks to where it came from only. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

const TYPES = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
} as const;

/** The page's files by kind; all lie beside each other, in one folder and at one address. */
const PAGE: Readonly<Record<Exclude<keyof typeof TYPES, "html">, readonly string[]>> = {
  js: [
    "ago",
    "app",
    "crumbs",
    "cursor",
    "directory",
    "elements",
    "file-head",
    "file-row",
    "files",
    "fleet",
    "format",
    "hash",
    "keys",
    "listed",
    "listing",
    "lit",
    "log",
    "order",
    "panel",
    "paths",
    "row-pool",
    "virtual",
    "watched",
  ],
  css: ["files", "fleet", "log", "panel", "style"],
};

/** The compiled browser client, module by module: the first is the door. */
const CLIENT: readonly (readonly [route: string, file: string])[] = [
  ["/client.js", "client.js"],
  ["/link.js", "link.js"],
  ["/mirror.js", "mirror.js"],
  ["/tree.js", "tree.js"],
];
/** Beside us when we are compiled ourselves, else from the last build. */
const CLIENT_FOLDERS: readonly string[] = ["../../client/browser/", "../../../dist/client/browser/"];

/** The live page and the browser client, read once and served from memory. */
export class Assets {
  readonly #byRoute: ReadonlyMap<string, Asset>;

  private constructor(byRoute: ReadonlyMap<string, Asset>) {
    this.#byRoute = byRoute;
  }

  static async load(): Promise<Assets> {
    const files = [
      { route: "/", type: TYPES.html, path: resolveHere("../page/index.html") },
      ...(["js", "css"] as const).flatMap((ending) =>
        PAGE[ending].map((name) => ({
          route: `/${name}.${ending}`,
          type: TYPES[ending],
          path: resolveHere(`../page/${name}.${ending}`),
        })),
      ),
    ];
    for (const [route, file] of CLIENT) {
      const path = CLIENT_FOLDERS.map((folder) => resolveHere(folder + file)).find(existsSync);
      if (path !== undefined) files.push({ route, type: TYPES.js, path });
    }
    return new Assets(
      new Map(
        await Promise.all(
          files.map(async ({ route, type, path }): Promise<[string, Asset]> => {
            const body = await readFile(path);
            const hash = createHash("sha256").update(body).digest("base64url").slice(0, 22);
            return [route, { type, body, etag: `"${hash}"` }];
          }),
        ),
      ),
    );
  }

  /** Answers one plain HTTP request. `explain` says what a handshake would have met. */
  serve(request: IncomingMessage, response: ServerResponse, explain: () => string): void {
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    const pathname = parseTarget(request.url ?? "")?.pathname ?? "";
    const asset = this.#byRoute.get(pathname);
    if (SOCKET_PATHS.has(pathname)) {
      response.setHeader("Upgrade", "websocket");
      plain(request, response, 426, `This address speaks WebSocket. ${explain()}\n`);
    } else if (asset === undefined) {
      plain(request, response, 404, "Not found.\n");
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("Allow", "GET, HEAD");
      plain(request, response, 405, "Only GET and HEAD.\n");
    } else {
      send(request, response, asset);
    }
  }
}

function send(request: IncomingMessage, response: ServerResponse, { body, etag, type }: Asset): void {
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", "no-cache");
  if (request.headers["if-none-match"] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { "Content-Type": type, "Content-Length": body.length });
  response.end(request.method === "HEAD" ? undefined : body);
}

function plain(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    "Cache-Control": "no-store",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(request.method === "HEAD" ? undefined : text);
}

function resolveHere(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
