import { afterEach, describe, expect, it } from "vitest";
import { waitFor } from "../../../src/base/async.ts";
import { Command } from "../../../src/codec/header.ts";
import { encodeChangeNotifyResponse } from "../../../src/codec/msg/change-notify.ts";
import { NtStatus } from "../../../src/codec/status.ts";
import type { SmbPool } from "../../../src/smb/pool/pool.ts";
import type { PoolOptions } from "../../../src/smb/pool/pool-options.ts";
import { type Script, ScriptedServer } from "../../support/servers/scripted-server/server.ts";
import { until } from "../../support/until.ts";
import { poolOn } from "./scripted-fixture.ts";

const ARM = { recursive: false, filter: 0x1f };
const SOON = { deadlineMs: 5_000 };

describe("CHANGE_NOTIFY on a server that does what it is told", () => {
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

  it("serves stacked requests first in, first out", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    const first = handle.arm(ARM);
    const second = handle.arm(ARM);
    await first.accepted;
    await second.accepted;
    server.peer.notify([{ action: 1, fileName: "a" }]);
    server.peer.notify([{ action: 2, fileName: "sub\\b" }]);
    expect(await waitFor(first.outcome, SOON)).toEqual({
      type: "records",
      doubtful: false,
      records: [{ action: 1, name: "a" }],
    });
    expect(await waitFor(second.outcome, SOON)).toEqual({
      type: "records",
      doubtful: false,
      records: [{ action: 2, name: "sub/b" }],
    });
  });

  it("tells lost buffers in all their forms", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    const forms = [
      { status: NtStatus.NOTIFY_ENUM_DIR },
      { status: NtStatus.NOTIFY_ENUM_DIR, body: encodeChangeNotifyResponse(new Uint8Array(0)) },
      { status: NtStatus.SUCCESS, body: encodeChangeNotifyResponse(new Uint8Array(0)) },
      [{ action: 1, fileName: ".." }],
    ];
    for (const form of forms) {
      const notify = handle.arm(ARM);
      await notify.accepted;
      server.peer.notify(form);
      expect(await waitFor(notify.outcome, SOON)).toEqual({ type: "overflow" });
    }
  });

  it("survives a storm of lost buffers", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    for (let round = 0; round < 500; round++) {
      const notify = handle.arm(ARM);
      await notify.accepted;
      server.peer.notify({ status: NtStatus.NOTIFY_ENUM_DIR });
      expect(await notify.outcome).toEqual({ type: "overflow" });
    }
    expect(server.peer.count(Command.CHANGE_NOTIFY)).toBe(500);
  });

  it("tells the server's clean-up from its own cancelling and closing", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    const dropped = handle.arm(ARM);
    await dropped.accepted;
    server.peer.notify({ status: NtStatus.NOTIFY_CLEANUP });
    expect(await waitFor(dropped.outcome, SOON)).toEqual({ type: "cleanup" });

    const cancelled = handle.arm(ARM);
    await cancelled.accepted;
    cancelled.cancel();
    expect(await waitFor(cancelled.outcome, SOON)).toEqual({ type: "cancelled" });

    const closed = handle.arm(ARM);
    await closed.accepted;
    await handle.close();
    expect(await waitFor(closed.outcome, SOON)).toEqual({ type: "cancelled" });
    expect(await handle.arm(ARM).accepted).toBe(false);
  });

  it("cancels by MessageId before the interim response and by AsyncId after it", async () => {
    let hold = true;
    await start({
      on: ({ header }) => (hold && header.command === Command.CHANGE_NOTIFY ? "silence" : undefined),
    });
    const handle = await pool.openDirectory("/dir");
    const early = handle.arm(ARM);
    await until("the request", () => server.peer.count(Command.CHANGE_NOTIFY) === 1);
    early.cancel();
    await until("the CANCEL", () => server.peer.count(Command.CANCEL) === 1);
    hold = false;
    const late = handle.arm(ARM);
    await late.accepted;
    const { asyncId } = server.peer.pending[0] ?? { asyncId: -1n };
    late.cancel();
    expect(await waitFor(late.outcome, SOON)).toEqual({ type: "cancelled" });

    const [sync, async_] = server.peer.requests.filter(({ header }) => header.command === Command.CANCEL);
    expect(sync?.header).toMatchObject({ flags: 8, asyncId: 0n, credits: 0 });
    expect(async_?.header).toMatchObject({ flags: 10, asyncId });
  });

  it.each([
    ["keeps the request", "silence"],
    ["says that it cannot", { status: NtStatus.ACCESS_DENIED, credits: 0 }],
  ] as const)(
    "hears what is told to a request that a server does not cancel: one that %s",
    async (_what, reply) => {
      await start({ on: ({ header }) => (header.command === Command.CANCEL ? reply : undefined) });
      const handle = await pool.openDirectory("/dir");
      const old = handle.arm(ARM);
      await old.accepted;
      const fresh = handle.arm(ARM);
      await fresh.accepted;
      old.cancel();
      await until("the CANCEL", () => server.peer.count(Command.CANCEL) === 1);
      server.peer.notify([{ action: 1, fileName: "late" }]);
      expect(await waitFor(old.outcome, SOON)).toMatchObject({ records: [{ name: "late" }] });
      server.peer.notify([{ action: 1, fileName: "next" }]);
      expect(await waitFor(fresh.outcome, SOON)).toMatchObject({ records: [{ name: "next" }] });
    },
  );

  it("lives with a server that keeps one request for each handle and answers no other", async () => {
    await start(
      {
        on: ({ header }, peer) => {
          if (header.command === Command.CANCEL) return "silence";
          if (header.command === Command.CHANGE_NOTIFY || header.command === Command.CLOSE)
            peer.pending.length = 0;
          return undefined;
        },
      },
      { timeouts: { cancelMs: 100 } },
    );
    const handle = await pool.openDirectory("/dir");
    const first = handle.arm(ARM);
    await first.accepted;
    const second = handle.arm(ARM);
    await second.accepted;
    first.cancel();
    await new Promise((resolve) => setTimeout(resolve, 500));
    server.peer.notify([{ action: 1, fileName: "a" }]);
    expect(await waitFor(second.outcome, SOON)).toMatchObject({ records: [{ name: "a" }] });
    // Only the end of the handle ends what nobody answers.
    await handle.close();
    expect(await waitFor(first.outcome, SOON)).toEqual({ type: "cancelled" });
    expect((await pool.stat("/dir")).type).toBe("directory");
    expect(pool.info().connections).toBe(2);
  });

  it("names each refusal", async () => {
    await start();
    const handle = await pool.openDirectory("/dir");
    for (const status of [NtStatus.DELETE_PENDING, NtStatus.ACCESS_DENIED, NtStatus.NOT_SUPPORTED]) {
      const notify = handle.arm(ARM);
      await notify.accepted;
      server.peer.notify({ status });
      expect(await waitFor(notify.outcome, SOON)).toMatchObject({ type: "failed", error: { status } });
    }
  });

  it("halves and spills where slots are short", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `d${index}`);
    await start(
      { asyncSlots: 16, directories: Object.fromEntries(["", ...names].map((name) => [name, []])) },
      { watchesPerConnection: 40 },
    );
    const watch = async (name: string): Promise<void> => {
      for (let attempt = 0; attempt < 10; attempt++) {
        const handle = await pool.openDirectory(`/${name}`);
        const notify = handle.arm(ARM);
        if (await waitFor(notify.accepted, SOON)) return;
        await handle.close();
      }
      throw new Error(`${name} found no slot`);
    };
    await Promise.all(names.map(watch));
    const { watches, watchesPerConnection, connections } = pool.info();
    expect(watches).toBe(40);
    expect(watchesPerConnection).toBeLessThanOrEqual(16);
    expect(connections).toBeGreaterThanOrEqual(4);
    expect(connections).toBeLessThanOrEqual(8);
  });

  it("renews an expired session without losing what is armed", async () => {
    let expired = false;
    await start({
      on: ({ header }) => {
        if (header.command === Command.SESSION_SETUP) expired = false;
        const exempt = header.command === Command.SESSION_SETUP || header.command === Command.CLOSE;
        return expired && !exempt ? { status: NtStatus.NETWORK_SESSION_EXPIRED } : undefined;
      },
    });
    const handle = await pool.openDirectory("/dir");
    const before = handle.arm(ARM);
    await before.accepted;
    expired = true;
    const during = handle.arm(ARM);
    expect(await waitFor(during.accepted, SOON)).toBe(true);
    expired = true;
    expect((await pool.stat("/dir")).type).toBe("directory");
    const watching = server.peers.find((peer) => peer.pending.length > 0);
    watching?.notify([{ action: 1, fileName: "a" }]);
    watching?.notify([{ action: 1, fileName: "b" }]);
    expect(await waitFor(before.outcome, SOON)).toMatchObject({ records: [{ name: "a" }] });
    expect(await waitFor(during.outcome, SOON)).toMatchObject({ records: [{ name: "b" }] });
    expect(server.peers).toHaveLength(2);
  });
});
