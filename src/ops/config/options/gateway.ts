import {
  addressRange,
  frameType,
  host,
  integer,
  listenPort,
  listOf,
  optional,
  origin,
  wsUrl,
} from "../formats.ts";
import { file, type OptionTree, option } from "../option.ts";
import type { GatewayConfig } from "../types.ts";
import { auth } from "./auth.ts";

export const gateway: OptionTree<GatewayConfig> = {
  host: option(host, "127.0.0.1", "Address to listen on."),
  port: option(listenPort, 8_080, "Port to listen on; 0 takes a free one."),
  auth,
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
  upstream: {
    url: option(
      optional(wsUrl),
      undefined,
      "Another application's WebSocket, whose frames go to the same clients; the client's token goes there.",
    ),
    types: option(
      listOf(frameType),
      [],
      "Types of its frames that are passed on. Empty: all that are not the gateway's own.",
    ),
    timeoutMs: option(integer(100, 60_000), 5_000, "Longest wait for its handshake."),
    caFile: file("PEM file of the authorities that may sign its certificate."),
  },
  lingerSeconds: option(
    integer(0, 3_600),
    10,
    "How long a directory stays watched after its last subscriber; not where it could not be watched.",
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
    mirroredEntries: option(
      integer(1_000),
      1_000_000,
      "Entries kept for those who want snapshots, of all directories together; about 300 bytes each.",
    ),
  },
  drainSeconds: option(integer(0, 3_600), 10, "Over how long clients are sent away at shutdown."),
};
