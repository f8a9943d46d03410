import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import WebSocket from "ws";
import { type Nats, startNats } from "../../scripts/lab/nats.ts";
import { type Samba, startSamba } from "../../scripts/lab/samba.ts";
import { freePort } from "../../scripts/lab/workspace.ts";
import { CommandLine, type Running } from "../support/processes/cli.ts";

/** What an operator has at three in the morning, against a real share, broker, worker and gateway. */

const soon = { timeout: 30_000, interval: 50 };

let samba: Samba;
let nats: Nats;
let cli: CommandLine;
let up: Running;
let gateway: number;

beforeAll(async () => {
  [samba, nats] = await Promise.all([startSamba(), startNats()]);
  await samba.smbclient("mkdir docs");
  gateway = await freePort();
  cli = new CommandLine({
    SMB2NATS_PASSWORD_FILE: samba.passwordFile,
    SMB2NATS_USERNAME: samba.user,
    SMB2NATS_DOMAIN: samba.domain,
    SMB2NATS_NATS_SERVERS: nats.url,
    SMB2NATS_GATEWAY_PORT: String(gateway),
    SMB2NATS_HTTP_PORT: "0",
  });
  up = cli.run(["up", `//127.0.0.1:${samba.port}/share`]);
  await vi.waitFor(() => expect(up.err()).toContain("Watching. Live page:"), soon);
});
afterAll(async () => {
  await cli?.close();
  await nats?.stop();
  await samba?.stop();
});

describe("watch", () => {
  it("--exec runs a program for each batch, --count ends it, and its failures are told", async () => {
    const program = join(cli.folder, "take");
    writeFileSync(program, `#!/bin/sh\ncat >>"${cli.folder}/taken"; exit "$1"\n`);
    chmodSync(program, 0o755);
    const watch = cli.run(["watch", "share", "/docs", "--count", "1", "--exec", program, "--", "3"]);
    await vi.waitFor(() => expect(watch.err()).toContain("watching /docs"), soon);
    await samba.smbclient("mkdir docs/for-exec");
    expect(await watch.code).toBe(1);
    expect(watch.err()).toMatch(/take \(process \d+\) ended with 3/);
    const [line] = readFileSync(join(cli.folder, "taken"), "utf8").split("\n");
    expect(JSON.parse(line ?? "")).toMatchObject({
      type: "changes",
      path: "/docs",
      changes: expect.arrayContaining([{ action: "added", name: "for-exec" }]),
    });
  });

  it("takes a server from the command line, and gives up in time", async () => {
    const port = await freePort();
    const away = cli.run([
      "watch",
      "share",
      "/docs",
      "--server",
      `nats://127.0.0.1:${port}`,
      "--timeout",
      "0.5",
    ]);
    expect(await away.code).toBe(69);
  });
});

describe("status", () => {
  it("says of each watch when it last changed, and what its owner had to find by itself", async () => {
    const held = cli.run(["watch", "share", "/docs", "--json"]);
    await vi.waitFor(() => expect(held.lines()[0]).toMatchObject({ type: "live" }), soon);
    await samba.smbclient(`mkdir docs/for-status-${Date.now()}`);
    await vi.waitFor(() => expect(held.out()).toContain("for-status"), soon);
    const status = cli.run(["status", "--json"]);
    expect(await status.code).toBe(0);
    expect(status.lines()[0]).toMatchObject({
      watches: expect.arrayContaining([
        expect.objectContaining({
          path: "/docs",
          state: "live",
          lastChange: expect.stringMatching(/Z$/),
          resyncs: expect.any(Object),
          found: expect.any(Number),
        }),
      ]),
    });
    const people = cli.run(["status"]);
    expect(await people.code).toBe(0);
    expect(people.out()).toMatch(/CHANGED +RESYNCS\/H +FOUND\/H/);
    expect(people.out()).toMatch(
      /\/docs +live +notify \(up to 2 min late\) +\d+ s ago +.*takeover.* \d+ +\d/,
    );
  });

  it("--watch looks again until it is ended", async () => {
    const status = cli.run(["status", "--watch", "--json"]);
    await vi.waitFor(() => expect(status.lines().length).toBeGreaterThanOrEqual(2), soon);
    status.child.kill("SIGINT");
    expect(await status.code).toBe(0);
  });
});

