import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Nats, startNats } from "../../../scripts/lab/nats.ts";
import { findSbin } from "../../../scripts/lab/programs.ts";
import { createWorkspace, type Workspace } from "../../../scripts/lab/workspace.ts";
import { connectBroker } from "../../../src/broker/broker.ts";
import type { ConnectOptions } from "../../../src/broker/link/connect-options.ts";
import { createUserKey, makeOperator } from "../../support/servers/nats-jwt.ts";

let lab: Workspace;
beforeAll(() => {
  lab = createWorkspace();
});
afterAll(() => lab.remove());

function file(name: string, content: string | Uint8Array): string {
  const path = join(lab.dir, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}

/** Connects, and does what needs JetStream. */
async function tryOut(nats: Nats, options: Partial<ConnectOptions>): Promise<string> {
  const broker = await connectBroker({
    servers: [nats.url],
    name: "login",
    firstConnectMs: 5_000,
    ...options,
  });
  try {
    await broker.watches.create("key", new Uint8Array(0));
    return "welcome";
  } finally {
    await broker.close();
  }
}

async function withServer(config: string, work: (nats: Nats) => Promise<void>): Promise<void> {
  const nats = await startNats({ config });
  try {
    await work(nats);
  } finally {
    await nats.stop();
  }
}

const denied = { code: "BROKER_DENIED" };

describe("a login at a real server", () => {
  it("by token, which may come from a file", () =>
    withServer('authorization { token: "secret-token" }', async (nats) => {
      const tokenFile = file("token", "secret-token\n");
      await expect(tryOut(nats, { auth: { type: "token", tokenFile } })).resolves.toBe("welcome");
      const refusal = await tryOut(nats, { auth: { type: "token", token: "wrong-token" } }).catch(String);
      expect(refusal).not.toContain("wrong-token");
      await expect(tryOut(nats, { auth: { type: "token", token: "wrong-token" } })).rejects.toMatchObject(
        denied,
      );
      await expect(tryOut(nats, {})).rejects.toMatchObject(denied);
    }));

  it("by NKey", async () => {
    const key = createUserKey();
    const seedFile = file("seed.nk", key.getSeed());
    const otherFile = file("other.nk", createUserKey().getSeed());
    await withServer(`authorization { users: [ { nkey: ${key.getPublicKey()} } ] }`, async (nats) => {
      await expect(tryOut(nats, { auth: { type: "nkey", seedFile } })).resolves.toBe("welcome");
      await expect(tryOut(nats, { auth: { type: "nkey", seedFile: otherFile } })).rejects.toMatchObject(
        denied,
      );
    });
  });

  it("by credentials file, of an account that an operator vouches for", async () => {
    const { config, creds } = makeOperator();
    const credsFile = file("worker.creds", creds);
    const strangerFile = file("stranger.creds", makeOperator().creds);
    await withServer(config, async (nats) => {
      await expect(tryOut(nats, { auth: { type: "creds", credsFile } })).resolves.toBe("welcome");
      await expect(tryOut(nats, { auth: { type: "creds", credsFile: strangerFile } })).rejects.toMatchObject(
        denied,
      );
    });
  });
});

const openssl = findSbin("openssl");
if (openssl === undefined) console.warn("skipped: no openssl here to make certificates with");

describe.skipIf(openssl === undefined)("TLS", () => {
  /** A CA of our own, a certificate for the server's address, one for a client. */
  function certificates(): Record<"ca" | "cert" | "key" | "clientCert" | "clientKey" | "otherCa", string> {
    const at = (name: string): string => join(lab.dir, name);
    const run = (...args: string[]): void => {
      execFileSync(openssl as string, args, { stdio: "pipe" });
    };
    const authority = (name: string): void =>
      run(
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        ...["-subj", `/CN=${name}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.pem`)],
      );
    const issue = (name: string, extension: string): void => {
      run(
        ...["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
        ...["-subj", `/CN=${name}`, "-keyout", at(`${name}.key`), "-out", at(`${name}.csr`)],
      );
      run(
        ...["x509", "-req", "-in", at(`${name}.csr`), "-CA", at("ca.pem"), "-CAkey", at("ca.key")],
        ...["-CAcreateserial", "-days", "2", "-extfile", file(`${name}.ext`, extension)],
        ...["-out", at(`${name}.pem`)],
      );
    };
    authority("ca");
    authority("other");
    issue("server", "subjectAltName = IP:127.0.0.1");
    issue("client", "extendedKeyUsage = clientAuth");
    return {
      ca: at("ca.pem"),
      cert: at("server.pem"),
      key: at("server.key"),
      clientCert: at("client.pem"),
      clientKey: at("client.key"),
      otherCa: at("other.pem"),
    };
  }

  it("trusts the configured authority only, and proves itself where the server asks", async () => {
    const { ca, cert, key, clientCert, clientKey, otherCa } = certificates();
    const config = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${ca}", verify: true }
      authorization { user: worker, password: "right" }`;
    await withServer(config, async (nats) => {
      const servers = [`tls://127.0.0.1:${nats.port}`];
      const user = { type: "user", user: "worker", password: "right" } as const;
      const tls = { caFile: ca, certFile: clientCert, keyFile: clientKey };
      await expect(tryOut(nats, { servers, tls, auth: user })).resolves.toBe("welcome");
      await expect(
        tryOut(nats, { servers, tls, auth: { ...user, password: "wrong" } }),
      ).rejects.toMatchObject(denied);
      const short = { servers, auth: user, firstConnectMs: 300, dialTimeoutMs: 1_500 };
      for (const bad of [{ ...tls, caFile: otherCa }, { caFile: ca }]) {
        await expect(tryOut(nats, { ...short, tls: bad })).rejects.toMatchObject({
          code: expect.stringMatching(/^BROKER_(UNAVAILABLE|TIMEOUT)$/),
        });
      }
      await expect(tryOut(nats, short)).rejects.toThrow();
    });
  });

  it("does not go on in plain text where tls:// was asked for", async () => {
    await withServer('authorization { user: worker, password: "right" }', async (nats) => {
      const refused = tryOut(nats, {
        servers: [`tls://127.0.0.1:${nats.port}`],
        auth: { type: "user", user: "worker", password: "right" },
        firstConnectMs: 300,
      });
      await expect(refused).rejects.toMatchObject({ message: expect.stringContaining("tls") });
    });
  });
});
