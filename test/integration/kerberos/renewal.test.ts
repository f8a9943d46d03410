import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type KerberosLab, startKerberosLab } from "../../../scripts/lab/kerberos.ts";
import { freePort } from "../../../scripts/lab/workspace.ts";
import { AuthError } from "../../../src/auth/errors.ts";
import { createKerberosProvider } from "../../../src/auth/kerberos.ts";
import type { AuthProvider } from "../../../src/auth/provider.ts";
import { SmbClient } from "../../../src/share/smb-client.ts";
import type { StreamEvent } from "../../../src/share/watch-stream.ts";
import {
  type PoolFact,
  poolFacts,
  requestFacts,
  type SessionFact,
  sessionFacts,
} from "../../../src/smb/facts.ts";
import { disagreements, Mirror, type Truth } from "../../support/oracles/mirror.ts";
import { kerberosClient, kerberosSuite, useRealm, WITHOUT_KDC } from "../../support/servers/kerberos.ts";
import { until } from "../../support/until.ts";

const TICKET_SECONDS = 16;

/** Watches `/` of the lab's share, and keeps a mirror of it by the rules of the contract. */
class Watching {
  readonly events: StreamEvent[] = [];
  readonly mirror: Mirror;
  readonly #client: SmbClient;
  readonly #path: string;
  readonly #ended: Promise<void>;
  readonly #stream;
  #changes = 0;

  constructor(client: SmbClient, path: string) {
    this.#client = client;
    this.#path = path;
    this.mirror = new Mirror({
      path: "/",
      recursive: false,
      now: () => this.#changes,
      list: async () =>
        (await readdir(path, { withFileTypes: true })).map((entry) => ({
          name: entry.name,
          directory: entry.isDirectory(),
        })),
    });
    this.#stream = client.watch("/");
    this.#ended = this.#run();
  }

