import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { runProgram } from "../../../src/cli/program.ts";
import { Command, HeaderFlags } from "../../../src/codec/header.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { Share } from "../../../src/share/share.ts";
import { poolFacts } from "../../../src/smb/facts.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import type { WatchEvent } from "../../../src/watch/events.ts";
import { type Peer, type Script, ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { until } from "../../support/until.ts";
import { fakeTerminal } from "../../unit/cli/terminal.ts";
import { poolOn } from "../smb/scripted-fixture.ts";

const DIRECTORIES = { "": ["dir"], dir: ["a.txt"] };
const sentCompounds = (peers: readonly Peer[]): number =>
  peers.flatMap(({ requests }) => requests).filter(({ header }) => (header.flags & HeaderFlags.RELATED) !== 0)
    .length;

describe("a server that signs the parts of a compound before it pads them", () => {
  let server: ScriptedServer;
  let pool: SmbPool;

  afterEach(async () => {
    await pool.close();
    await server.stop();
    expect(server.violations).toEqual([]);
  });

  async function start(script: Script = {}, options: Partial<PoolOptions> = {}): Promise<void> {
    server = await ScriptedServer.start({ directories: DIRECTORIES, signsTooEarly: true, ...script });
    pool = poolOn(server, options);
  }

  async function names(path: "/dir" | "/"): Promise<string[]> {
    const found: string[] = [];
    for await (const page of pool.list(path)) found.push(...page.map(({ name }) => name));
    return found;
  }

  it("is asked once more without compounds, and never by one again", async () => {
    await start();
    const told: string[] = [];
    const unsubscribe = poolFacts.subscribe(({ type }) => void told.push(type));
    // All that are under way at the time.
    const [listed, info, handle] = await Promise.all([
      names("/dir"),
      pool.stat("/dir"),
      pool.openDirectory("/dir"),
    ]);
    unsubscribe();
    expect(listed).toEqual(["a.txt"]);
    expect(info.type).toBe("directory");
    expect(await handle.arm({ recursive: false, filter: 0x1f }).accepted).toBe(true);
    expect(told.filter((type) => type === "no-compounds")).toHaveLength(1);
    expect(told).not.toContain("dial-failed");
    expect(pool.info()).toMatchObject({ state: "connected", error: undefined });
    const before = sentCompounds(server.peers);
    const connections = server.peers.length;
    expect(await names("/")).toEqual(["dir"]);
    for (const peer of server.peers) peer.hangUp();
    await until("another connection", () => server.peers.length > connections);
    await pool.ready();
    expect(await names("/dir")).toEqual(["a.txt"]);
    expect(sentCompounds(server.peers)).toBe(before);
    expect(server.peers.length).toBeLessThanOrEqual(connections + 1);
  });

  it("is not tried with one where the configuration says so", async () => {
    await start({}, { compound: "off" });
    expect(await names("/dir")).toEqual(["a.txt"]);
    expect(sentCompounds(server.peers)).toBe(0);
    expect(server.peers).toHaveLength(1);
  });

  it("is left when it signs single answers wrongly, too", async () => {
    await start({
      on: ({ header }, peer) => {
        if (header.command !== Command.CREATE || (header.flags & HeaderFlags.RELATED) !== 0) return undefined;
        if (sentCompounds([peer]) > 0) return undefined;
        return { status: NtStatus.OBJECT_NAME_NOT_FOUND, signature: "bad" };
      },
    });
    await expect(names("/dir")).rejects.toMatchObject({ code: "SMB_SECURITY", violation: "bad-signature" });
    expect(server.peers.length).toBeLessThanOrEqual(3);
  });
});

describe("a server that accepts each notify, and refuses it later", () => {
  let server: ScriptedServer;

  /** FUSE-T's go-smb2 waits 5 s. */
  const refusing: Script = {
    directories: DIRECTORIES,
    on: ({ header }, peer) => {
      if (header.command === Command.CHANGE_NOTIFY) {
        setTimeout(() => {
          const waiting = peer.pending.find(({ header: { messageId } }) => messageId === header.messageId);
          if (waiting !== undefined && !peer.closed) peer.notify({ status: NtStatus.ACCESS_DENIED }, waiting);
        }, 100);
      }
      return undefined;
    },
  };

  afterEach(async () => {
    await server.stop();
  });

  it("is polled", async () => {
    server = await ScriptedServer.start(refusing);
    const share = new Share({
      smb: {
        host: server.host,
        port: server.port,
        share: "share",
        auth: createNtlmProvider({ username: server.user, password: server.password }),
      },
      watch: { cover: "directory", pollSeconds: 0.1 },
    });
    try {
      const told: WatchEvent[] = [];
      const watch = share.watches.watch({ path: "/dir", recursive: false }, (event) => told.push(event));
      await watch.live;
      await until("it is polled", () =>
        told.some((event) => event.type === "state" && event.mode === "poll"),
      );
      server.script = { ...refusing, directories: { ...DIRECTORIES, dir: ["a.txt", "b.txt"] } };
      await until("the change", () => told.some((event) => event.type === "changes"));
      expect(told.filter(({ type }) => type === "changes")).toMatchObject([
        { via: "poll", changes: [{ action: "added", name: "b.txt" }] },
      ]);
      expect(watch.state).toBe("live");
      expect(told.filter((event) => event.type === "state" && event.state !== "live")).toEqual([]);
    } finally {
      await share.close();
    }
  });

  it("is not said to notify by `check`", async () => {
    server = await ScriptedServer.start(refusing);
    const folder = mkdtempSync(join(tmpdir(), "smb2nats-check-"));
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, server.password, { mode: 0o600 });
    const { context, stdout } = fakeTerminal({ SMB2NATS_PASSWORD_FILE: passwordFile });
    const share = `//${server.host}:${server.port}/share`;
    const code = await runProgram(["check", share, "--username", server.user, "--json"], context);
    rmSync(folder, { recursive: true });
    expect(code).toBe(0);
    expect(JSON.parse(stdout.text)).toMatchObject({
      ok: true,
      notify: false,
      mode: "poll",
      recursion: "none",
    });
  });
});
