import { afterEach, describe, expect, it } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { waitFor } from "../../../src/base/async.ts";
import { Command } from "../../../src/codec/header.ts";
import { decodeIoctlRequest, encodeIoctlResponse } from "../../../src/codec/msg/ioctl.ts";
import { decodeSessionSetupRequest } from "../../../src/codec/msg/session-setup.ts";
import { encodeValidateNegotiateInfoResponse } from "../../../src/codec/msg/validate-negotiate-info.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import { type Script, ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { poolOn } from "./scripted-fixture.ts";

const SOON = { deadlineMs: 5_000 };

describe("logging in", () => {
  let server: ScriptedServer;
  let pool: SmbPool;

  async function start(script: Script = {}, options: Partial<PoolOptions> = {}): Promise<void> {
    server = await ScriptedServer.start(script);
    pool = poolOn(server, options);
  }

  afterEach(async () => {
    await pool.close();
    await server.stop();
    expect(server.violations).toEqual([]);
  });

  it("tries refused credentials once, and again only when they are replaced", async () => {
    await start({ password: "something else" });
    await expect(waitFor(pool.ready(), SOON)).rejects.toMatchObject({
      code: "SMB_CREDENTIALS",
      status: NtStatus.LOGON_FAILURE,
    });
    for (let attempt = 0; attempt < 20; attempt++) {
      await expect(pool.openDirectory("/dir")).rejects.toMatchObject({ code: "SMB_CREDENTIALS" });
    }
    expect(server.peers).toHaveLength(1);
    expect(pool.info().state).toBe("refused");

    pool.replaceAuth(createNtlmProvider({ username: server.user, password: "something else" }));
    await waitFor(pool.ready(), SOON);
    expect(server.peers).toHaveLength(2);
  });

  const impostors: Record<string, { script: Script; violation: string }> = {
    "a guest session": { script: { sessionFlags: 1, loginSignature: "zero" }, violation: "guest" },
    "an anonymous session": { script: { sessionFlags: 2, loginSignature: "zero" }, violation: "anonymous" },
    "a login without a signature": { script: { loginSignature: "zero" }, violation: "unsigned" },
    "a login with a wrong signature": { script: { loginSignature: "bad" }, violation: "bad-signature" },
    "a dialect never offered": { script: { dialect: 0x0302 }, violation: "policy" },
    "a server that does not sign": { script: { securityMode: 0 }, violation: "policy" },
  };
  for (const [name, { script, violation }] of Object.entries(impostors)) {
    it(`refuses ${name}`, async () => {
      await start(script, { dialects: [0x0210, 0x0311] });
      await expect(waitFor(pool.stat("/"), SOON)).rejects.toMatchObject({
        code: "SMB_NOT_SENT",
        cause: { code: "SMB_SECURITY", violation },
      });
      // It is a matter of configuration: no hammering.
      await expect(pool.stat("/")).rejects.toMatchObject({ code: "SMB_NOT_SENT" });
      expect(server.peers).toHaveLength(1);
    });
  }

  it("speaks in the clear to a server that offers no signing, where that is allowed", async () => {
    await start({ securityMode: 0, dialect: 0x0210 }, { signing: "if-offered", dialects: [0x0210] });
    await waitFor(pool.ready(), SOON);
    expect(pool.info().server?.signing.active).toBe(false);
    expect(server.peer.requests.every(({ header }) => (header.flags & 8) === 0)).toBe(true);
  });

  it("uses encryption where the session demands it, and refuses where it is switched off", async () => {
    await start({ cipher: "aes-256-gcm", sessionFlags: 4 });
    await waitFor(pool.ready(), SOON);
    expect(pool.info().server?.encryption).toEqual({ active: true, cipher: "aes-256-gcm" });
    expect(server.peer.requests.at(-1)).toMatchObject({
      sealed: true,
      header: { command: Command.TREE_CONNECT },
    });
    await pool.close();

    server.script = { sessionFlags: 4 };
    pool = poolOn(server, { encryption: "off" });
    await expect(waitFor(pool.stat("/"), SOON)).rejects.toMatchObject({ cause: { violation: "policy" } });
  });

  it("encrypts the whole session once the share demands it", async () => {
    await start({ cipher: "aes-128-gcm", shareFlags: 0x8000 });
    const handle = await pool.openDirectory("/dir");
    const notify = handle.arm({ recursive: false, filter: 1 });
    expect(await notify.accepted).toBe(true);
    server.peer.notify([{ action: 1, fileName: "secret" }]);
    expect(await waitFor(notify.outcome, SOON)).toMatchObject({ records: [{ name: "secret" }] });
    await handle.close();
    const plain = server.peer.requests.filter(({ sealed }) => !sealed).map(({ header }) => header.command);
    expect(plain).toEqual([
      Command.NEGOTIATE,
      Command.SESSION_SETUP,
      Command.SESSION_SETUP,
      Command.TREE_CONNECT,
    ]);
  });

  it("checks the negotiation of SMB 3.0 under signature", async () => {
    await start({ dialect: 0x0302 }, { dialects: [0x0210, 0x0300, 0x0302] });
    await waitFor(pool.ready(), SOON);
    expect(server.peer.count(Command.IOCTL)).toBe(1);
  });

  it("refuses a negotiation that was changed on its way", async () => {
    await start(
      {
        dialect: 0x0210,
        on: ({ header, message }) => {
          if (header.command !== Command.IOCTL) return undefined;
          const { ctlCode, fileId } = decodeIoctlRequest(message);
          // The server had wanted 3.0.2; someone in between wrote 2.1.
          const output = encodeValidateNegotiateInfoResponse({
            capabilities: 4,
            guid: new Uint8Array(16).fill(0x53),
            securityMode: 1,
            dialect: 0x0302,
          });
          return { body: encodeIoctlResponse({ ctlCode, fileId, output }) };
        },
      },
      { dialects: [0x0210, 0x0300, 0x0302] },
    );
    await expect(waitFor(pool.stat("/"), SOON)).rejects.toMatchObject({ cause: { violation: "downgrade" } });
  });

  it("accepts a signed refusal of that check from a 2.x server only", async () => {
    const on: Script["on"] = ({ header }) =>
      header.command === Command.IOCTL ? { status: NtStatus.INVALID_DEVICE_REQUEST } : undefined;
    await start({ dialect: 0x0210, on }, { dialects: [0x0210, 0x0302] });
    await waitFor(pool.ready(), SOON);
    await pool.close();
    server.script = { dialect: 0x0302, on };
    pool = poolOn(server, { dialects: [0x0210, 0x0302] });
    await expect(waitFor(pool.stat("/"), SOON)).rejects.toMatchObject({ cause: { violation: "downgrade" } });
  });

  it("comes back by itself, and names the session it has lost", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    const notify = handle.arm({ recursive: false, filter: 1 });
    await notify.accepted;
    const lost = server.peers.map((peer) => peer.sessionId);
    for (const peer of [...server.peers]) peer.hangUp();
    expect(await waitFor(notify.outcome, SOON)).toMatchObject({
      type: "failed",
      error: { code: "SMB_CONNECTION" },
    });
    await expect(pool.openDirectory("/dir")).rejects.toMatchObject({ retryable: true });
    await waitFor(pool.ready(), SOON);
    const again = await pool.openDirectory("/dir");
    expect(await again.arm({ recursive: false, filter: 1 }).accepted).toBe(true);
    const previous = server.peers.slice(2).map((peer) => {
      const setup = peer.requests.find(({ header }) => header.command === Command.SESSION_SETUP);
      return setup === undefined ? 0n : decodeSessionSetupRequest(setup.message).previousSessionId;
    });
    expect(previous.toSorted()).toEqual(lost.toSorted());
  });

  it("pauses between logins to a server that hangs up at once", async () => {
    await start(
      {
        on: (_request, peer) => {
          peer.hangUp();
          return "silence";
        },
      },
      { backoff: { initialMs: 200, random: () => 1 } },
    );
    await expect(waitFor(pool.stat("/"), SOON)).rejects.toMatchObject({ code: "SMB_NOT_SENT" });
    await expect(pool.stat("/")).rejects.toMatchObject({ code: "SMB_NOT_SENT" });
    expect(server.peers).toHaveLength(1);
  });

  it("gives each connection a ClientGuid of its own", async () => {
    await start();
    const guids: string[] = [];
    server.script = {
      on: ({ header, message }) => {
        if (header.command === Command.NEGOTIATE)
          guids.push(Buffer.from(message.slice(76, 92)).toString("hex"));
        return undefined;
      },
    };
    await pool.openDirectory("/dir");
    expect(new Set(guids).size).toBe(2);
  });

  it("says goodbye: TREE_DISCONNECT and LOGOFF on every connection", async () => {
    await start();
    await pool.openDirectory("/dir");
    await pool.close();
    for (const peer of server.peers) {
      expect(peer.count(Command.TREE_DISCONNECT)).toBe(1);
      expect(peer.count(Command.LOGOFF)).toBe(1);
    }
  });

  it("does not wait longer than allowed for a goodbye", async () => {
    await start({}, { timeouts: { closeMs: 50 } });
    await pool.ready();
    server.peer.fallSilent();
    await waitFor(pool.close(), { deadlineMs: 1_000 });
    await waitFor(pool.close(), { deadlineMs: 1_000 });
  });
});
