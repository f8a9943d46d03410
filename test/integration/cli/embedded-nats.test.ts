import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isAlive } from "../../../scripts/lab/workspace.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import { EmbeddedNats, findNatsServer } from "../../../src/cli/embedded-nats.ts";

let folder: string;
const running: EmbeddedNats[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-embedded-"));
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((nats) => nats.close()));
  rmSync(folder, { recursive: true, force: true });
});

async function start(onExit?: (reason: string) => void): Promise<EmbeddedNats> {
  const nats = await EmbeddedNats.start({
    env: process.env,
    dataDir: join(folder, "data"),
    ...(onExit === undefined ? {} : { onExit }),
  });
  running.push(nats);
  return nats;
}

describe("the private nats-server", () => {
  it("lets in who has the token, keeps its data, and ends with us", async () => {
    const nats = await start();
    expect(nats.url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
    expect(statSync(nats.tokenFile).mode & 0o777).toBe(0o600);
    const connect = () =>
      connectBroker({
        servers: [nats.url],
        name: "test",
        auth: { type: "token", tokenFile: nats.tokenFile },
      });
    const broker = await connect();
    await broker.watches.create("test", Buffer.from("kept"));
    await broker.close();
    await expect(
      connectBroker({ servers: [nats.url], name: "stranger", firstConnectMs: 2_000 }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^BROKER_(DENIED|UNAVAILABLE)$/),
    });
    const pid = nats.pid as number;
    await nats.close();
    expect(isAlive(pid)).toBe(false);

    const again = await start();
    expect(readFileSync(again.tokenFile, "utf8")).toBe(readFileSync(nats.tokenFile, "utf8"));
    const second = await connectBroker({
      servers: [again.url],
      name: "test",
      auth: { type: "token", tokenFile: again.tokenFile },
    });
    expect(Buffer.from((await second.watches.get("test"))?.value ?? []).toString()).toBe("kept");
    await second.close();
  });

  it("refuses data that another process uses", async () => {
    const nats = await start();
    // As if the holder were someone else who lives: the parent of this process.
    writeFileSync(join(nats.dataDir, "lock"), `${process.ppid}\n`);
    await expect(start()).rejects.toMatchObject({ code: "EMBEDDED_NATS", message: /in use by process/ });
  });

  it("ends the server that a killed owner left behind, before it takes the data over", async () => {
    const orphan = await start();
    const pid = orphan.pid as number;
    // As if its owner had been killed: a process number that nobody has.
    writeFileSync(join(orphan.dataDir, "lock"), `${2 ** 22 + 1}\n${pid}\n`);
    const next = await start();
    expect(isAlive(pid)).toBe(false);
    expect(isAlive(next.pid as number)).toBe(true);
  });

  it("says when it ends by itself", async () => {
    const exits: string[] = [];
    const nats = await start((reason) => exits.push(reason));
    process.kill(nats.pid as number, "SIGKILL");
    await vi.waitFor(() => expect(exits).toEqual(["nats-server was ended by SIGKILL"]), { timeout: 10_000 });
    await nats.close();
  });

  it("names the package where there is no server, and what a broken one said", async () => {
    expect(() => findNatsServer({ PATH: folder }, [])).toThrow(/apt install nats-server/);
    const broken = join(folder, "broken");
    writeFileSync(broken, "#!/bin/sh\necho no such thing >&2\nexit 3\n", { mode: 0o755 });
    await expect(
      EmbeddedNats.start({ env: { NATS_SERVER_BIN: broken }, dataDir: join(folder, "y") }),
    ).rejects.toThrow(/ended with status 3: no such thing/);
    await expect(
      EmbeddedNats.start({ env: { NATS_SERVER_BIN: join(folder, "none") }, dataDir: join(folder, "z") }),
    ).rejects.toThrow(/NATS_SERVER_BIN names .*none, which is not a program/);
  });

  it("gives up when told to", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(
      EmbeddedNats.start({ env: process.env, dataDir: join(folder, "data"), signal: stop.signal }),
    ).rejects.toMatchObject({ code: "ABORTED" });
    expect(() => statSync(join(folder, "data", "lock"))).toThrow();
  });
});
