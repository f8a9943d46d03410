import { afterEach, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { StreamOptions } from "../../../src/broker/stream-config.ts";
import { openBroker } from "../../../src/cli/compose/broker.ts";
import { exitCodeOf } from "../../../src/cli/exit-codes.ts";
import { loadConfig } from "../../../src/ops/config/config.ts";

const MIB = 1_048_576;
let nats: Nats;
afterEach(() => nats?.stop());

/** A server with one account whose JetStream has these limits; the server itself has others. */
async function start(limits: string, server = ""): Promise<void> {
  nats = await startNats({
    config: [
      `accounts { APP: { users: [{ user: app, password: app }], jetstream: { ${limits} } } }`,
      "no_auth_user: app",
      server,
    ].join("\n"),
  });
}

const open = (env: Record<string, string> = {}, checkpoints = true) =>
  openBroker({
    nats: loadConfig({ env: { SMB2NATS_NATS_SERVERS: nats.url, ...env } }).config.nats,
    name: "test",
    firstConnectMs: 5_000,
    worker: { checkpoints },
  });

const sizes = async (env: Record<string, string> = {}): Promise<unknown> => {
  const broker = await open(env);
  await broker.close();
  return broker.differences;
};

const reason = async (attempt: Promise<unknown>): Promise<string> => {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(exitCodeOf(error)).toBe(78);
  return (error as Error).message;
};

describe("room in JetStream", () => {
  it("the defaults fit into 512 MiB, and a second start finds them as asked", async () => {
    await start("max_file: 512M");
    expect(await sizes()).toEqual([]);
    expect(await sizes()).toEqual([]);
  });

  it("names stream, size, limit and key, and starts with other sizes after a half-made start", async () => {
    await start("max_file: 300M");
    expect(await reason(open())).toBe(
      `no room for stream KV_SMB_WATCHES: ${64 * MIB} bytes wanted; the account has 300000000 bytes, and ours take ${256 * MIB}: insufficient storage resources available (10047). To start, lower nats.watches.maxBytes or nats.stream.maxBytes, or make room.`,
    );
    // The event stream is there, with the size of the first attempt, and unused.
    expect(
      await sizes({
        SMB2NATS_NATS_STREAM_MAX_BYTES: String(64 * MIB),
        SMB2NATS_NATS_WATCHES_MAX_BYTES: String(32 * MIB),
      }),
    ).toEqual([]);
  });

  it("leaves a stream alone in which anything was ever stored", async () => {
    await start("max_file: 300M");
    const streams: StreamOptions = { maxBytes: 200 * MIB, maxWatchesBytes: MIB, checkpoints: false };
    const broker = await connectBroker({ servers: [nats.url], name: "test", streams });
    await broker.link.request("smbin.nas1.x", new Uint8Array(1));
    await broker.close();
    const env = { SMB2NATS_NATS_STREAM_MAX_BYTES: String(MIB), SMB2NATS_NATS_WATCHES_MAX_BYTES: String(MIB) };
    expect(await reason(open(env))).toContain("no room for stream OBJ_SMB_CHECKPOINTS");
    const again = await open(env, false);
    await again.close();
    expect(again.differences).toEqual([
      { stream: "SMB", field: "max_bytes", expected: String(MIB), found: String(200 * MIB), fatal: false },
    ]);
  });

  it("says which limit of the account is in the way", async () => {
    await start("max_file: 1G, max_streams: 2");
    expect(await reason(open())).toBe(
      "no room for stream OBJ_SMB_CHECKPOINTS: 134217728 bytes wanted; the account takes 2 streams and has 2: maximum number of streams reached (10027). To start, raise its limit; worker.checkpointSeconds: 0 does without it.",
    );
    const broker = await open({}, false);
    expect(broker.checkpoints).toBeUndefined();
    await broker.close();
    await nats.stop();

    await start("max_file: 1G, disk_max_stream_bytes: 100M");
    expect(await reason(open())).toContain("the account takes streams of at most 100000000 bytes");
    expect(await reason(open())).toContain("lower nats.stream.maxBytes");
  });

  it("says where the server's own disk is the limit", async () => {
    nats = await startNats({ config: "jetstream { max_file_store: 100M }" });
    const said = await reason(open());
    expect(said).toContain("no room for stream SMB: 268435456 bytes wanted; the server has less left");
    expect(said).toContain("nats.stream.maxBytes");
  });

  it("refuses a second fleet under the first one's prefix, and starts it under its own", async () => {
    await start("max_file: 4G");
    await sizes();
    expect(await reason(open({ SMB2NATS_NATS_STREAM_NAME: "SECOND" }))).toContain(
      "another stream of this account takes smbin.>; a second fleet needs a subject prefix of its own",
    );
    const broker = await open({ SMB2NATS_NATS_SUBJECT_PREFIX: "berlin" });
    expect(broker.watches.name).toBe("BERLIN_WATCHES");
    await broker.close();
  });
});
