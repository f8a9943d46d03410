import {
  addressRange,
  boolean,
  host,
  httpUrl,
  integer,
  listenPort,
  listOf,
  oneOf,
  optional,
  origin,
} from "../formats.ts";
import { file, type OptionTree, option, secretFile, word } from "../option.ts";
import type { GatewayConfig } from "../types.ts";

export const gateway: OptionTree<GatewayConfig> = {
  host: option(host, "127.0.0.1", "Address to listen on."),
  port: option(listenPort, 8_080, "Port to listen on; 0 takes a free one."),
  auth: {
    mode: option(
      oneOf("none", "jwt", "tokens"),
      "none",
      "How clients prove who they are. `none` only on a loopback address.",
    ),
    allowAnonymous: option(
      boolean,
      false,
      "Allow `none` on any address: everyone who reaches the port sees everything.",
    ),
    firstFrame: option(
      boolean,
      true,
      "Open sockets without a token, and wait 5 s for an `auth` frame that brings it. `false`: 401.",
    ),
    jwksUrl: option(optional(httpUrl), undefined, "`jwt`: where the issuer publishes its keys."),
    publicKeyFile: file("`jwt`: PEM file of the issuer's public key."),
    secretFile: secretFile("`jwt`: file with the secret shared with the issuer."),
    tokensFile: secretFile("`tokens`: YAML or JSON file of tokens and their grants."),
    issuer: word("`jwt`: required `iss`."),
    audience: word("`jwt`: required `aud`."),
    algorithms: option(
      listOf(
        oneOf(
          "RS256",
          "RS384",
          "RS512",
          "PS256",
          "PS384",
          "PS512",
          "ES256",
          "ES384",
          "ES512",
          "EdDSA",
          "HS256",
          "HS384",
          "HS512",
        ),
      ),
      [],
      "`jwt`: accepted algorithms. Empty: those that fit the kind of key.",
    ),
  },
  allowedOrigins: option(
    listOf(origin),
    [],
    "Origins of pages that may connect. Empty: only the gateway's own; `*`: any.",
  ),
  trustedProxies: option(
    listOf(addressRange),
    [],
    "Proxies whose X-Forwarded-For, -Host and -Proto, or Forwarded, are believed.",
  ),
  lingerSeconds: option(
    integer(0, 3_600),
    10,
    "How long a directory stays watched after its last subscriber.",
  ),
  limits: {
    connections: option(integer(1), 10_000, "WebSocket connections."),
    connectionsPerAddress: option(integer(1), 100, "WebSocket connections from one address."),
    subscriptionsPerSocket: option(integer(1), 1_000, "Subscriptions of one connection."),
    messageBytes: option(integer(1_024, 1_048_576), 16_384, "Largest message a client may send."),
    messagesPerSecond: option(integer(1, 10_000), 50, "Messages a client may send, sustained."),
    bufferBytes: option(
      integer(65_536),
      1_048_576,
      "Unsent bytes of a slow reader before it is told to resync, then closed.",
    ),
  },
  drainSeconds: option(integer(0, 3_600), 10, "Over how long clients are sent away at shutdown."),
};
