import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { startNats } from "../../scripts/lab/nats.ts";
import { freePort } from "../../scripts/lab/workspace.ts";
import { Scope } from "../../src/base/scope.ts";
import { MAIN, Program, type ProgramOptions } from "../support/processes/program.ts";
import { type MuteListener, startMuteListener } from "../support/servers/mute-listener.ts";
import { until } from "../support/until.ts";

/**
 * Somebody answers the phone and says nothing: a firewall that drops what follows the handshake, an address of
 * something else. No socket outlives its attempt, commands end in time, and SIGTERM ends a service with 0.
 */

/** A look at NATS is 10 s; starting a process here may take some more. */
const LOOK_MS = 40_000;
/** What SIGTERM may take where there is nothing to hand over. */
const TERM_MS = 8_000;

const scope = new Scope();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-mute-"));
  writeFileSync(join(folder, "password"), "x\n", { mode: 0o600 });
});
afterAll(async () => {
  await scope.close();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], options?: ProgramOptions): Program {
  const program = new Program(args, options);
  scope.defer(() => program.kill());
  return program;
}

async function mute(greeting?: string, port?: number): Promise<MuteListener> {
  return scope.use(await startMuteListener(greeting, port));
}

/** As a nats-server introduces itself. */
const INFO = `INFO {"server_id":"X","version":"2.11.0","proto":1,"headers":true,"max_payload":1048576}\r\n`;

const quick = (port: number): Record<string, string> => ({
  SMB2NATS_NATS_SERVERS: `nats://127.0.0.1:${port}`,
  SMB2NATS_NATS_CONNECT_TIMEOUT_MS: "500",
  SMB2NATS_HTTP_PORT: "0",
  SMB2NATS_GATEWAY_PORT: "0",
});

describe.concurrent("NATS that accepts and says nothing", () => {
  it.each([
    ["at all", ""],
    ["after its first line", INFO],
  ])(
    "... %s: status and watch end with 69, roles end with 0 at SIGTERM, one socket at a time",
    async (_what, greeting) => {
      const names = ["status", "watch", "worker", "gateway"] as const;
      const peers = await Promise.all(names.map(() => mute(greeting)));
      const [status, watch, worker, gateway] = names.map((name, i) =>
        start(name === "watch" ? [name, "nas1", "/"] : [name], { env: quick(peers[i]?.port ?? 0) }),
      ) as [Program, Program, Program, Program];
      for (const i of [2, 3]) {
        await until("the third attempt", () => (peers[i]?.accepted ?? 0) >= 3, { timeoutMs: 30_000 });
        expect(peers[i]?.open, names[i]).toBeLessThanOrEqual(1);
      }
      worker.child.kill("SIGTERM");
      gateway.child.kill("SIGTERM");
      expect(await Promise.all([worker.end(TERM_MS), gateway.end(TERM_MS)])).toEqual([0, 0]);
      expect(worker.stderr).toContain("everything is closed");
      expect(await Promise.all([status.end(LOOK_MS), watch.end(LOOK_MS)])).toEqual([69, 69]);
      expect(status.stderr).toMatch(/timeout|no answer/);
      expect(peers.map(({ open }) => open)).toEqual([0, 0, 0, 0]);
    },
  );

  it("... when it comes back after an outage: SIGTERM ends with 0, one socket at a time", async () => {
    const nats = await startNats();
    let worker: Program;
    try {
      worker = start(["worker"], { env: quick(nats.port) });
      await worker.said("service.ready");
    } finally {
      await nats.stop();
    }
    const peer = await mute("", nats.port);
    await until("the third attempt", () => peer.accepted >= 3, { timeoutMs: 30_000 });
    expect(peer.open).toBeLessThanOrEqual(1);
    worker.child.kill("SIGTERM");
    expect(await worker.end(TERM_MS)).toBe(0);
  });
});

describe.concurrent("names that nobody resolves", () => {
  it("a look-up that never ends holds up neither the error nor the end", async () => {
    const preload = join(folder, "mute-dns.mjs");
    // getaddrinfo cannot be called back: the C library asks each mute server for its own time.
    writeFileSync(
      preload,
      `import dns from "node:dns";
      const { lookup } = dns;
      dns.lookup = (host, ...rest) =>
        host === "nobody.example.org" ? void setInterval(() => {}, 1e6) : lookup(host, ...rest);`,
    );
    const options: ProgramOptions = {
      env: { ...quick(1), SMB2NATS_NATS_SERVERS: "nats://nobody.example.org:4222" },
      execArgv: ["--import", preload],
    };
    const env = { SMB2NATS_PASSWORD_FILE: join(folder, "password") };
    const share = ["tail", "//nobody.example.org/media", "--username", "ann"];
    const [status, worker, tail] = [
      start(["status"], options),
      start(["worker"], options),
      start(share, { ...options, env }),
    ];
    await worker.said("nats.error", 50_000);
    worker.child.kill("SIGTERM");
    expect(await worker.end(TERM_MS)).toBe(0);
    expect(await Promise.all([status.end(LOOK_MS), tail.end(LOOK_MS)])).toEqual([69, 69]);
  });
});

