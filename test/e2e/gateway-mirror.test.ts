import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import {
  type Client,
  connect,
  type Mirror,
  type WebSocketConstructor,
} from "../../src/client/browser/client.ts";
import { seeded } from "../support/random.ts";
import { until } from "../support/until.ts";

let stack: Stack;
const clients: Client[] = [];
/** Of all clients; the last one is the newest. */
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  sockets.length = 0;
  await stack.close();
});

/** Goes to one gateway after the other. */
function browser(): Client {
  class Roaming extends WebSocket {
    constructor(_url: string, protocols?: string[]) {
      const gateway = stack.gateways[sockets.length % stack.gateways.length];
      super(`${gateway?.url.replace("http", "ws")}/ws`, protocols);
      this.on("error", () => undefined);
      sockets.push(this);
    }
  }
  const client = connect("ws://127.0.0.1/ws", {
    WebSocket: Roaming as unknown as WebSocketConstructor,
    backoff: { initialMs: 20, maxMs: 200 },
  });
  clients.push(client);
  return client;
}

/** A sum of all samples of a metric whose line begins like this. */
async function metric(ops: string | undefined, name: string): Promise<number> {
  const text = await (await fetch(`${ops}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(name))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

/** What is on the disk below a directory, and is not the same in its mirror. */
function wrong(mirror: Mirror): string[] {
  const root = join(stack.samba.path(), mirror.path);
  const disk = new Map(
    readdirSync(root, { recursive: mirror.recursive, withFileTypes: true }).map((entry) => [
      join(entry.parentPath ?? entry.path, entry.name).slice(stack.samba.path().length),
      entry.isDirectory() ? "directory" : "file",
    ]),
  );
  const picture = new Map(mirror.walk());
  const lines: string[] = [];
  for (const [path, type] of disk) {
    const found = picture.get(path);
    if (found === undefined) lines.push(`${path}: missing`);
    else if (found.type !== undefined && found.type !== type) lines.push(`${path}: a ${found.type}`);
  }
  for (const path of picture.keys()) if (!disk.has(path)) lines.push(`${path}: a ghost`);
  if (mirror.state !== "live") lines.push(`it is ${mirror.state}`);
  return lines;
}

it("200 browsers open one directory of 5,000 entries: nothing for the file server, one question to a worker", async () => {
  stack = await startStack({
    config: {
      gateway: { host: "127.0.0.1", auth: { mode: "none" }, limits: { connectionsPerAddress: 1_000 } },
      log: { level: "info", format: "json" },
    },
  });
  const [worker, gateway] = [stack.workers[0], stack.gateways[0]];
  const dir = join(stack.samba.path(), "many");
  mkdirSync(dir);
  for (let n = 0; n < 5_000; n++) writeFileSync(join(dir, `document ${n}.pdf`), "x");
  // It is watched, and nobody keeps a picture of it in the gateway yet.
  await browser().subscribe("lab", "/many").ready;
  const asked = (): Promise<number> => metric(worker?.ops, "smb2nats_smb_requests_total");
  const listed = (): Promise<number> =>
    metric(worker?.ops, 'smb2nats_smb_requests_total{connection="lab",command="QUERY_DIRECTORY"');
  let requests = -1;
  await until(
    "the worker rests",
    async () => {
      const before = requests;
      requests = await asked();
      return requests === before;
    },
    { everyMs: 5_000, timeoutMs: 60_000 },
  );
  const listings = await listed();
  expect(listings).toBeGreaterThan(0);
  const mirrors = Array.from({ length: 200 }, () => browser().mirror("lab", "/many"));
  for (const mirror of mirrors) await mirror.ready;
  for (const mirror of mirrors) {
    expect(mirror.entries()).toHaveLength(5_000);
    expect(mirror.get("document 7.pdf")).toMatchObject({ type: "file", size: 1 });
  }
  expect(await listed()).toBe(listings);
  // Of its own accord the worker looks at a directory every minute, with a few requests.
  expect(await asked()).toBeLessThan(requests + 50);
  expect(await metric(gateway?.ops, "smb2nats_gateway_mirror_snapshots_total")).toBe(1);
  expect(await metric(gateway?.ops, "smb2nats_gateway_snapshots_total")).toBe(200);
  expect(await metric(gateway?.ops, "smb2nats_gateway_mirrored_entries")).toBe(5_000);
  // By another client: what is done on the server itself is found by looking, within two minutes.
  const { samba } = stack;
  await samba.smbclient(`rm "many\\document 7.pdf"; put ${samba.passwordFile} many\\new`);
  await until("all have heard", () => mirrors.every((mirror) => wrong(mirror).length === 0));
  for (const mirror of mirrors) await mirror.close();
  await until(
    "nothing is kept",
    async () => (await metric(gateway?.ops, "smb2nats_gateway_mirrored_entries")) === 0,
  );
}, 180_000);

it("mirrors of a tree are right after random changes and cuts, through two gateways and a new worker", async () => {
  stack = await startStack({ gateways: 2, workers: 2 });
  const random = seeded(3);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const root = join(stack.samba.path(), "tree");
  mkdirSync(join(root, "a"), { recursive: true });
  const client = browser();
  const mirrors = [
    client.mirror("lab", "/tree", { recursive: true }),
    client.mirror("lab", "/tree"),
    browser().mirror("lab", "/tree/a"),
  ];
  for (const mirror of mirrors) await mirror.ready;
  const somewhere = (): string => {
    const below = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    const directories = [root, ...below.map((entry) => join(entry.parentPath ?? entry.path, entry.name))];
    return join(pick(directories), pick(["a", "b", "c", "d"]));
  };
  const attempt = (change: () => void): void => {
    try {
      change();
    } catch {
      // Not everything that is asked for at random can be done.
    }
  };
  for (let step = 0; step < 400; step++) {
    const [path, other, what] = [somewhere(), somewhere(), random()];
    if (path.length < root.length + 12 && what < 0.25) attempt(() => mkdirSync(path));
    else if (what < 0.5) attempt(() => writeFileSync(path, createHash("sha1").update(String(step)).digest()));
    else if (what < 0.65) attempt(() => rmSync(path, { recursive: true }));
    else if (what < 0.9) attempt(() => renameSync(path, other));
    else sockets.at(-1 - Math.floor(random() * 2))?.terminate();
    if (step === 200) await stack.workers[0]?.stop();
    if (random() < 0.3) await delay(random() * 100);
  }
  attempt(() => rmSync(join(root, "a"), { recursive: true }));
  mkdirSync(join(root, "a"), { recursive: true });
  writeFileSync(join(root, "a", "last"), "x");
  await until("the pictures are the disk's", () => mirrors.every((mirror) => wrong(mirror).length === 0), {
    timeoutMs: 60_000,
  }).catch(() =>
    expect(mirrors.flatMap((mirror) => wrong(mirror).map((line) => `${mirror.path}: ${line}`))).toEqual([]),
  );
  const resumed = await Promise.all(
    stack.gateways.map(({ ops }) =>
      metric(ops, 'smb2nats_gateway_snapshots_total{connection="lab",reason="reconnect",outcome="resumed"}'),
    ),
  );
  expect(resumed.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(0);
}, 180_000);
