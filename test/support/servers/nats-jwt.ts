import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";
import type * as Nkeys from "@nats-io/nkeys";

type KeyPair = Nkeys.KeyPair;

/** A dependency of the NATS client, not of ours: found from there. */
const nkeys = createRequire(createRequire(import.meta.url).resolve("@nats-io/nats-core"))(
  "@nats-io/nkeys",
) as typeof Nkeys;

export const createUserKey: () => KeyPair = nkeys.createUser;

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

function encode(issuer: KeyPair, subject: KeyPair, name: string, nats: object): string {
  const head = part({ typ: "JWT", alg: "ed25519-nkey" });
  const claims = part({
    jti: randomUUID(),
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name,
    nats: { version: 2, ...nats },
  });
  const signature = issuer.sign(Buffer.from(`${head}.${claims}`));
  return `${head}.${claims}.${Buffer.from(signature).toString("base64url")}`;
}

/** An operator with one account and one user (NATS JWT v2): what the server trusts, and a credentials file. */
export function makeOperator(): { readonly config: string; readonly creds: string } {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const system = nkeys.createAccount();
  const user = nkeys.createUser();
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const systemJwt = encode(operator, system, "system", { type: "account", limits: unlimited });
  const accountJwt = encode(operator, account, "test", {
    type: "account",
    limits: {
      ...unlimited,
      imports: -1,
      exports: -1,
      wildcards: true,
      conn: -1,
      leaf: -1,
      mem_storage: -1,
      disk_storage: -1,
      streams: -1,
      consumer: -1,
    },
  });
  const userJwt = encode(account, user, "worker", { type: "user", ...unlimited });
  const operatorJwt = encode(operator, operator, "test", { type: "operator" });
  return {
    config: [
      `operator: ${operatorJwt}`,
      "resolver: MEMORY",
      `system_account: ${system.getPublicKey()}`,
      `resolver_preload: { ${system.getPublicKey()}: ${systemJwt}, ${account.getPublicKey()}: ${accountJwt} }`,
    ].join("\n"),
    creds: [
      "-----BEGIN NATS USER JWT-----",
      userJwt,
      "------END NATS USER JWT------",
      "-----BEGIN USER NKEY SEED-----",
      text(user.getSeed()),
      "------END USER NKEY SEED------",
      "",
    ].join("\n"),
  };
}
