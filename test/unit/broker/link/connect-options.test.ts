import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ConnectOptions, natsOptions } from "../../../../src/broker/link/connect-options.ts";

describe("connect options", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "connect-options-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  const base: ConnectOptions = { servers: ["nats://127.0.0.1:4222"], name: "test" };

  it("never give up, and notice a dead server soon", () => {
    expect(natsOptions(base)).toMatchObject({
      maxReconnectAttempts: -1,
      pingInterval: 3_000,
      maxPingOut: 2,
      ignoreAuthErrorAbort: true,
      noAsyncTraces: true,
    });
    expect(natsOptions({ ...base, inboxPrefix: "_INBOX_worker" }).inboxPrefix).toBe("_INBOX_worker");
  });

  it("read secrets anew at each login", () => {
    const passwordFile = join(dir, "password");
    writeFileSync(passwordFile, "first\n");
    const { authenticator } = natsOptions({ ...base, auth: { type: "user", user: "u", passwordFile } });
    if (typeof authenticator !== "function") throw new Error("no authenticator");
    expect(authenticator()).toEqual({ user: "u", pass: "first" });
    writeFileSync(passwordFile, "second\n");
    expect(authenticator()).toEqual({ user: "u", pass: "second" });
    const tokenFile = join(dir, "token");
    writeFileSync(tokenFile, "t0k3n\n");
    const token = natsOptions({ ...base, auth: { type: "token", tokenFile } }).authenticator;
    if (typeof token !== "function") throw new Error("no authenticator");
    expect(token()).toEqual({ auth_token: "t0k3n" });
  });

  it.each<[string, Partial<ConnectOptions>]>([
    ["no server", { servers: [] }],
    ["no password", { auth: { type: "user", user: "u" } }],
    ["two passwords", { auth: { type: "user", user: "u", password: "a", passwordFile: "/dev/null" } }],
    ["no token", { auth: { type: "token" } }],
    ["an absent seed", { auth: { type: "nkey", seedFile: "/nowhere/seed" } }],
    ["absent credentials", { auth: { type: "creds", credsFile: "/nowhere/creds" } }],
    ["an absent CA", { tls: { caFile: "/nowhere/ca.pem" } }],
  ])("with %s are refused at once", (_, wrong) => {
    expect(() => natsOptions({ ...base, ...wrong })).toThrow(
      expect.objectContaining({ code: "BROKER_BAD_OPTIONS" }),
    );
  });
});
