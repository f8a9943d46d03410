import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stack, startStack } from "../../scripts/lab/stack.ts";
import { WsClient } from "../support/clients/ws-client.ts";
import { until } from "../support/until.ts";

const random = (): string => randomBytes(24).toString("base64url");

/** Every way to hand a token over. Resolves with the client, or `undefined` where the handshake is refused. */
const WAYS: Record<string, (url: string, token: string) => Promise<WsClient | undefined>> = {
  header: (url, token) => open(url, { headers: { authorization: `Bearer ${token}` } }),
  subprotocol: (url, token) => open(url, { protocols: ["smb2nats.v1", `bearer.${token}`] }),
  query: (url, token) => open(`${url}?token=${encodeURIComponent(token)}`),
  "first frame": async (url, token) => {
    const client = await open(url);
    client?.send({ action: "auth", token, id: "auth" });
    return client;
  },
};

async function open(
  url: string,
  options: Parameters<typeof WsClient.open>[1] = {},
): Promise<WsClient | undefined> {
  return WsClient.open(url, options).catch(() => undefined);
}

describe("what is secret stays out of logs and pages", () => {
  const dir = mkdtempSync(join(tmpdir(), "smb2nats-e2e-"));
  const tokensFile = join(dir, "tokens.yaml");
  const secretFile = join(dir, "jwt-secret");
  const wrongFile = join(dir, "wrong-password");
  const jwtSecret = randomBytes(48).toString("base64url");
  const wrongPassword = random();
  const tokens = { all: random(), some: random(), unknown: random() };
  const jwts: string[] = [];
  const clients: WsClient[] = [];
  let stack: Stack;
  let ws: string;

  /** As secrets are rotated: the new file takes the old one's place. */
  const replace = (file: string, text: string): void => {
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  };
  const grant = (somePath: string): void =>
    replace(
      tokensFile,
      JSON.stringify([
        { token: tokens.all, grants: [{ connection: "*", path: "/**" }] },
        { token: tokens.some, grants: [{ connection: "lab", path: somePath }] },
      ]),
    );
  const gatewayConfig = (auth: object): object => ({ host: "127.0.0.1", auth });
  const configure = (auth: object): void => {
    const { samba } = stack;
    const account = {
      server: "127.0.0.1",
      port: samba.port,
      share: "share",
      domain: samba.domain,
      username: samba.user,
    };
    stack.writeConfig({
      gateway: gatewayConfig(auth),
      connections: {
        lab: { ...account, passwordFile: samba.passwordFile },
        locked: { ...account, passwordFile: wrongFile },
      },
    });
  };
  const log = (): string => stack.gateways[0]?.process.log() ?? "";
  const jwt = async (seconds: number, secret = jwtSecret): Promise<string> => {
    const token = await new SignJWT({ smb: [{ connection: "*", path: "/**" }] })
      .setProtectedHeader({ alg: "HS256" })
      .setExpirationTime(Math.floor(Date.now() / 1_000) + seconds)
      .sign(new TextEncoder().encode(secret));
    jwts.push(token);
    return token;
  };
  const keep = (client: WsClient | undefined): WsClient => {
    if (client === undefined) throw new Error("the handshake was refused");
    clients.push(client);
    return client;
  };

  beforeAll(async () => {
    grant("/one");
    writeFileSync(secretFile, jwtSecret, { mode: 0o600 });
    writeFileSync(wrongFile, wrongPassword, { mode: 0o600 });
    stack = await startStack({
      config: {
        gateway: gatewayConfig({ mode: "tokens", tokensFile }),
        log: { level: "trace", format: "json" },
      },
    });
    configure({ mode: "tokens", tokensFile });
    ws = `${stack.gateways[0]?.url.replace("http", "ws")}/ws`;
    for (const name of ["one", "two"]) mkdirSync(join(stack.samba.path(), name));
    await until("the second connection", () => log().includes('"config.reloaded"'));
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await stack?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it.each(Object.keys(WAYS))("lets a token in by %s, and a wrong one not", async (way) => {
    const client = keep(await WAYS[way]?.(ws, tokens.all));
    expect(await client.subscribe("/one")).toMatchObject({ type: "subscribed" });
    const stranger = await WAYS[way]?.(ws, tokens.unknown);
    if (way === "first frame") await until("the close", () => stranger?.closed?.code === 1008);
    else expect(stranger).toBeUndefined();
  });

  it("takes a right away from an open socket within a second of the reload", async () => {
    const client = keep(await WAYS["header"]?.(ws, tokens.some));
    expect(await client.subscribe("/one")).toMatchObject({ type: "subscribed" });
    const from = client.frames.length;
    const reloads = (): string[] =>
      log()
        .split("\n")
        .filter((line) => line.includes('"config.reloaded"'));
    const before = reloads().length;
    grant("/two");
    const told = client
      .next((frame) => frame.type === "error", { from })
      .then((frame) => ({ frame, at: Date.now() }));
    const { frame, at } = await told;
    expect(frame).toMatchObject({ code: "denied", connection_id: "lab", path: "/one" });
    const line = await until("the reload", () => reloads()[before]);
    expect(at - Date.parse((JSON.parse(line) as { time: string }).time)).toBeLessThan(1_000);
    expect(await client.subscribe("/two")).toMatchObject({ type: "subscribed" });
  });

  it("does the same with JWTs, after sending home who came with another kind of token", async () => {
    configure({ mode: "jwt", secretFile });
    await until("the others to be sent home", () => clients.every(({ closed }) => closed?.code === 1008));
    for (const way of Object.values(WAYS)) {
      keep(await way(ws, await jwt(600)));
      for (const bad of [await jwt(-600), await jwt(600, random().repeat(2))]) {
        const stranger = await way(ws, bad);
        await until("the close", () => stranger === undefined || stranger.closed !== undefined);
      }
    }
    expect(await clients.at(-1)?.subscribe("/one")).toMatchObject({ type: "subscribed" });
  });

  it("warns of secrets that others on the machine may read", async () => {
    expect(log()).not.toContain('"config.secret-file"');
    chmodSync(secretFile, 0o644);
    const role = await stack.startRole("gateway");
    await until("the warning", () => /"config.secret-file".*mode 644/.test(role.process.log()));
    await role.stop();
    chmodSync(secretFile, 0o600);
  });

  it("tells a wrong SMB password to nobody", async () => {
    const client = keep(await WAYS["header"]?.(ws, await jwt(600)));
    client.send({ action: "subscribe", connection_id: "locked", path: "/one", id: 1 });
    const answer = await client.next((frame) => frame["id"] === 1, { timeoutMs: 45_000 });
    expect(answer).toMatchObject({ type: "error" });
    expect(JSON.stringify(answer)).not.toContain(stack.samba.user);
    await until("the failed login", () => stack.workers[0]?.process.log().includes('"smb.given-up"'));
  });

  it("has written none of them anywhere", async () => {
    const gateway = stack.gateways[0];
    for (const path of ["/", "/nothing", "/client.js", "//evil"]) {
      await fetch(`${gateway?.url}${path}?token=${tokens.all}`);
    }
    // Not even a broken request is quoted.
    await WAYS["query"]?.(`${ws}/beyond`, tokens.all);
    clients[0]?.socket.terminate();
    const said = [
      ["gateway", log()],
      ["worker", stack.workers[0]?.process.log()],
      ["broker", stack.nats.log()],
      ["metrics", await (await fetch(`${gateway?.ops}/metrics`)).text()],
      ["readyz", await (await fetch(`${gateway?.ops}/readyz`)).text()],
    ] as const;
    // There was something to leak: the failures were noticed, and told.
    expect(log()).toContain('"gateway.auth-failed"');
    const secrets = [
      ...Object.values(tokens),
      // Whoever has the signature can put the rest together.
      ...jwts.flatMap((token) => [token, token.split(".")[2] ?? ""]),
      jwtSecret,
      wrongPassword,
      stack.samba.password,
    ];
    for (const [where, text] of said) {
      expect(text?.length, where).toBeGreaterThan(0);
      expect(
        secrets.filter((secret) => text?.includes(secret)),
        where,
      ).toEqual([]);
      expect(text, where).not.toMatch(/[?&]token=(?!\[)/);
      expect(text, where).not.toMatch(/bearer[. ][A-Za-z0-9_-]{8}/i);
    }
  });
});
