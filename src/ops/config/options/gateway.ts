import { addressRange, host, integer, listenPort, listOf, origin } from "../formats.ts";
import { type OptionTree, option } from "../option.ts";
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
  },
  drainSeconds: option(integer(0, 3_600), 10, "Over how long clients are sent away at shutdown."),
};