describe("streams", () => {
  it("shows what is there, what it holds, and what the configuration says otherwise", async () => {
    const streams = cli.run(["streams", "--json"]);
    expect(await streams.code).toBe(0);
    expect(streams.lines()[0]).toMatchObject({
      ok: true,
      streams: [
        {
          stream: "SMB",
          purpose: "events",
          found: { usedBytes: expect.any(Number), replicas: 1 },
          differences: [],
        },
        { stream: "KV_SMB_WATCHES", purpose: "watches" },
        { stream: "OBJ_SMB_CHECKPOINTS", purpose: "checkpoints" },
      ],
      account: { streams: 3 },
    });
    const other = cli.run(["streams"], { env: { SMB2NATS_NATS_STREAM_MAX_AGE_HOURS: "12" } });
    expect(await other.code).toBe(0);
    expect(other.out()).toMatch(/^SMB +events +[\d.]+ (bytes|KiB) \(0 %\) /m);
    expect(other.out()).toContain("SMB: max_age ms is 21600000, the configuration says 43200000");
  });

  it("is 1 where they are not there yet, and makes none", async () => {
    const empty = await startNats();
    try {
      const streams = cli.run(["streams", "--server", empty.url]);
      expect(await streams.code).toBe(1);
      expect(streams.out()).toContain("SMB is not there: the first worker that may create it does");
      expect(await cli.run(["status", "--server", empty.url]).code).toBe(69);
    } finally {
      await empty.stop();
    }
  });
});

describe("check --gateway", () => {
  it("--write makes a change over SMB, sees it through NATS and WebSocket, and leaves nothing behind", async () => {
    const env = {
      SMB2NATS_CONNECTIONS: JSON.stringify({ share: { server: `127.0.0.1:${samba.port}`, share: "share" } }),
    };
    const url = `ws://127.0.0.1:${gateway}`;
    const check = cli.run(["check", "share", "--gateway", url, "--write", "/docs", "--json"], { env });
    const code = await check.code;
    const [report] = check.lines() as { ok: boolean; steps: { step: string; ok: boolean }[] }[];
    expect(report?.steps.filter(({ ok }) => !ok)).toEqual([]);
    expect(code).toBe(0);
    expect(report?.steps.map(({ step }) => step).slice(-4)).toEqual([
      "file made",
      "NATS",
      "WebSocket",
      "file gone",
    ]);
    expect(
      readdirSync(join(samba.path(), "docs")).filter((name) => name.startsWith("smb2nats-check")),
    ).toEqual([]);
  });
});

describe("clients", () => {
  it("shows who is connected, and ends one: with 4400 it comes back, with 4500 not", async () => {
    const open = async (): Promise<{ socket: WebSocket; closed: Promise<[number, string]> }> => {
      const socket = new WebSocket(`ws://127.0.0.1:${gateway}/ws`, { origin: `http://127.0.0.1:${gateway}` });
      const closed = new Promise<[number, string]>((resolve) =>
        socket.once("close", (code, reason) => resolve([code, String(reason)])),
      );
      await new Promise((resolve) => socket.once("open", resolve));
      socket.send(JSON.stringify({ action: "subscribe", connection_id: "share", path: "/docs" }));
      await new Promise((resolve) => socket.once("message", resolve));
      return { socket, closed };
    };
    const { closed } = await open();
    const clients = cli.run(["clients", "--connection", "share", "--json"]);
    expect(await clients.code).toBe(0);
    const [answer] = clients.lines() as unknown as [{ gateways: { clients: Record<string, unknown>[] }[] }];
    const [client] = answer.gateways[0]?.clients ?? [];
    expect(client).toMatchObject({
      address: "127.0.0.1",
      origin: `http://127.0.0.1:${gateway}`,
      connections: ["share"],
      subscriptions: 1,
    });
    const people = cli.run(["clients", "--connection", "other"]);
    expect(await people.code).toBe(0);
    expect(people.out()).not.toContain(String(client?.["client"]));

    const end = cli.run(["clients", "close", String(client?.["client"]), "--reason", "moving"]);
    expect(await end.code).toBe(0);
    expect(await closed).toEqual([4400, "moving"]);
    const again = cli.run(["clients", "close", String(client?.["client"])]);
    expect(await again.code).toBe(77);
    expect(again.err()).toContain("no gateway has a client");

    const second = await open();
    const [now] = (await (async () => {
      const list = cli.run(["clients", "--json"]);
      await list.code;
      return list.lines();
    })()) as unknown as [{ gateways: { clients: { client: string }[] }[] }];
    const id = now.gateways[0]?.clients[0]?.client ?? "";
    expect(await cli.run(["clients", "close", id, "--for-good"]).code).toBe(0);
    expect(await second.closed).toEqual([4500, "ended by an operator"]);
  });

  it("says what is wrong with the question", async () => {
    expect(await cli.run(["clients", "close"]).code).toBe(2);
    expect(await cli.run(["clients", "end", "x"]).code).toBe(2);
    expect(await cli.run(["clients", "close", "x", "--reason", "ü".repeat(61)]).code).toBe(2);
  });
});

it("ends well", async () => {
  expect(existsSync(join(cli.folder, "taken"))).toBe(true);
  up.child.kill("SIGTERM");
  expect(await up.code).toBe(0);
});
