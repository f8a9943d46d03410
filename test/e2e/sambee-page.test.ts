import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Role, type Stack, startStack } from "../../scripts/lab/stack.ts";
import { startTcpProxy, type TcpProxy } from "../../scripts/lab/tcp-proxy.ts";
import { freePort } from "../../scripts/lab/workspace.ts";
import { SambeePage } from "../support/clients/sambee-page.ts";
import { WsClient } from "../support/clients/ws-client.ts";
import { type Application, startApplication } from "../support/servers/application.ts";
import { until } from "../support/until.ts";

/** Within this after its line is there again, the page is right. */
const RIGHT_MS = 3_000;
/**
 * Longer than the gateway waits for a sign of life (a ping every 30 s, and one unanswered): it has let go of the socket by then. It
 * sleeps while the other mishaps happen, which take most of that time.
 */
const SLEEP_MS = 75_000;
const TOKEN = "header.of-a-token-nobody-may-log.signature";

describe("Sambee's page, as it behaves, behind a proxy and with its own application's rights", () => {
  let stack: Stack;
  let application: Application;
  let gateway: Role;
  let port: number;
  let proxy: TcpProxy;
  let bedroom: TcpProxy;
  let page: SambeePage;
  let sleeper: SambeePage;
  let asleepAt: number;
  let serverAway = false;
  const folder = (path: string): string => join(stack.samba.path(), path);

  /** As Sambee lists: from the share itself, at any time, whatever the gateway does. */
  const list = async (path: string): Promise<string[]> => {
    if (serverAway) throw new Error("the file server is away");
    return readdirSync(folder(path));
  };
  const truth = (path: string): readonly string[] | "error" =>
    serverAway || !existsSync(folder(path)) ? "error" : readdirSync(folder(path)).sort();
  const open = (line: TcpProxy, path: string): SambeePage =>
    new SambeePage({
      url: () => `ws://127.0.0.1:${line.port}/api/ws?token=${TOKEN}`,
      connection: "lab",
      path,
      list: () => list(path),
    });
  const isRight = (path: string, seen: SambeePage = page): boolean =>
    JSON.stringify(seen.shown) === JSON.stringify(truth(path));
  const right = (path: string, seen: SambeePage = page): Promise<boolean> =>
    until(`a page that shows ${path} as it is`, () => isRight(path, seen), {
      timeoutMs: RIGHT_MS,
      everyMs: 20,
    });
  const line = (opened: number): Promise<boolean> =>
    until("the page's line", () => page.connected && page.opened > opened, {
      timeoutMs: 30_000,
      everyMs: 10,
    });
  let files = 0;
  const change = (path: string): void => writeFileSync(folder(join(path, `file-${files++}`)), "x");
  /** What a change made now does to the page shows that it is subscribed, and not right by accident. */
  const hears = async (path: string): Promise<void> => {
    change(path);
    await right(path);
  };
  const startGateway = (): Promise<Role> =>
    stack.startRole("gateway", { SMB2NATS_GATEWAY_PORT: String(port) });

  beforeAll(async () => {
    application = await startApplication();
    application.users.set(TOKEN, ["lab"]);
    port = await freePort();
    const ask = { url: application.url, connection: "/id" };
    stack = await startStack({
      gateways: 0,
      // What is done on the server itself is to be shown within seconds.
      connection: { cover: "directory" },
      config: {
        gateway: { host: "127.0.0.1", auth: { mode: "ask", firstFrame: false, ask } },
        worker: { leaseTtlMs: 3_000 },
      },
    });
    for (const path of ["Docs", "Docs/Open", "Sleep"]) mkdirSync(folder(path));
    gateway = await startGateway();
    proxy = await startTcpProxy({ port });
    bedroom = await startTcpProxy({ port });
    sleeper = open(bedroom, "Sleep");
    page = open(proxy, "Docs");
    await until("both lines", () => page.connected && sleeper.connected);
    await hears("Docs");
    change("Sleep");
    await right("Sleep", sleeper);
    bedroom.freeze();
    asleepAt = performance.now();
    change("Sleep");
  }, 60_000);
  afterAll(async () => {
    page?.close();
    sleeper?.close();
    await Promise.all([proxy?.close(), bedroom?.close(), application?.stop()]);
    await stack?.close();
  });

  it.each(["SIGTERM", "SIGKILL"] as const)("is right after its gateway ended by %s", async (signal) => {
    const { opened } = page;
    await gateway.stop(signal);
    await until("the drop", () => !page.connected);
    change("Docs");
    gateway = await startGateway();
    await line(opened);
    await right("Docs");
    await hears("Docs");
  });

  it("is right after its line was cut, and what it missed meanwhile was a removal", async () => {
    const { opened } = page;
    proxy.refuse(true);
    proxy.cut();
    await until("the drop", () => !page.connected);
    rmSync(folder(join("Docs", "file-0")));
    await delay(1_000);
    proxy.refuse(false);
    await line(opened);
    await right("Docs");
    await hears("Docs");
  });

  it("is right after its worker was replaced, gently and not", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const observer = await watcher();
      await stack.workers.pop()?.stop(signal);
      change("Docs");
      stack.workers.push(await stack.startRole("worker"));
      await observer.live();
      await right("Docs");
      await hears("Docs");
      await observer.close();
    }
  });

  it("is right after NATS was restarted", async () => {
    const observer = await watcher();
    await stack.nats.kill();
    change("Docs");
    await delay(1_000);
    await stack.nats.start();
    await observer.heard();
    await right("Docs");
    await hears("Docs");
    await observer.close();
  });

  it("shows what is wrong while the file server is away, and what is there when it is back", async () => {
    const observer = await watcher();
    serverAway = true;
    await stack.samba.kill();
    await observer.state("unreachable");
    await right("Docs");
    change("Docs");
    serverAway = false;
    await stack.samba.start();
    await observer.live();
    await right("Docs");
    await hears("Docs");
    await observer.close();
  });

  it("shows that its directory was renamed or removed, and what is there when it is made again", async () => {
    const other = open(proxy, "Docs/Open");
    try {
      await until("its line", () => other.connected);
      change("Docs/Open");
      await right("Docs/Open", other);
      for (const away of [
        () => renameSync(folder("Docs/Open"), folder("Docs/Elsewhere")),
        () => rmSync(folder("Docs/Open"), { recursive: true }),
      ]) {
        away();
        await right("Docs/Open", other);
        expect(other.shown).toBe("error");
        mkdirSync(folder("Docs/Open"));
        change("Docs/Open");
        // A directory that comes and goes is asked for less and less, at last every 30 s.
        await until("the directory, made again", () => isRight("Docs/Open", other), { timeoutMs: 35_000 });
        change("Docs/Open");
        await right("Docs/Open", other);
      }
      // What happens to it while the gateway is away as well.
      const { opened } = other;
      proxy.refuse(true);
      proxy.cut();
      rmSync(folder("Docs/Open"), { recursive: true });
      await delay(500);
      proxy.refuse(false);
      await until("its line", () => other.connected && other.opened > opened, { everyMs: 10 });
      await right("Docs/Open", other);
      expect(other.shown).toBe("error");
      mkdirSync(folder("Docs/Open"));
      await until("the directory, made again", () => isRight("Docs/Open", other), { timeoutMs: 35_000 });
      change("Docs/Open");
      await right("Docs/Open", other);
    } finally {
      other.close();
    }
  }, 150_000);

  it("is right after it has slept for longer than the gateway waited for it", async () => {
    await delay(Math.max(0, asleepAt + SLEEP_MS - performance.now()));
    expect(isRight("Sleep", sleeper)).toBe(false);
    const { opened } = sleeper;
    bedroom.thaw();
    await until("its line", () => sleeper.connected && sleeper.opened > opened, { everyMs: 10 });
    await right("Sleep", sleeper);
    change("Sleep");
    await right("Sleep", sleeper);
  }, 120_000);

  it("never had its token written down", async () => {
    const metrics = await (await fetch(`${gateway.ops}/metrics`)).text();
    expect(metrics).toMatch(/smb2nats_gateway_asks_total\{outcome="ok"\} [1-9]/);
    for (const text of [gateway.process.log(), metrics]) expect(text).not.toContain("nobody-may-log");
  });

  /** Somebody who reads `state`, to know when the page may be expected to be right. */
  async function watcher(): Promise<{
    live(): Promise<unknown>;
    state(name: string): Promise<unknown>;
    heard(): Promise<unknown>;
    close(): Promise<void>;
  }> {
    const client = await WsClient.open(`ws://127.0.0.1:${port}/ws?token=${TOKEN}`);
    // Just after an outage of NATS nobody may be able to tell yet who watches.
    const subscribe = async (): Promise<boolean> =>
      (await client.subscribe("/Docs", { detail: "changes" })).type === "subscribed";
    await until("a subscription", subscribe, { everyMs: 200 });
    const from = client.frames.length;
    return {
      live: () => client.next(({ state }) => state === "live", { from, timeoutMs: 60_000 }),
      state: (name) => client.next(({ state }) => state === name, { from, timeoutMs: 30_000 }),
      heard: () => client.next(({ type }) => type === "directory_changed", { from, timeoutMs: 30_000 }),
      close: () => client.close(),
    };
  }
}, 180_000);