  /** One random change of the share. */
  change(): void {
    const n = this.#changes++;
    const file = join(this.#path, `f${n % 7}`);
    if (n % 5 === 3) rmSync(file, { force: true });
    else if (n % 5 === 4) writeFileSync(join(this.#path, `g${n}`), "x");
    else writeFileSync(file, String(n));
    if (n % 11 === 10)
      renameSync(join(this.#path, `g${n - (n % 5 === 4 ? 0 : (n % 5) + 1)}`), join(this.#path, `h${n}`));
  }

  async wrong(): Promise<string[]> {
    await this.mirror.idle();
    const truth = new Map<string, Truth>();
    for (const entry of await readdir(this.#path, { withFileTypes: true })) {
      truth.set(`/${entry.name}`, { directory: entry.isDirectory(), changedAt: 0 });
    }
    return disagreements(this.mirror, truth);
  }

  async close(): Promise<void> {
    await this.#stream.return();
    await this.#ended;
    await this.#client.close();
  }

  async #run(): Promise<void> {
    for await (const event of this.#stream) {
      this.events.push(event);
      if (event.type === "live") this.mirror.start();
      else this.mirror.apply(event);
    }
  }
}

describe.skipIf(WITHOUT_KDC !== undefined)(kerberosSuite("tickets that end"), () => {
  let lab: KerberosLab;
  const sessions: SessionFact[] = [];
  const pools: PoolFact[] = [];
  const stops: (() => void)[] = [];

  beforeAll(async () => {
    lab = await startKerberosLab({ ticketSeconds: TICKET_SECONDS, clockSkew: 1 });
    useRealm(lab.kdc);
  });
  beforeEach(() => {
    sessions.length = 0;
    pools.length = 0;
    stops.push(
      sessionFacts.subscribe((fact) => sessions.push(fact)),
      poolFacts.subscribe((fact) => pools.push(fact)),
    );
  });
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });
  afterAll(() => lab?.stop());

  it("are renewed on the same session, under an armed watch that misses nothing", async () => {
    const { kdc, samba, user } = lab;
    const options = kerberosClient(lab, { principal: user, keytab: await kdc.keytab(user) });
    const watching = new Watching(await SmbClient.connect(options), samba.path());
    await until("live", () => watching.events.length > 0);
    // By then the watch has looked twice: what changes before may have come and gone unheard, and is asked to be listed.
    await until("the first renewals", () => sessions.filter(({ type }) => type === "renewed").length >= 2);
    const end = Date.now() + 2.6 * TICKET_SECONDS * 1_000;
    while (Date.now() < end) {
      watching.change();
      await delay(40 + Math.random() * 400);
    }
    await until("the picture to be true", async () => (await watching.wrong()).length === 0);
    const renewals = sessions.filter(({ type }) => type === "renewed");
    // Three tickets' worth on each of two connections: the one for listings, and the one with the watch.
    expect(new Set(renewals.map(({ id }) => id)).size).toBe(2);
    expect(renewals.length).toBeGreaterThanOrEqual(6);
    expect(sessions.filter(({ type }) => type !== "renewed")).toEqual([]);
    expect(pools.filter(({ type }) => type === "lost")).toEqual([]);
    expect(watching.mirror.resyncs).toBe(0);
    const vias = watching.events.flatMap((event) => (event.type === "changes" ? [event.via] : [event.type]));
    expect(new Set(vias)).toEqual(new Set(["live", "notify"]));
    await watching.close();
  }, 90_000);

  it("while no KDC answers are fetched at once when one does", async () => {
    const { kdc, user, spnHost } = lab;
    const provider = createKerberosProvider({ principal: user, keytab: await kdc.keytab(user), spnHost });
    const ask = async (): Promise<string> => {
      const exchange = provider.begin({ host: spnHost, serverToken: new Uint8Array(0) });
      try {
        await exchange.next(undefined, { final: false });
        return "a ticket";
      } catch (error) {
        return error instanceof AuthError ? error.code : String(error);
      } finally {
        exchange.close();
      }
    };
    const began = Date.now();
    const at = (part: number): Promise<void> => delay(began + part * TICKET_SECONDS * 1_000 - Date.now());
    try {
      expect(await ask()).toBe("a ticket");
      // It would be fetched anew from the half of its time on.
      await at(0.6);
      process.env["KRB5_CONFIG"] = kdc.writeConfig("away.conf", { port: await freePort() });
      expect(await ask()).toBe("a ticket");
      await at(1.2);
      const away = await ask();
      expect(["AUTH_KERBEROS_NO_TICKET", "AUTH_KERBEROS_UNREACHABLE"]).toContain(away);
    } finally {
      useRealm(kdc);
    }
    // By then MIT has not asked for half a minute, and may go on with the one that has run out.
    const back = [await ask(), await ask()];
    expect(["a ticket", "AUTH_KERBEROS_NO_TICKET"]).toContain(back[0]);
    expect(back[1]).toBe("a ticket");
  }, 60_000);

  it("are followed by others on the same session where nothing warned of their end", async () => {
    const { kdc, samba, user, spnHost } = lab;
    const provider = createKerberosProvider({ principal: user, keytab: await kdc.keytab(user), spnHost });
    const auth: AuthProvider = {
      mechanism: "kerberos",
      begin: (target) => Object.defineProperty(provider.begin(target), "expiresAt", { value: undefined }),
    };
    const refused = new Set<number>();
    stops.push(
      requestFacts.subscribe(({ id, outcome }) => {
        if (outcome === "STATUS_NETWORK_SESSION_EXPIRED") refused.add(id);
      }),
    );
    const client = await SmbClient.connect({ ...kerberosClient(lab, {}), auth });
    const watching = new Watching(client, samba.path());
    await until("live", () => watching.events.length > 0);
    // Both sockets: the one with the watch by asking anew, the one for listings by a compound.
    await until(
      "the end of both sessions",
      async () => {
        watching.change();
        await client.stat("/");
        return refused.size === 2;
      },
      { timeoutMs: 60_000 },
    );
    await until("new tickets", () => sessions.filter(({ type }) => type === "renewed").length === 2);
    await until("the picture to be true", async () => (await watching.wrong()).length === 0);
    expect(pools.filter(({ type }) => type === "lost")).toEqual([]);
    await watching.close();
  }, 90_000);

  it("outlive a KDC that is away for a while, as long as the ticket lasts", async () => {
    const { kdc, samba, user, password } = lab;
    // With a keytab the library goes on with the ticket it has; a password asks the KDC each time.
    const options = kerberosClient(lab, { principal: user, password });
    const watching = new Watching(await SmbClient.connect(options), samba.path());
    await until("live", () => watching.events.length > 0);
    await kdc.kill();
    try {
      await until("a renewal that fails", () => sessions.some(({ type }) => type === "renewal-failed"));
    } finally {
      await kdc.start();
    }
    await until("one that succeeds", () => sessions.some(({ type }) => type === "renewed"));
    watching.change();
    await until("the picture to be true", async () => (await watching.wrong()).length === 0);
    expect(pools.filter(({ type }) => type === "lost")).toEqual([]);
    expect(watching.mirror.resyncs).toBe(0);
    await watching.close();
  }, 90_000);

  it("of a cache that nobody fills end the watch's session, which says so and heals when it is filled", async () => {
    const { kdc, samba, user } = lab;
    const dead = await kdc.ccache(user, { seconds: 6 });
    const options = kerberosClient(lab, { ccache: dead });
    const watching = new Watching(await SmbClient.connect(options), samba.path());
    await until("live", () => watching.events.length > 0);
    const told = await until(
      "a state that says why",
      () => watching.events.find((event) => event.type === "state" && event.state !== "live"),
      { timeoutMs: 60_000 },
    );
    expect(JSON.stringify(told)).toContain("run kinit");
    mkdirSync(join(samba.path(), "made-meanwhile"));
    await kdc.refill(dead, user);
    await until("the picture to be true", async () => (await watching.wrong()).length === 0, {
      timeoutMs: 60_000,
    });
    expect(watching.mirror.paths().has("/made-meanwhile")).toBe(true);
    await watching.close();
  }, 150_000);
});
