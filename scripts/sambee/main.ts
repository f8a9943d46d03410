/**
 * npm run sambee -- --source DIR: the real Sambee (a checkout of its source) with its own page in Chromium, once on its own
 * monitor and once on our gateway, through the same mishaps. Optional: needs PyPI, npm, and Chromium.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { parse } from "yaml";
import { Scope } from "../../src/base/scope.ts";
import { launchBrowser } from "../../test/support/page/browser.ts";
import { ServerProcess } from "../lab/server-process.ts";
import { type Stack, startStack } from "../lab/stack.ts";
import { createWorkspace, freePort } from "../lab/workspace.ts";
import { type Front, startFront } from "./front.ts";
import { buildSambee } from "./programs.ts";

const ROOT = join(import.meta.dirname, "../..");
const { source, shot } = parseArgs({
  options: { source: { type: "string" }, shot: { type: "string" } },
}).values;
if (source === undefined) {
  console.error("npm run sambee -- --source DIR: a checkout of Sambee (github.com/helgeklein/sambee)");
  process.exit(2);
}

const scope = new Scope();
let files = 0;
const say = (text: string): void => console.error(text);

try {
  const sambee = buildSambee(source);
  say(`Sambee ${sambee.version}`);
  const stack = await startStack({ workers: 0, gateways: 0, onStep: say });
  scope.defer(() => stack.close());
  for (const name of ["Open", "Removed", ...many()]) mkdirSync(at(stack, name));

  const workspace = createWorkspace();
  scope.defer(() => workspace.remove());
  const port = await freePort();
  const args = ["-m", "uvicorn", "app.main:app", "--host", "127.0.0.1", "--port", String(port)];
  const [file, rest] = sambee.python([...args, "--no-proxy-headers"]);
  // It keeps its data in the folder it is started in.
  const inFolder = ["-c", 'cd "$0" && exec "$@"', workspace.dir, file, ...rest];
  const backend = new ServerProcess(workspace, "sh", inFolder, {
    name: "sambee",
    env: { PYTHONPATH: sambee.backend },
  });
  scope.defer(() => backend.stop());
  say("starting Sambee");
  await backend.start(port, { timeoutMs: 60_000 });
  const api = `http://127.0.0.1:${port}/api`;
  const token = await until("Sambee's first token", () => signIn(api));
  const id = await addConnection(api, token, stack);

  // The connections by the command of the recipe.
  const tokenFile = join(workspace.dir, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const imported = execFileSync(process.execPath, [
    join(ROOT, "dist/cli/main.js"),
    ...["connections", "import", "--from", "sambee", "--url", `http://127.0.0.1:${port}`],
    ...["--token-file", tokenFile, "--secrets-dir", workspace.dir],
  ]);
  const { connections } = parse(imported.toString()) as { connections: Record<string, object> };
  writeFileSync(join(workspace.dir, id), `${stack.samba.password}\n`, { mode: 0o600 });
  const ask = { url: `${api}/connections`, connection: "/id" };
  stack.writeConfig({
    connections,
    gateway: { auth: { mode: "ask", firstFrame: false, ask }, trustedProxies: ["127.0.0.1"] },
  });
  say("starting a worker and a gateway");
  await stack.startRole("worker");
  const gateway = await stack.startRole("gateway");
  const gatewayPort = Number(new URL(gateway.url).port);
  const front = await startFront(sambee.page, port);
  scope.defer(() => front.close());

  const columns: Record<string, string>[] = [];
  for (const [name, target] of [
    ["Sambee's monitor", port],
    ["smb2nats", gatewayPort],
  ] as const) {
    say(`\n${name}`);
    front.socket = target;
    columns.push(
      await run({
        front,
        stack,
        target,
        token,
        id,
        shot: `${shot ?? "artifacts/sambee"}-${columns.length}.png`,
      }),
    );
  }
  const [theirs = {}, ours = {}] = columns;
  console.log(
    `| Sambee ${sambee.version}, its page in Chromium | its own monitor | smb2nats |\n|---|---|---|`,
  );
  for (const key of Object.keys(theirs)) console.log(`| ${key} | ${theirs[key]} | ${ours[key]} |`);
} finally {
  await scope.close();
}

function many(): string[] {
  return Array.from({ length: 20 }, (_, n) => `Many-${n}`);
}

function at(stack: Stack, name: string): string {
  return join(stack.samba.path(), name);
}

interface Run {
  readonly front: Front;
  readonly stack: Stack;
  /** Port that WebSockets go to. */
  readonly target: number;
  readonly token: string;
  readonly id: string;
  readonly shot: string;
}

