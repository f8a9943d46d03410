import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import WebSocket from "ws";
import { type Samba, startSamba } from "../../scripts/lab/samba.ts";
import { startTcpProxy } from "../../scripts/lab/tcp-proxy.ts";
import { freePort } from "../../scripts/lab/workspace.ts";

const MAIN = join(import.meta.dirname, "../../dist/cli/main.js");
const soon = { timeout: 30_000, interval: 50 };

let samba: Samba;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-cli-"));
  samba = await startSamba();
  await samba.smbclient("mkdir docs");
});
afterEach(async () => {
  await Promise.all(
    children.splice(0).map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await gone;
    }),
  );
});
afterAll(async () => {
  await samba?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  readonly code: Promise<number | null>;
  out(): string;
  err(): string;
  lines(): Record<string, unknown>[];
}

function smb2nats(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      SMB2NATS_PASSWORD_FILE: samba.passwordFile,
      SMB2NATS_USERNAME: samba.user,
      SMB2NATS_DOMAIN: samba.domain,
      ...env,
    },
  });
  children.push(child);
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text.out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text.err += chunk;
  });
  const code = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    child,
    code,
    out: () => text.out,
    err: () => text.err,
    lines: () =>
      text.out
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const share = (path = "", port = samba.port): string => `//127.0.0.1:${port}/share${path}`;

describe("tail", () => {
  it("tells live, then changes made by another client, and ends well at Ctrl-C", async () => {
    const tail = smb2nats(["tail", share("/docs"), "--json"]);
    await vi.waitFor(() => expect(tail.lines()[0]).toMatchObject({ type: "live", path: "/docs" }), soon);
    await samba.smbclient("mkdir docs/a; rename docs/a docs/b; rmdir docs/b");
    const told = (): string[] =>
      tail
        .lines()
        .flatMap((line) => (line["changes"] as { action: string; name: string; oldName?: string }[]) ?? [])
        .map(({ action, name, oldName }) => `${action} ${oldName === undefined ? "" : `${oldName} `}${name}`);
    await vi.waitFor(() => {
      expect(told()).toEqual(expect.arrayContaining(["added a", "removed b"]));
      // A file server without air sends the halves of a rename too far apart to be taken for one.
      if (!told().includes("renamed a b")) {
        expect(told()).toEqual(expect.arrayContaining(["removed a", "added b"]));
      }
    }, soon);
    expect(tail.lines()[1]).toMatchObject({
      type: "changes",
      path: "/docs",
      via: "notify",
      time: expect.stringMatching(/Z$/),
    });
    tail.child.kill("SIGINT");
    expect(await tail.code).toBe(0);
    expect(tail.err()).toBe("");
  });

  it("says with --stat what can be read of an entry, to people and to programs", async () => {
    const people = smb2nats(["tail", share("/docs"), "--stat"]);
    const programs = smb2nats(["tail", share("/docs"), "--stat", "--json"]);
    await vi.waitFor(() => expect(programs.lines()[0]).toMatchObject({ type: "live" }), soon);
    await vi.waitFor(() => expect(people.err()).toContain("watching"), soon);
    writeFileSync(join(samba.path(), "docs", "five.txt"), "hello");
    // Whoever looks between the making and the writing finds it empty, and is told again.
    await vi.waitFor(
      () => expect(people.out()).toMatch(/ [+~] \/docs\/five\.txt {2}5 bytes, written 2/),
      soon,
    );
    await vi.waitFor(() => {
      const told = programs.lines().flatMap((line) => (line["changes"] as unknown[]) ?? []);
      expect(told).toContainEqual(expect.objectContaining({ name: "five.txt", type: "file", size: 5 }));
    }, soon);
    for (const { child, code } of [people, programs]) {
      child.kill("SIGINT");
      expect(await code).toBe(0);
    }
  });

  it("survives a cut: says so, comes back, and misses nothing", async () => {
    const proxy = await startTcpProxy({ port: samba.port });
    try {
      const tail = smb2nats(["tail", share("/docs", proxy.port), "--json"]);
      await vi.waitFor(() => expect(tail.lines()[0]).toMatchObject({ type: "live" }), soon);
      proxy.refuse(true);
      proxy.cut();
      await samba.smbclient("mkdir docs/while-away");
      await vi.waitFor(
        () => expect(tail.lines().some((line) => line["state"] === "unreachable")).toBe(true),
        soon,
      );
      proxy.refuse(false);
      await vi.waitFor(() => {
        const told = tail.lines();
        expect(JSON.stringify(told)).toMatch(/while-away|"resync"/);
        expect(told.at(-1)).toBeDefined();
        expect(told.some((line) => line["state"] === "live")).toBe(true);
      }, soon);
      tail.child.kill("SIGINT");
      expect(await tail.code).toBe(0);
    } finally {
      await proxy.close();
    }
  });

  it("tries a wrong password once and ends with 77", async () => {
    const wrong = join(folder, "wrong");
    writeFileSync(wrong, "not it\n", { mode: 0o600 });
    const proxy = await startTcpProxy({ port: samba.port, record: true });
    try {
      const tail = smb2nats(["tail", share("", proxy.port)], { SMB2NATS_PASSWORD_FILE: wrong });
      expect(await tail.code).toBe(77);
      expect(tail.err()).toMatch(/refused the login of .*STATUS_LOGON_FAILURE.*not tried again/);
      expect(tail.err()).not.toContain("not it\n");
      const sent = Buffer.concat(
        proxy.captured.filter(({ direction }) => direction === "out").map(({ data }) => data),
      );
      expect(sent.toString("latin1").split("NTLMSSP\0\u0003").length - 1).toBe(1);
    } finally {
      await proxy.close();
    }
  });

  it("says which part is not there", async () => {
    const path = smb2nats(["tail", share("/nowhere")]);
    expect([await path.code, path.err()]).toEqual([
      1,
      expect.stringContaining("/share/nowhere does not exist"),
    ]);
    const name = smb2nats(["tail", `//127.0.0.1:${samba.port}/nowhere`]);
    expect([await name.code, name.err()]).toEqual([
      1,
      expect.stringContaining("the server has no such share"),
    ]);
  });
});