describe.concurrent("others that accept and say nothing", () => {
  it("an issuer of keys: one socket at a time, and SIGTERM ends the gateway with 0", async () => {
    const peer = await mute();
    const nats = await startNats();
    try {
      const gateway = start(["gateway"], {
        env: {
          ...quick(nats.port),
          SMB2NATS_GATEWAY_AUTH_MODE: "jwt",
          SMB2NATS_GATEWAY_AUTH_JWKS_URL: `http://127.0.0.1:${peer.port}/keys`,
        },
      });
      await gateway.said("service.ready");
      await until("the second fetch", () => peer.accepted >= 2, { timeoutMs: 30_000 });
      expect(peer.open).toBeLessThanOrEqual(1);
      gateway.child.kill("SIGTERM");
      expect(await gateway.end(TERM_MS)).toBe(0);
      expect(peer.open).toBe(0);
    } finally {
      await nats.stop();
    }
  });
});

/** Status of a handshake's answer; `open` where it was upgraded. */
async function handshake(port: number, token: string): Promise<number | "open" | "cut"> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, {
    headers: { authorization: `Bearer ${token}` },
  });
  scope.defer(() => socket.terminate());
  return new Promise((resolve) => {
    socket.on("unexpected-response", (request, response) => {
      resolve(response.statusCode ?? 0);
      request.destroy();
    });
    socket.on("open", () => resolve("open"));
    socket.on("error", () => resolve("cut"));
  });
}

describe.concurrent("an application that accepts and says nothing", () => {
  it.each([
    ["asked for rights: 503 in time", "ASK", 503],
    ["relayed: its clients are served all the same", "UPSTREAM", "open"],
  ] as const)("... %s, no socket left, SIGTERM ends the gateway with 0", async (_what, which, answer) => {
    const peer = await mute();
    const nats = await startNats();
    try {
      const port = await freePort();
      const url = `127.0.0.1:${peer.port}/`;
      const gateway = start(["gateway"], {
        env: {
          ...quick(nats.port),
          SMB2NATS_GATEWAY_PORT: String(port),
          ...(which === "UPSTREAM"
            ? { SMB2NATS_GATEWAY_UPSTREAM_URL: `ws://${url}`, SMB2NATS_GATEWAY_UPSTREAM_TIMEOUT_MS: "500" }
            : {
                SMB2NATS_GATEWAY_AUTH_MODE: "ask",
                SMB2NATS_GATEWAY_AUTH_ASK_URL: `http://${url}`,
                SMB2NATS_GATEWAY_AUTH_ASK_TIMEOUT_MS: "500",
              }),
        },
      });
      await gateway.said("service.ready");
      expect(await handshake(port, "one")).toBe(answer);
      await until("its sockets' end", () => peer.accepted > 0 && peer.open === 0, { timeoutMs: 10_000 });
      // And with a question under way.
      const asked = peer.accepted;
      void handshake(port, "two");
      await until("the next dial", () => peer.accepted > asked, { timeoutMs: 30_000 });
      expect(peer.open).toBeLessThanOrEqual(2);
      gateway.child.kill("SIGTERM");
      expect(await gateway.end(TERM_MS)).toBe(0);
      expect(peer.open).toBe(0);
    } finally {
      await nats.stop();
    }
  });
});

describe.concurrent("commands that meet somebody who accepts and says nothing", () => {
  it("end with 69 and say so, each in its time, with no socket left", async () => {
    const file = join(folder, "password");
    const commands: [(port: number) => string[], status: number, words: RegExp][] = [
      [
        (port) => ["check", "--gateway", `ws://127.0.0.1:${port}/ws`, "--timeout", "1"],
        69,
        /timed out|no answer/,
      ],
      [
        (port) =>
          `connections import --from sambee --url http://127.0.0.1:${port} --token-file ${file}`.split(" "),
        69,
        /cannot be read/,
      ],
      [(port) => ["check", `//127.0.0.1:${port}/media`, "--username", "ann"], 69, /127\.0\.0\.1/],
      [(port) => ["tail", `//127.0.0.1:${port}/media`, "--username", "ann"], 69, /127\.0\.0\.1/],
      [() => ["health"], 69, /readyz/],
    ];
    await Promise.all(
      commands.map(async ([args, status, words]) => {
        const peer = await mute();
        const line = args(peer.port);
        const program = start(line, {
          env: { SMB2NATS_PASSWORD_FILE: file, SMB2NATS_HTTP_PORT: String(peer.port) },
        });
        expect(await program.end(LOOK_MS), `${line}\n${program.stderr}`).toBe(status);
        expect(program.stdout + program.stderr).toMatch(words);
        await until("its socket's end", () => peer.open === 0, { timeoutMs: 2_000 });
        expect(peer.accepted).toBeGreaterThan(0);
      }),
    );
  });
});

describe.concurrent("a log that takes no more", () => {
  it("a full disk behind standard error: SIGTERM ends a role with 0", async () => {
    // Lines that cannot be written must not be tried for ever at the end.
    const full = openSync("/dev/full", "w");
    const env = { ...quick(1), PATH: process.env["PATH"] ?? "", SMB2NATS_LOG_FORMAT: "json" };
    const child = spawn(process.execPath, [MAIN, "worker"], { stdio: ["ignore", "ignore", full], env });
    scope.defer(() => void child.kill("SIGKILL"));
    const ended = once(child, "close");
    // It writes at once, and again when NATS cannot be reached.
    await delay(3_000);
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), TERM_MS);
    expect(await ended).toEqual([0, null]);
    clearTimeout(late);
  });
});
