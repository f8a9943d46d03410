import { getEventListeners, setMaxListeners } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Samba, startSamba } from "../../../scripts/lab/samba.ts";
import { startTcpProxy, type TcpProxy } from "../../../scripts/lab/tcp-proxy.ts";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { waitFor } from "../../../src/base/async.ts";
import { Share } from "../../../src/share/share.ts";
import { SmbPool } from "../../../src/smb/pool/pool.ts";
import { until } from "../../support/until.ts";

const CYCLES = 1_000;
const RECONNECTS = 200;
const AT_ONCE = 10;
const SOON = { deadlineMs: 20_000 };

describe("nothing is left behind", { timeout: 180_000 }, () => {
  let samba: Samba;
  let proxy: TcpProxy;
  const warnings: string[] = [];
  const onWarning = (warning: Error): number => warnings.push(String(warning));

  beforeAll(async () => {
    samba = await startSamba();
    proxy = await startTcpProxy({ port: samba.port });
    for (let i = 0; i < AT_ONCE; i++) mkdirSync(join(samba.path(), `d${i}`, "sub"), { recursive: true });
    process.on("warning", onWarning);
  });

  afterAll(async () => {
    process.off("warning", onWarning);
    await proxy.close();
    await samba.stop();
  });

  const smb = (): ConstructorParameters<typeof SmbPool>[0] => ({
    host: "127.0.0.1",
    port: proxy.port,
    share: "share",
    auth: createNtlmProvider({ username: samba.user, password: samba.password }),
    backoff: { initialMs: 1, maxMs: 20 },
  });

  /** Open handles, sessions and tree connections, as the server sees them. */
  async function serverSide(): Promise<Record<string, number>> {
    const status = await samba.status();
    return {
      sessions: status.match(/^\d+ .*\bSMB\d/gm)?.length ?? 0,
      trees: status.match(/^share +\d+/gm)?.length ?? 0,
      handles: status.match(/DENY_NONE|DENY_ALL/g)?.length ?? 0,
    };
  }

  /** What keeps this process busy, by kind: sockets, timers, immediates, … */
  function clientSide(): Record<string, number> {
    const counts: Record<string, number> = { connections: proxy.connections };
    // Only what our code makes: the test runner talks to its parent over pipes of its own.
    for (const kind of process.getActiveResourcesInfo()) {
      if (/^(TCPSocketWrap|TCPConnectWrap|Timeout|Immediate|GetAddrInfoReqWrap)$/.test(kind)) {
        counts[kind] = (counts[kind] ?? 0) + 1;
      }
    }
    return counts;
  }

  /** What there is more of than before: a timer of then may have done its work since. */
  function more(now: Record<string, number>, before: Record<string, number>): Record<string, number> {
    return Object.fromEntries(Object.entries(now).filter(([kind, count]) => count > (before[kind] ?? 0)));
  }

  /** Goodbyes are on their way for a moment. */
  async function backTo(before: object, now: () => object | Promise<object>): Promise<void> {
    const same = async (): Promise<boolean> => JSON.stringify(await now()) === JSON.stringify(before);
    await until("everything to be as before", same, { everyMs: 100 }).catch(() => undefined);
    expect(await now()).toEqual(before);
  }

  it(`after ${CYCLES} watches come and gone, trees of directories among them`, async () => {
    const share = new Share({ smb: smb() });
    const life = new AbortController();
    // Ten at once on one signal are meant here, not a leak.
    setMaxListeners(0, life.signal);
    try {
      // Holds the connections, so that what is compared is only what watches add.
      const base = share.watches.watch({ path: "/", recursive: false }, () => undefined);
      await waitFor(base.live, SOON);
      let next = 0;
      const cycles = async (count: number): Promise<void> => {
        next = 0;
        const one = async (lane: number): Promise<void> => {
          while (next < count) {
            const turn = next++;
            const path = `/d${lane}`;
            if (turn % 7 === 3) {
              // Given up before it is live.
              await share.watches.watch({ path, recursive: true }, () => undefined).close();
              continue;
            }
            const watch = share.watches.watch({ path, recursive: turn % 2 === 0 }, () => undefined);
            await waitFor(watch.live, { signal: life.signal, ...SOON });
            await share.stat(`${path}/sub`, { signal: life.signal });
            await watch.close();
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, (_, lane) => one(lane)));
      };
      await cycles(2 * AT_ONCE);
      await until("one handle", () => share.handles === 1 && share.info().watches === 1);
      const [client, server, info] = [clientSide(), await serverSide(), share.info()];
      expect(server).toEqual({ sessions: 2, trees: 2, handles: 1 });

      await cycles(CYCLES);
      await until("one handle", () => share.handles === 1);
      await backTo(info, () => share.info());
      await backTo(server, serverSide);
      await backTo({}, () => more(clientSide(), client));
      expect(getEventListeners(life.signal, "abort")).toHaveLength(0);
      await base.close();
    } finally {
      await share.close();
    }
    await backTo({ sessions: 0, trees: 0, handles: 0 }, serverSide);
    expect(proxy.connections).toBe(0);
    expect(warnings).toEqual([]);
  });

  it(`after ${RECONNECTS} lost connections`, async () => {
    const pool = new SmbPool(smb());
    const life = new AbortController();
    const { signal } = life;
    const options = { recursive: false, filter: 0x1f };
    /** Two stacked notifies, armed on a handle that is closed when both have ended. */
    const arm = async (): Promise<{ readonly ended: Promise<unknown> }> => {
      await pool.ready({ signal });
      const handle = await pool.openDirectory("/d0", { signal });
      const notifies = [handle.arm(options), handle.arm(options)];
      const ended = Promise.all(notifies.map(({ outcome }) => outcome)).then((outcomes) => {
        void handle.close();
        return outcomes.map(({ type }) => type);
      });
      for (const { accepted } of notifies) {
        if (!(await waitFor(accepted, { signal, ...SOON }))) throw new Error("not accepted");
      }
      return { ended };
    };
    const lose = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i++) {
        const { ended } = await until("a handle", arm, { everyMs: 2 });
        proxy.cut();
        expect(await waitFor(ended, SOON)).toEqual(["failed", "failed"]);
      }
      await until("a handle", arm, { everyMs: 2 });
    };
    try {
      await lose(3);
      await backTo({ sessions: 2, trees: 2, handles: 1 }, serverSide);
      const client = clientSide();
      await lose(RECONNECTS);
      await backTo({ sessions: 2, trees: 2, handles: 1 }, serverSide);
      await backTo({}, () => more(clientSide(), client));
      expect(getEventListeners(signal, "abort")).toHaveLength(0);
    } finally {
      await pool.close();
    }
    await backTo({ sessions: 0, trees: 0, handles: 0 }, serverSide);
    expect(proxy.connections).toBe(0);
    expect(warnings).toEqual([]);
  });
});