describe("check", () => {
  it("says what the server can do and changes nothing", async () => {
    // Without the line on free blocks, which others change.
    const entries = async (): Promise<string[]> =>
      (await samba.smbclient("ls")).split("\n").filter((line) => !line.includes("blocks"));
    const before = await entries();
    const check = smb2nats(["check", share(), "--json"]);
    expect(await check.code).toBe(0);
    expect(check.lines()).toEqual([
      expect.objectContaining({
        ok: true,
        dialect: "3.1.1",
        server: "samba",
        notify: true,
        recursion: "partial",
        cover: "tree",
        mode: "notify",
        listing: expect.objectContaining({ complete: true }),
        findings: [],
      }),
    ]);
    expect(await entries()).toEqual(before);
  });

  it("goes on after a connection that fails, and ends with its status", async () => {
    const port = await freePort();
    const check = smb2nats(["check", "--json"], {
      SMB2NATS_CONNECTIONS: JSON.stringify({
        away: { server: `127.0.0.1:${port}`, share: "share" },
        here: { server: `127.0.0.1:${samba.port}`, share: "share" },
      }),
    });
    expect(await check.code).toBe(69);
    expect(check.lines().map((line) => [line["connection"], line["ok"]])).toEqual([
      ["away", false],
      ["here", true],
    ]);
  });
});

