import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../../src/base/async.ts";
import { Command, HeaderFlags } from "../../../src/codec/header.ts";
import { encodeErrorResponse } from "../../../src/codec/msg/error-response.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import { connectionFacts } from "../../../src/smb/facts.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import { type Peer, type Script, ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { poolOn } from "./scripted-fixture.ts";

const ARM = { recursive: false, filter: 0x1f };
const SOON = { deadlineMs: 5_000 };

describe("a hostile or broken server", () => {
  let server: ScriptedServer;
  let pool: SmbPool;

  async function start(script: Script = {}, options: Partial<PoolOptions> = {}): Promise<void> {
    server = await ScriptedServer.start(script);
    pool = poolOn(server, options);
  }

  afterEach(async () => {
    await pool.close();
    await server.stop();
  });

  /** Arms, lets `attack` act on the connection, and returns the error that the armed notify ended with. */
  async function attacked(
    attack: (peer: Peer) => void,
    script: Script = {},
  ): Promise<Error & { code?: string }> {
    await start(script);
    const handle = await pool.openDirectory("/dir");
    const notify = handle.arm(ARM);
    await notify.accepted;
    attack(server.peer);
    const outcome = await waitFor(notify.outcome, SOON);
    expect(outcome.type).toBe("failed");
    expect(server.violations).toEqual([]);
    if (outcome.type !== "failed") throw new Error(outcome.type);
    // Whatever it was, the socket it came on is gone.
    expect(await waitFor(handle.lost, SOON)).toBe(outcome.error);
    return outcome.error;
  }

  const pendingOf = (peer: Peer) => {
    const [target] = peer.pending;
    if (target === undefined) throw new Error("nothing is pending");
    return target;
  };
  const frameOf = (...bytes: number[]): Uint8Array => new Uint8Array([0, 0, 0, bytes.length, ...bytes]);

  const attacks: Record<string, { attack: (peer: Peer) => void; code: string }> = {
    "an answer without a signature": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, status: NtStatus.NOTIFY_ENUM_DIR })], false, ["zero"]);
      },
      code: "SMB_SECURITY",
    },
    "an answer with a wrong signature": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, status: NtStatus.NOTIFY_ENUM_DIR })], false, ["bad"]);
      },
      code: "SMB_SECURITY",
    },
    "an unsigned word that the session is gone": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, status: NtStatus.USER_SESSION_DELETED })], false, ["zero"]);
      },
      code: "SMB_CONNECTION",
    },
    "an answer to a question never asked": {
      attack: (peer) => {
        const { header } = pendingOf(peer);
        peer.send([peer.build(header, { messageId: 40_000n })], false);
      },
      code: "SMB_PROTOCOL",
    },
    "an answer of another command": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, command: Command.READ })], false);
      },
      code: "SMB_PROTOCOL",
    },
    "an answer with another AsyncId": {
      attack: (peer) => {
        const { header } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId: 1n, status: NtStatus.NOTIFY_ENUM_DIR })], false);
      },
      code: "SMB_PROTOCOL",
    },
    "a synchronous answer after an interim one": {
      attack: (peer) => {
        const { header } = pendingOf(peer);
        peer.send([peer.build(header, { status: NtStatus.NOTIFY_ENUM_DIR })], false);
      },
      code: "SMB_PROTOCOL",
    },
    "a second interim response": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, status: NtStatus.PENDING })], false);
      },
      code: "SMB_PROTOCOL",
    },
    "more credits than there are": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        const reply = { asyncId, status: NtStatus.NOTIFY_ENUM_DIR, credits: 65_535 };
        peer.send([peer.build(header, reply)], false);
      },
      code: "SMB_PROTOCOL",
    },
    "a request": {
      attack: (peer) => {
        const message = peer.build(pendingOf(peer).header, {});
        message[16] = (message[16] ?? 0) & ~HeaderFlags.SERVER_TO_REDIR;
        peer.send([message], false);
      },
      code: "SMB_PROTOCOL",
    },
    "a signed answer whose body is cut short": {
      attack: (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send(
          [peer.build(header, { asyncId, body: new Uint8Array([9, 0, 72, 0, 255, 0, 0, 0]) })],
          false,
        );
      },
      code: "SMB_PROTOCOL",
    },
    "a compound that points outside itself": {
      attack: (peer) => {
        const message = peer.build(pendingOf(peer).header, { body: encodeErrorResponse() });
        new DataView(message.buffer).setUint32(20, 4_096, true);
        peer.send([message], false);
      },
      code: "SMB_PROTOCOL",
    },
    "an encrypted frame where no cipher was agreed on": {
      attack: (peer) => peer.raw(frameOf(0xfd, 0x53, 0x4d, 0x42, ...new Array<number>(60).fill(1))),
      code: "SMB_PROTOCOL",
    },
    "a compressed frame": {
      attack: (peer) => peer.raw(frameOf(0xfc, 0x53, 0x4d, 0x42, ...new Array<number>(60).fill(1))),
      code: "SMB_PROTOCOL",
    },
    "an SMB1 frame": {
      attack: (peer) => peer.raw(frameOf(0xff, 0x53, 0x4d, 0x42, ...new Array<number>(60).fill(0))),
      code: "SMB_PROTOCOL",
    },
    "an empty frame": { attack: (peer) => peer.raw(frameOf()), code: "SMB_PROTOCOL" },
    "a NetBIOS keepalive": {
      attack: (peer) => peer.raw(new Uint8Array([0x85, 0, 0, 0])),
      code: "SMB_PROTOCOL",
    },
    "a frame too long to be true": {
      attack: (peer) => peer.raw(new Uint8Array([0, 0xff, 0xff, 0xff])),
      code: "SMB_PROTOCOL",
    },
    "the end of the connection": { attack: (peer) => peer.hangUp(), code: "SMB_CONNECTION" },
  };
  for (const [name, { attack, code }] of Object.entries(attacks)) {
    it(`is left after ${name}`, async () => {
      expect(await attacked(attack)).toMatchObject({ code });
    });
  }

  it("is left after a plain answer to an encrypted request", async () => {
    const error = await attacked(
      (peer) => {
        const { header, asyncId } = pendingOf(peer);
        peer.send([peer.build(header, { asyncId, status: NtStatus.NOTIFY_ENUM_DIR })], false);
      },
      { cipher: "aes-128-gcm", sessionFlags: 4 },
    );
    expect(error).toMatchObject({ code: "SMB_SECURITY", violation: "unencrypted" });
  });

  it("may break oplocks that nobody holds", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    const notify = handle.arm(ARM);
    await notify.accepted;
    const reply = { command: Command.OPLOCK_BREAK, messageId: 0xffff_ffff_ffff_ffffn, credits: 0 };
    server.peer.send([server.peer.build(pendingOf(server.peer).header, reply)], false);
    server.peer.notify([{ action: 1, fileName: "after" }]);
    expect(await waitFor(notify.outcome, SOON)).toMatchObject({ type: "records" });
  });

  it("may cut its frames anywhere", async () => {
    await start({
      directories: { "": ["a", "b", "c"], dir: [] },
      chunks: (bytes) => Array.from(bytes, (byte) => new Uint8Array([byte])),
    });
    const names: string[] = [];
    for await (const page of pool.list("/")) names.push(...page.map((entry) => entry.name));
    expect(names).toEqual(["a", "b", "c"]);
    expect(server.violations).toEqual([]);
  });

  it("may grant one credit at a time", async () => {
    await start({ credits: () => 1, directories: { "": ["dir"], dir: [] } });
    const names: string[] = [];
    for await (const page of pool.list("/")) names.push(...page.map((entry) => entry.name));
    expect(names).toEqual(["dir"]);
    const handles = await Promise.all([1, 2, 3].map(() => pool.openDirectory("/dir")));
    expect(handles[0]?.info.fileId).toBe((await pool.stat("/dir")).fileId);
    const notifies = handles.map((handle) => handle.arm(ARM));
    expect(await Promise.all(notifies.map((notify) => notify.accepted))).toEqual([true, true, true]);
    expect(server.violations).toEqual([]);
  });

  it("is left when it grants no credits at all", async () => {
    await start(
      { credits: (asked, header) => (header.command < Command.CREATE ? asked : 0) },
      { creditTarget: 3 },
    );
    const tries = Array.from({ length: 8 }, () =>
      pool.stat("/dir").then(
        () => "found",
        (error) => error.code,
      ),
    );
    expect(await waitFor(Promise.all(tries), SOON)).toContain("SMB_CREDITS");
  });

  it("is noticed when it falls silent on a live socket", async () => {
    await start({}, { timeouts: { echoMs: 40, deadMs: 160 } });
    const states: string[] = [];
    const unsubscribe = connectionFacts.subscribe(({ to, error }) => states.push(error ? `${to}!` : to));
    try {
      const handle = await pool.openDirectory("/dir");
      const notify = handle.arm(ARM);
      await notify.accepted;
      const { peer } = server;
      peer.fallSilent();
      const outcome = await waitFor(notify.outcome, SOON);
      expect(outcome).toMatchObject({ type: "failed", error: { code: "SMB_TIMEOUT" } });
      expect(states).toContain("closed!");
    } finally {
      unsubscribe();
    }
  });

  it("is kept alive by ECHO for as long as it answers", async () => {
    await start({}, { timeouts: { echoMs: 30, deadMs: 120 } });
    await pool.ready();
    const { peer } = server;
    await waitFor(
      (async () => {
        while (peer.count(Command.ECHO) < 10) await new Promise((resolve) => setTimeout(resolve, 10));
      })(),
      SOON,
    );
    expect(server.peers).toHaveLength(1);
  });

  it("may forget a request: that one fails, and its late answer leaks no handle", async () => {
    let forget = true;
    const forgotten: (() => void)[] = [];
    await start(
      {
        on: (request, peer) => {
          if (!forget || request.header.command !== Command.CREATE) return undefined;
          forget = false;
          forgotten.push(() => peer.late(request));
          return "silence";
        },
      },
      { timeouts: { requestMs: 100 } },
    );
    await expect(pool.openDirectory("/dir")).rejects.toMatchObject({ code: "SMB_TIMEOUT" });
    forgotten[0]?.();
    const { peer } = server;
    await waitFor(
      (async () => {
        while (peer.count(Command.CLOSE) < 1) await new Promise((resolve) => setTimeout(resolve, 10));
      })(),
      SOON,
    );
    expect(peer.handles.size).toBe(0);
    expect(peer.closed).toBe(false);
  });

  it("does not hold a caller who has gone away", async () => {
    await start({ on: ({ header }) => (header.command === Command.CREATE ? "silence" : undefined) });
    await pool.ready();
    const gone = new AbortController();
    const open = pool.openDirectory("/dir", { signal: gone.signal });
    setTimeout(() => gone.abort(), 30);
    await expect(waitFor(open, SOON)).rejects.toMatchObject({ code: "ABORTED" });
  });
});
