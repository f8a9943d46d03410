import { boolean, integer, listOf, natsUrl } from "../formats.ts";
import { file, type OptionTree, option, secretFile, word } from "../option.ts";
import type { NatsConfig } from "../types.ts";

export const nats: OptionTree<NatsConfig> = {
  servers: option(
    listOf(natsUrl),
    [],
    "NATS servers. Empty: `up` starts a private server, every other role uses nats://127.0.0.1:4222.",
  ),
  tls: {
    caFile: file("PEM file of the authorities that may sign the server's certificate."),
    certFile: file("PEM file of our certificate, where the server asks for one."),
    keyFile: secretFile("PEM file of the key to `certFile`."),
  },
  credsFile: secretFile("NATS credentials file (JWT and seed)."),
  nkeySeedFile: secretFile("File with an NKey seed."),
  tokenFile: secretFile("File with an authentication token."),
  user: word("User name."),
  passwordFile: secretFile("File with the password of `user`."),
  inboxPrefix: word("Prefix of reply subjects, where permissions ask for one. Default `_INBOX`."),
  connectTimeoutMs: option(integer(100, 600_000), 5_000, "Longest wait for one connection attempt."),
  replicas: option(
    integer(1, 5),
    1,
    "Replicas of the event stream and the buckets. More than 1 needs servers of 2.10.20 or newer.",
  ),
  existingOnly: option(
    boolean,
    false,
    "Use the stream and buckets that exist, for accounts that may not create any.",
  ),
  domain: word("JetStream domain, where the servers are leaf nodes."),
  stream: {
    maxAgeHours: option(integer(1, 24 * 365), 6, "How long events can be replayed."),
    maxBytes: option(
      integer(1_048_576),
      1_073_741_824,
      "Size of the event stream; the oldest events make room.",
    ),
  },
};
