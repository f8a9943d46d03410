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
import { codeBlocks } from "../../test/support/oracles/code-blocks.ts";
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

/** Bytes: more than a quarter of a second's, which is how often Sambee tells. */
const LARGE = 64 * 1_048_576;
const scope = new Scope();
let files = 0;
const say = (text: string): void => console.error(text);

try {
  const sambee = buildSambee(source);
  say(`Sambee ${sambee.version}`);
  const stack = await startStack({ workers: 0, gateways: 0, onStep: say });
  scope.defer(() => stack.close());
  for (const name of ["Open", "Removed", ...many()]) mkdirSync(at(stack, name));
  writeFileSync(at(stack, "large"), Buffer.alloc(LARGE));

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
  const id = await addConnection(api, token, stack, "lab");
  const other = await addConnection(api, token, stack, "lab2");

  // The connections by the command of the recipe.
  const tokenFile = join(workspace.dir, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const imported = execFileSync(process.execPath, [
    join(ROOT, "dist/cli/main.js"),
    ...["connections", "import", "--from", "sambee", "--url", `http://127.0.0.1:${port}`],
    ...["--token-file", tokenFile, "--secrets-dir", workspace.dir],
  ]);
  const { connections } = parse(imported.toString()) as { connections: Record<string, object> };
  for (const each of [id, other]) {
    writeFileSync(join(workspace.dir, each), `${stack.samba.password}\n`, { mode: 0o600 });
  }
  const recipe = recipeFor(port);
  const configure = (gateway: object): void => {
    stack.writeConfig({ connections, gateway });
  };
  configure(recipe.plain);
  const front = await startFront(sambee.page, port);
  scope.defer(() => front.close());
  say(`in front of both: ${front.server}`);
  say("starting a worker and a gateway");
  await stack.startRole("worker");
  let gateway = await stack.startRole("gateway");
  const columns: Record<string, string>[] = [];
  const column = async (name: string, target: number): Promise<void> => {
    say(`\n${name}`);
    front.socket = target;
    const picture = `${shot ?? "artifacts/sambee"}-${columns.length}.png`;
    columns.push(await run({ api, front, stack, target, token, id, other, shot: picture }));
  };
  await column("Sambee's monitor", port);
  await column("smb2nats", Number(new URL(gateway.url).port));
  const heard = [gateway.process.log()];
  await gateway.stop();
  configure({ ...recipe.plain, ...recipe.relayed });
  gateway = await stack.startRole("gateway");
  await column("smb2nats with gateway.upstream", Number(new URL(gateway.url).port));
  heard.push(gateway.process.log());

  const [theirs = {}, ours = {}, relayed = {}] = columns;
  console.log(
    `| Sambee ${sambee.version}, its page in Chromium | its own monitor | smb2nats | smb2nats with \`gateway.upstream\` |\n|---|---|---|---|`,
  );
  for (const key of Object.keys(theirs)) {
    console.log(`| ${key} | ${theirs[key]} | ${ours[key]} | ${relayed[key]} |`);
  }
  const told = (text: string): string => (text.includes(token) ? "YES" : "no");
  console.log(
    `\nits token in the logs of ${front.server}: ${told(front.logs())}; of the gateways: ${told(heard.join())}`,
  );
  console.log(
    `a hop that could not be read (gateway.unreadable-hop): ${/unreadable-hop/.test(heard.join()) ? "YES" : "no"}`,
  );
} finally {
  await scope.close();
}

/** The gateway's settings as the recipe has them, with Sambee and the proxy where they are here. */
function recipeFor(port: number): { readonly plain: object; readonly relayed: object } {
  const blocks = codeBlocks().filter(
    ({ language, where }) => language === "yaml" && where.startsWith("docs/recipes/sambee.md"),
  );
  const settings = blocks.map(
    ({ text }) =>
      (parse(text.replaceAll("sambee:8000", `127.0.0.1:${port}`)) as { gateway?: object }).gateway ?? {},
  );
  const plain = settings.find((gateway) => "auth" in gateway);
  const relayed = settings.find((gateway) => "upstream" in gateway);
  if (plain === undefined || relayed === undefined) throw new Error("the recipe has no settings");
  return {
    plain: { ...plain, host: "127.0.0.1", trustedProxies: ["127.0.0.1"], allowedOrigins: [] },
    relayed,
  };
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
  /** Another connection to the same share. */
  readonly other: string;
  readonly api: string;
  readonly shot: string;
}

/** One column: what the page shows after each mishap. */
async function run({
  api,
  front,
  id,
  other,
  shot,
  stack,
  target,
  token,
}: Run): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  let page: Page;
  let frames: string[] = [];
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
    frames = [];
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => frames.push(String(payload))),
    );
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
  await until("the page's subscription", async () => frames.some((frame) => frame.includes('"subscribed"')));
  // Behind the gateway the page is told that before Sambee has looked at the share.
  await delay(5_000);
  const progress = await copyBetween({ api, from: other, to: id, token }, () => frames);
  seen["byte counts of a copy between connections (`transfer_progress`) that reached the page"] = progress;

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

/** Has Sambee copy a large file, and counts the frames about it that reached the page. */
async function copyBetween(
  {
    api,
    from,
    to,
    token,
  }: { readonly api: string; readonly from: string; readonly to: string; readonly token: string },
  frames: () => readonly string[],
): Promise<string> {
  const response = await fetch(`${api}/browse/${from}/copy`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      source_path: "large",
      dest_path: `Open/large-${++files}`,
      dest_connection_id: to,
    }),
  });
  if (!response.ok) throw new Error(`Sambee does not copy: ${response.status} ${await response.text()}`);
  await delay(1_000);
  const told = frames()
    .map((frame) => JSON.parse(frame) as { type: string; bytes_transferred?: number })
    .filter(({ type }) => type === "transfer_progress");
  if (told.length === 0) return "none";
  return `${told.length}${told.at(-1)?.bytes_transferred === -1 ? ", and the end" : ", without the end"}`;
}

/** Subscribes as so many pages would, and counts what the file server sees of it. */
async function connectionsFor(
  folders: readonly string[],
  { id, stack, target, token }: Pick<Run, "stack" | "target" | "token" | "id">,
): Promise<string> {
  const { WebSocket } = await import("ws");
  // As the proxy would say it.
  const headers = { "X-Forwarded-For": "127.0.0.1" };
  const socket = new WebSocket(`ws://127.0.0.1:${target}/api/ws?token=${encodeURIComponent(token)}`, {
    headers,
  });
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

async function addConnection(api: string, token: string, { samba }: Stack, name: string): Promise<string> {
  const response = await fetch(`${api}/connections`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({
      name,
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