describe("up", () => {
  it("is everything in one process: share to WebSocket, status, watch, health, clean end", async () => {
    const gateway = await freePort();
    const http = await freePort();
    const ports = { SMB2NATS_GATEWAY_PORT: String(gateway), SMB2NATS_HTTP_PORT: String(http) };
    const up = smb2nats(["up", share()], { ...ports, XDG_STATE_HOME: join(folder, "state") });
    await vi.waitFor(() => expect(up.err()).toContain("Watching. Live page:"), soon);
    expect(await smb2nats(["health"], ports).code).toBe(0);

    const socket = new WebSocket(`ws://127.0.0.1:${gateway}/ws`);
    const frames: Record<string, unknown>[] = [];
    socket.on("message", (data) => frames.push(JSON.parse(String(data)) as Record<string, unknown>));
    await new Promise((resolve) => socket.once("open", resolve));
    socket.send(JSON.stringify({ action: "subscribe", connection_id: "share", path: "/docs", id: 1 }));
    await vi.waitFor(
      () => expect(frames).toContainEqual(expect.objectContaining({ type: "subscribed" })),
      soon,
    );
    await samba.smbclient("mkdir docs/up");
    await vi.waitFor(
      () =>
        expect(frames).toContainEqual(expect.objectContaining({ type: "directory_changed", path: "/docs" })),
      soon,
    );

    const found = /SMB2NATS_NATS_SERVERS=(\S+) SMB2NATS_NATS_TOKEN_FILE=(\S+)/.exec(up.err());
    const nats = { SMB2NATS_NATS_SERVERS: found?.[1] ?? "", SMB2NATS_NATS_TOKEN_FILE: found?.[2] ?? "" };
    const status = smb2nats(["status", "--json"], nats);
    expect(await status.code).toBe(0);
    expect(status.lines()[0]).toMatchObject({
      holders: [{ kind: "gateway" }, { kind: "worker", claims: 1 }],
      watches: [{ connection: "share", path: "/docs", state: "live", mode: "notify" }],
    });
    const watch = smb2nats(["watch", "share", "/docs", "--json"], nats);
    await vi.waitFor(() => expect(watch.lines()[0]).toMatchObject({ type: "live" }), soon);
    await samba.smbclient("rmdir docs/up");
    await vi.waitFor(
      () => expect(watch.lines()).toContainEqual(expect.objectContaining({ type: "changes", path: "/docs" })),
      soon,
    );
    watch.child.kill("SIGINT");
    expect(await watch.code).toBe(0);

    await samba.smbclient("mkdir docs/kept");
    const mirror = smb2nats(["watch", "share", "/docs", "--mirror", "--json"], nats);
    await vi.waitFor(
      () =>
        expect(mirror.lines()).toContainEqual(
          expect.objectContaining({
            type: "snapshot",
            directory: "/docs",
            entries: expect.arrayContaining([expect.objectContaining({ name: "kept" })]),
          }),
        ),
      soon,
    );
    await samba.smbclient("rename docs/kept docs/renamed");
    await vi.waitFor(
      () => expect(JSON.stringify(mirror.lines())).toMatch(/"type":"changes".*"name":"renamed"/),
      soon,
    );
    expect(mirror.lines().filter((line) => (line as { type?: unknown }).type === "snapshot").length).toBe(1);
    mirror.child.kill("SIGINT");
    expect(await mirror.code).toBe(0);

    const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
    expect(metrics).toMatch(
      /^smb2nats_changes_total\{connection="share",action="added",via="notify"\} \d+$/m,
    );
    up.child.kill("SIGTERM");
    expect(await up.code).toBe(0);
    socket.terminate();
    await expect(fetch(`http://127.0.0.1:${http}/healthz`)).rejects.toThrow();
    expect(await running("nats-server")).not.toContain(join(folder, "state"));
  });

  it("ends with 77 where the login is refused", async () => {
    const wrong = join(folder, "wrong-up");
    writeFileSync(wrong, "not it\n", { mode: 0o600 });
    const up = smb2nats(["up", share()], {
      SMB2NATS_PASSWORD_FILE: wrong,
      SMB2NATS_HTTP_PORT: "0",
      XDG_STATE_HOME: join(folder, "state-77"),
    });
    expect(await up.code).toBe(77);
    expect(up.err()).toContain("not tried again");
  });
});

/** Command lines of processes of that name. */
function running(name: string): Promise<string> {
  return new Promise((resolve) => {
    execFile("ps", ["-eo", "args"], (_error, stdout) => {
      resolve(
        stdout
          .split("\n")
          .filter((line) => line.includes(name))
          .join("\n"),
      );
    });
  });
}