/** One column: what the page shows after each mishap. */
async function run({ front, id, shot, stack, target, token }: Run): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  let page: Page;
  let leave = async (): Promise<void> => undefined;
  const shows = (name: string): Promise<boolean> => page.getByText(name, { exact: true }).first().isVisible();
  const make = (folder: string): string => {
    const name = `file-${++files}.txt`;
    writeFileSync(join(at(stack, folder), name), "x");
    return name;
  };
  /** Until the page shows it, in words. */
  const shown = async (name: string, withinMs: number): Promise<string> => {
    const from = performance.now();
    while (performance.now() - from < withinMs) {
      if (await shows(name)) return `${((performance.now() - from) / 1_000).toFixed(1)} s`;
      await delay(25);
    }
    return `not within ${withinMs / 1_000} s`;
  };
  const open = async (folder: string): Promise<void> => {
    // Somebody who was never here: nothing is remembered from the directory before.
    await leave();
    const browser = await launchBrowser();
    leave = browser.close;
    page = await browser.context.newPage();
    const handshakes = front.handshakes;
    await page.goto(`${front.url}/browse/smb/lab/${folder}`);
    const password = page.locator("input[type=password]").first();
    const signIn = password.waitFor({ timeout: 30_000 }).then(async () => {
      await page.locator("input").first().fill("admin");
      await password.fill("admin");
      await page.keyboard.press("Enter");
    });
    await Promise.race([
      signIn.catch(() => undefined),
      until("a socket", async () => front.handshakes > handshakes),
    ]);
    await until("the page's socket", async () => front.handshakes > handshakes);
    // Until it has subscribed, and beyond the time in which it drops reloads after its own.
    await delay(3_000);
    await page.screenshot({ path: join(ROOT, shot) });
  };

  await open("Open");
  seen["a file made on the server is shown after"] = await shown(make("Open"), 15_000);

  front.socket = undefined;
  const missed = make("Open");
  await delay(2_000);
  front.socket = target;
  const line = front.handshakes;
  await until("the page's next socket", async () => front.handshakes > line);
  seen["made while the page's line was cut, shown after its return"] = await shown(missed, 15_000);
  seen["the next one"] = await shown(make("Open"), 15_000);

  rmSync(at(stack, "Removed"), { recursive: true });
  mkdirSync(at(stack, "Removed"));
  await open("Removed");
  seen["in another directory, after"] = await shown(make("Removed"), 15_000);
  rmSync(at(stack, "Removed"), { recursive: true });
  await delay(3_000);
  mkdirSync(at(stack, "Removed"));
  seen["made in an open directory that was removed and made again, shown after"] = await shown(
    make("Removed"),
    30_000,
  );

  await open("Open");
  await stack.samba.kill();
  await delay(3_000);
  const away = make("Open");
  await stack.samba.start();
  seen["made while the file server was away, shown after its return"] = await shown(away, 30_000);
  seen["the next one, after that"] = await shown(make("Open"), 30_000);

  seen["connections to the file server for 20 open directories"] = await connectionsFor(many(), {
    stack,
    target,
    token,
    id,
  });
  await leave();
  return seen;
}

/** Subscribes as so many pages would, and counts what the file server sees of it. */
async function connectionsFor(
  folders: readonly string[],
  { id, stack, target, token }: Pick<Run, "stack" | "target" | "token" | "id">,
): Promise<string> {
  const { WebSocket } = await import("ws");
  const socket = new WebSocket(`ws://127.0.0.1:${target}/api/ws?token=${encodeURIComponent(token)}`);
  let subscribed = 0;
  socket.on("message", (data) => {
    if ((JSON.parse(String(data)) as { type: string }).type === "subscribed") subscribed++;
  });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const before = await smbConnections(stack);
  for (const path of folders) socket.send(JSON.stringify({ action: "subscribe", connection_id: id, path }));
  await until("all subscribed", async () => subscribed === folders.length);
  const after = await smbConnections(stack);
  socket.close();
  return `${after - before} more`;
}

/** Processes of smbd that serve somebody: one for each connection. */
async function smbConnections({ samba }: Stack): Promise<number> {
  return (await samba.status()).split("\n").filter((line) => /^\d+\s+\S+\s+\S+\s+127\.0\.0\.1/.test(line))
    .length;
}

async function signIn(api: string): Promise<string | undefined> {
  const body = new URLSearchParams({ username: "admin", password: "admin" });
  const response = await fetch(`${api}/auth/token`, { method: "POST", body });
  return ((await response.json()) as { access_token?: string }).access_token;
}

async function addConnection(api: string, token: string, { samba }: Stack): Promise<string> {
  const response = await fetch(`${api}/connections`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      name: "lab",
      host: "127.0.0.1",
      port: samba.port,
      share_name: "share",
      username: samba.user,
      password: samba.password,
      path_prefix: "/",
      scope: "shared",
    }),
  });
  if (!response.ok) throw new Error(`Sambee does not take the connection: ${await response.text()}`);
  return ((await response.json()) as { id: string }).id;
}

async function until<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const value = await probe().catch(() => undefined);
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(50);
  }
}
