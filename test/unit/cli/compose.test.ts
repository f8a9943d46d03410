import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createNtlmProvider } from "../../../src/auth/ntlm.ts";
import { brokerOptions } from "../../../src/cli/compose/broker.ts";
import { countedWatch } from "../../../src/cli/compose/counted-watch.ts";
import { gatewayAuth } from "../../../src/cli/compose/gateway-role.ts";
import { pinnedOptions, pinsOf } from "../../../src/cli/compose/pinned-options.ts";
import { shareOptions } from "../../../src/cli/compose/share-options.ts";
import { type Config, loadConfig } from "../../../src/ops/config/index.ts";
import { Metrics } from "../../../src/ops/metrics.ts";
import type { WatchSink } from "../../../src/watch/api.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "smb2nats-compose-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function config(env: Record<string, string> = {}): Config {
  return loadConfig({ env }).config;
}
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

describe("from configuration to NATS options", () => {
  it("takes the local server where none is named", () => {
    expect(brokerOptions({ nats: config().nats, name: "x" })).toMatchObject({
      servers: ["nats://127.0.0.1:4222"],
      streams: { replicas: 1, maxAgeMs: 21_600_000, existingOnly: false },
    });
  });

  it.each([
    [{ SMB2NATS_NATS_CREDS_FILE: "/c" }, { type: "creds", credsFile: "/c" }],
    [{ SMB2NATS_NATS_NKEY_SEED_FILE: "/n" }, { type: "nkey", seedFile: "/n" }],
    [{ SMB2NATS_NATS_TOKEN_FILE: "/t" }, { type: "token", tokenFile: "/t" }],
    [
      { SMB2NATS_NATS_USER: "u", SMB2NATS_NATS_PASSWORD_FILE: "/p" },
      { type: "user", user: "u", passwordFile: "/p" },
    ],
  ])("logs in by %j", (env, auth) => {
    expect(brokerOptions({ nats: config(env as Record<string, string>).nats, name: "x" }).auth).toEqual(auth);
  });

  it("a private server has its own way in, and no TLS", () => {
    const { nats } = config({ SMB2NATS_NATS_TLS_CA_FILE: "/ca" });
    const embedded = { url: "nats://127.0.0.1:1", tokenFile: "/t" };
    const options = brokerOptions({ nats, name: "x", embedded });
    expect(options).toMatchObject({
      servers: ["nats://127.0.0.1:1"],
      auth: { type: "token", tokenFile: "/t" },
    });
    expect(options).not.toHaveProperty("tls");
  });
});

describe("from configuration to SMB options", () => {
  const settings = (more: string): Config["connections"][string] => {
    const { connections } = config({
      SMB2NATS_CONNECTIONS: `{ nas1: { server: "nas:1445", share: m, username: u, passwordFile: /p, ${more} } }`,
    });
    return connections["nas1"] as Config["connections"][string];
  };
  const auth = createNtlmProvider({ username: "u", password: "p" });

  it("labels facts with the connection's name", () => {
    expect(shareOptions("nas1", settings(""), auth).smb).toMatchObject({
      label: "nas1",
      host: "nas",
      port: 1445,
    });
  });

  it.each([
    ["2.0.2", [0x0202, 0x0210, 0x0300, 0x0302, 0x0311]],
    ["3.0", [0x0300, 0x0302, 0x0311]],
    ["3.1.1", [0x0311]],
  ])("offers nothing below %s", (oldest, dialects) => {
    expect(shareOptions("x", settings(`minDialect: "${oldest}"`), auth).smb.dialects).toEqual(dialects);
  });

  it("turns names into CompletionFilter bits", () => {
    expect(shareOptions("x", settings(""), auth).watch?.filter).toBe(0x5f);
    expect(shareOptions("x", settings("notify: [file-names, stream-write]"), auth).watch?.filter).toBe(0x801);
  });

  it("gives pinned watches options of their own", () => {
    const { watches } = config({
      SMB2NATS_CONNECTIONS: `{ nas1: { server: nas, share: m, username: u, passwordFile: /p } }`,
      SMB2NATS_WATCHES: `[
        { connection: nas1, path: /plain },
        { connection: nas1, path: /In, recursive: true, settleMs: 2000, stat: true, notify: [names] },
        { connection: nas1, path: /In, rescanMinutes: 0 } ]`,
    });
    const pins = pinsOf("nas1", watches);
    expect(pins.map(({ path }) => path)).toEqual(["/In", "/In"]);
    expect(pinsOf("nas2", watches)).toEqual([]);
    const overrides = pinnedOptions(pins, false);
    expect(overrides({ path: "/in", recursive: true })).toEqual({
      settleMs: 2_000,
      stat: true,
      filter: 0x003,
    });
    expect(overrides({ path: "/in", recursive: false })).toEqual({ rescanMinutes: 0 });
    expect(overrides({ path: "/plain", recursive: false })).toBeUndefined();
    expect(pinnedOptions(pins, true)({ path: "/in", recursive: true })).toBeUndefined();
  });
});

