import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

export type SigningAlgorithm = "RS256" | "PS256" | "ES256" | "EdDSA" | "Ed25519";

/** How the provider makes its access tokens. */
export interface TokenForm {
  readonly format: "jwt" | "opaque";
  readonly alg?: SigningAlgorithm;
  /** Encrypts the token as well, for whoever has this key. */
  readonly encryptFor?: Buffer;
}

export interface OidcLab {
  readonly issuer: string;
  readonly jwksUrl: string;
  /** Times that the keys were fetched. */
  readonly fetched: number;
  /** Another provider in the place of the one there was, as after a restart with these keys: the first one signs. */
  restart(keys: readonly object[], form?: TokenForm): void;
  /** An access token by the client-credentials grant. */
  token(): Promise<string>;
  close(): Promise<void>;
}

export const AUDIENCE = "https://smb2nats.example.org";

/** A private JWK of its own, as the provider wants it. */
export function newKey(kid: string, alg: SigningAlgorithm = "RS256"): object {
  const { privateKey } =
    alg === "RS256" || alg === "PS256"
      ? generateKeyPairSync("rsa", { modulusLength: 2_048 })
      : alg === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

/** A real OpenID provider on loopback, with one client that may have tokens for us. */
export async function startOidc(keys: readonly object[], form?: TokenForm): Promise<OidcLab> {
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  let fetched = 0;
  const server = createServer((request, response) => {
    if (request.url === "/jwks") fetched++;
    handle(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const restart: OidcLab["restart"] = (jwks, { format, alg = "RS256", encryptFor } = { format: "jwt" }) => {
    const encrypt = encryptFor && { alg: "dir", enc: "A256GCM", key: encryptFor };
    // It warns of what a lab is made of: no TLS, memory as its store.
    const { warn, info } = console;
    console.warn = console.info = (): void => undefined;
    const provider = new Provider(issuer, {
      jwks: { keys: jwks },
      clients: [
        {
          client_id: "indexer",
          client_secret: "a-secret-of-the-lab",
          grant_types: ["client_credentials"],
          redirect_uris: [],
          response_types: [],
          id_token_signed_response_alg: alg,
        },
      ],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => AUDIENCE,
          getResourceServerInfo: () => ({
            scope: "read",
            audience: AUDIENCE,
            accessTokenTTL: 600,
            accessTokenFormat: format,
            ...(format === "jwt" ? { jwt: { sign: { alg }, ...(encrypt && { encrypt }) } } : {}),
          }),
        },
      },
      extraTokenClaims: () => ({ smb: [{ connection: "nas1", path: "/Media/**" }] }),
    });
    handle = provider.callback();
    Object.assign(console, { warn, info });
  };
  restart(keys, form);
  return {
    issuer,
    jwksUrl: `${issuer}/jwks`,
    get fetched() {
      return fetched;
    },
    restart,
    async token() {
      const response = await fetch(`${issuer}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${Buffer.from("indexer:a-secret-of-the-lab").toString("base64")}` },
        body: new URLSearchParams({ grant_type: "client_credentials", resource: AUDIENCE, scope: "read" }),
      });
      const body = (await response.json()) as { readonly access_token?: string };
      if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`);
      return body.access_token;
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
