import { once } from "node:events";
import { request } from "node:https";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  findProxy,
  type ProxyKind,
  type ReverseProxy,
  startReverseProxy,
} from "../../../scripts/lab/reverse-proxy.ts";
import { codeBlocks } from "../../support/oracles/code-blocks.ts";
import { launchBrowser } from "../../support/page/browser.ts";
import { type Bench, startGateway, TestClient } from "../../support/servers/gateway.ts";
import { until } from "../../support/until.ts";

/** docs/recipes/reverse-proxy.md: every file in it, run by the program it is for. */
const LANGUAGES: Readonly<Record<ProxyKind, string>> = {
  nginx: "nginx",
  haproxy: "haproxy",
  caddy: "caddy",
  traefik: "toml",
};
const PAGE = "docs/recipes/reverse-proxy.md";
/** By the way that they are brought. */
const TOKENS = {
  frame: "frame-nobody-may-log",
  url: "url-nobody-may-log",
  protocol: "protocol-nobody-may-log",
  header: "header-nobody-may-log",
};
/** As the page has it: whose token is written where a log is left as it comes, with the gateway away for a while. */
const WRITTEN: Readonly<Record<ProxyKind, readonly (keyof typeof TOKENS)[]>> = {
  nginx: ["url"],
  haproxy: ["url"],
  caddy: ["url", "protocol"],
  traefik: ["url"],
};
/** What keeps tokens out of the logs, and what stands there without it. */
const CARE: Readonly<Record<ProxyKind, readonly [RegExp, string]>> = {
  nginx: [/^ *(access_log|error_log|log_format) .*$/gm, ""],
  haproxy: [/log-format .*/, "option httplog"],
  caddy: [/ import no_tokens.*/g, ""],
  traefik: [/\[accessLog\.fields[^[]*/, ""],
};

/** By the name that the first line of each gives it. */
function filesFor(kind: ProxyKind): Record<string, string> {
  const blocks = codeBlocks().filter(
    ({ language, where }) => language === LANGUAGES[kind] && where.startsWith(PAGE),
  );
  const named = blocks.flatMap(({ text }): [string, string][] => {
    const name = /^# \/etc\/\S*\/([\w.-]+)/.exec(text)?.[1]?.replace(/[;,]$/, "");
    return name === undefined ? [] : [[name, text]];
  });
  return Object.fromEntries(named);
}

let bench: Bench;
let proxy: ReverseProxy | undefined;
beforeEach(async () => {
  const grants = [{ connection: "nas1", path: "/**" }];
  bench = await startGateway({
    auth: { mode: "tokens", tokens: Object.values(TOKENS).map((token) => ({ token, grants })) },
    trustedProxies: ["127.0.0.1"],
  });
});
afterEach(async () => {
  await proxy?.stop();
  proxy = undefined;
  await bench.close();
});

const start = async (kind: ProxyKind, files = filesFor(kind)): Promise<number> => {
  proxy = await startReverseProxy(kind, files, { "127.0.0.1:8080": `127.0.0.1:${bench.port}` });
  const { port } = proxy;
  // Traefik listens before it has read what it serves.
  if (kind === "traefik") await until("its routers", async () => (await get(port, "/")).status === 200);
  return port;
};
/** From another address than the proxy's own. */
const FROM = { localAddress: "127.0.0.2", rejectUnauthorized: false, servername: "files.example.org" };
const open = (port: number, path: string, { protocols = [] as string[], headers = {} } = {}): WebSocket =>
  new WebSocket(`wss://127.0.0.1:${port}${path}`, protocols, {
    ...FROM,
    origin: `https://files.example.org:${port}`,
    headers: { Host: `files.example.org:${port}`, ...headers },
  });
const statusOf = async (socket: WebSocket): Promise<number | undefined> => {
  const [first] = await Promise.race([
    once(socket, "open").then(() => [101]),
    once(socket, "unexpected-response").then(([, response]) => [response.statusCode]),
  ]);
  socket.on("error", () => undefined).terminate();
  return first as number;
};
const get = (port: number, path: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const headers = { Host: `files.example.org:${port}` };
    request({ host: "127.0.0.1", port, path, headers, ...FROM }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on("error", reject)
      .end();
  });

/** A session by the first frame, and all other ways to bring a token, with a gateway and without. */
const useAllWays = async (port: number): Promise<Readonly<Record<string, unknown>>> => {
  const socket = open(port, "/ws");
  await once(socket, "open");
  const client = new TestClient(socket);
  client.send({ action: "auth", token: TOKENS.frame, id: 1 });
  expect(await client.next()).toMatchObject({ type: "authenticated" });
  client.send({ action: "whoami" });
  const seen = await client.next();
  const ways = (): Promise<unknown[]> =>
    Promise.all([
      statusOf(open(port, `/ws?token=${TOKENS.url}`)),
      statusOf(open(port, "/ws", { protocols: ["smb2nats.v1", `bearer.${TOKENS.protocol}`] })),
      statusOf(open(port, "/ws", { headers: { Authorization: `Bearer ${TOKENS.header}` } })),
    ]);
  expect(await ways()).toEqual([101, 101, 101]);
  socket.close();
  await bench.gateway.close();
  for (const status of await ways()) expect(status).toBeGreaterThanOrEqual(500);
  // Written when a request is over, that of the first socket too.
  await until("the lines of seven requests", () => (proxy?.logs().match(/\/ws/g) ?? []).length >= 7);
  return seen;
};
const written = (): string[] =>
  Object.entries(TOKENS).flatMap(([way, token]) => (proxy?.logs().includes(token) ? [way] : []));

describe.each(Object.keys(LANGUAGES) as ProxyKind[])("the reverse-proxy page: %s", (kind) => {
  const absent = findProxy(kind) === undefined;
  const why = absent ? ` (skipped: ${kind} is not installed)` : "";
  it.skipIf(absent)(`passes everything on as it stands there, and writes no token down${why}`, async () => {
    const port = await start(kind);
    expect(await get(port, "/")).toMatchObject({ status: 200, text: expect.stringContaining("app.js") });
    expect(await useAllWays(port)).toMatchObject({
      address: "127.0.0.2",
      origin: `https://files.example.org:${port}`,
    });
    expect(written()).toEqual([]);
  });

  it.skipIf(absent)(
    `writes tokens down where its log is left as it comes, but that of a first frame${why}`,
    async () => {
      const [care, instead] = CARE[kind];
      const files = Object.entries(filesFor(kind)).map(([name, text]) => [name, text.replace(care, instead)]);
      await useAllWays(await start(kind, Object.fromEntries(files)));
      expect(written()).toEqual(WRITTEN[kind]);
    },
  );
});

const without = findProxy("nginx") === undefined;
it.skipIf(without)(
  `the live page says what is missing behind a plain proxy_pass${without ? " (skipped: nginx is not installed)" : ""}`,
  async () => {
    const { close, context } = await launchBrowser();
    try {
      const page = await context.newPage();
      const shows = async (headers: string, selector: string, text: string): Promise<void> => {
        await proxy?.stop();
        const location = `location / { proxy_pass http://127.0.0.1:8080; ${headers} }`;
        const port = await start("nginx", { "plain.conf": `server { listen 443 ; ${location} }` });
        await page.goto(`http://127.0.0.1:${port}/`);
        await page.locator(selector).filter({ hasText: text }).waitFor({ timeout: 20_000 });
      };
      await shows("", "#banner", "gateway.allowedOrigins");
      await shows("proxy_set_header Host $http_host;", "#banner", "the headers Upgrade and Connection");
      const upgrade = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";
      await shows(
        `proxy_set_header Host $http_host; proxy_http_version 1.1; ${upgrade}`,
        "#status[data-state=open]",
        "connected",
      );
      expect(await page.locator("#banner").isHidden()).toBe(true);
    } finally {
      await close();
    }
  },
);