describe("from configuration to gateway authentication", () => {
  const auth = (env: Record<string, string>): Promise<unknown> => gatewayAuth(config(env).gateway.auth);

  it("reads keys and secrets from their files", async () => {
    expect(await auth({})).toEqual({ mode: "none", allowAnonymous: false });
    const secret = file("secret", "0123456789abcdef0123456789abcdef\n");
    expect(
      await auth({
        SMB2NATS_GATEWAY_AUTH_MODE: "jwt",
        SMB2NATS_GATEWAY_AUTH_SECRET_FILE: secret,
        SMB2NATS_GATEWAY_AUTH_ISSUER: "i",
      }),
    ).toEqual({
      mode: "jwt",
      firstFrame: true,
      keys: { secret: "0123456789abcdef0123456789abcdef" },
      issuer: "i",
    });
  });

  const tokens = (text: string): Promise<unknown> =>
    auth({ SMB2NATS_GATEWAY_AUTH_MODE: "tokens", SMB2NATS_GATEWAY_AUTH_TOKENS_FILE: file("tokens", text) });

  it("reads static tokens", async () => {
    const grants = [{ connection: "nas1", path: "/Media/**" }];
    expect(await tokens(JSON.stringify([{ token: "0123456789abcdef", name: "ann", grants }]))).toEqual({
      mode: "tokens",
      firstFrame: true,
      tokens: [{ token: "0123456789abcdef", name: "ann", grants }],
    });
  });

  it.each([
    ["{ token: x }", /is not a list of tokens/],
    ["[ 1 ]", /\[0\]: is not a map/],
    ["[ { token: hunter2, grants: [] } ]", /^(?!.*hunter2).*\n(?!.*hunter2).*at least 16 characters/],
    ["[ { token: 0123456789abcdefg, grants: all } ]", /is not a list of \{ connection, path \}/],
    ["[ { token: 0123456789abcdefg, grants: [], admin: true } ]", /admin: is not a known key/],
    [
      "[ { token: 0123456789abcdefg, grants: [] }, { token: 0123456789abcdefg, grants: [] } ]",
      /\[1\]\.token: is there twice/,
    ],
  ])("refuses %s", async (text, why) => {
    await expect(tokens(text)).rejects.toThrow(why);
  });
});

describe("countedWatch", () => {
  it("counts what it passes on", async () => {
    const metrics = new Metrics({ version: "1", commit: undefined }, { defaults: false });
    let sink: WatchSink = () => undefined;
    const inner = {
      watch: (_: unknown, given: WatchSink) => {
        sink = given;
        return undefined as never;
      },
      close: async () => undefined,
    };
    const passed: unknown[] = [];
    countedWatch(inner, "nas1", metrics.watch).watch({ path: "/", recursive: false }, (event) =>
      passed.push(event),
    );
    const change = (action: "added" | "removed") => ({ action, name: "x" });
    sink({
      type: "changes",
      path: "/",
      via: "notify",
      changes: [change("added"), change("added"), change("removed")],
    });
    sink({ type: "resync", path: "/", scope: "self", reason: "overflow" });
    sink({ type: "state", path: "/", state: "live", mode: "notify" });
    expect(passed).toHaveLength(3);
    const text = await metrics.text();
    expect(text).toContain('smb2nats_changes_total{connection="nas1",action="added",via="notify"} 2');
    expect(text).toContain('smb2nats_resyncs_total{connection="nas1",reason="overflow"} 1');
  });
});
