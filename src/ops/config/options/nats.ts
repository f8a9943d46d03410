import { boolean, integer, listOf, natsName, natsUrl, optional, subjectPrefix } from "../formats.ts";
import { file, type OptionTree, option, secretFile, word } from "../option.ts";
import type { NatsConfig } from "../types.ts";

const MIB = 1_048_576;

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
  domain: option(
    optional(natsName),
    undefined,
    "JetStream domain that has the stream and buckets, where `servers` are leaf nodes of it.",
  ),
  subjectPrefix: option(
    subjectPrefix,
    "smb",
    "First word of all subjects: events on `smb.…`, published to `smbin.…`, control API `smb2nats.…`. One for each fleet where several share an account.",
  ),
  stream: {
    name: option(
      optional(natsName),
      undefined,
      "Name of the event stream. Default: `subjectPrefix` in upper case, `SMB`.",
    ),
    maxAgeHours: option(integer(1, 24 * 365), 6, "How long events can be replayed."),
    maxBytes: option(
      integer(MIB),
      256 * MIB,
      "Size of the event stream, reserved in NATS; the oldest events make room.",
    ),
  },
  watches: {
    name: option(
      optional(natsName),
      undefined,
      "Name of the bucket of leases, refs and claims. Default: the prefix and `_WATCHES`.",
    ),
    maxBytes: option(
      integer(MIB),
      64 * MIB,
      "Its size, reserved in NATS. About 300 bytes for each watch and each process that asks for it; full, it refuses both.",
    ),
  },
  checkpoints: {
    name: option(
      optional(natsName),
      undefined,
      "Name of the bucket of checkpoints. Default: the prefix and `_CHECKPOINTS`.",
    ),
    maxBytes: option(
      integer(MIB),
      128 * MIB,
      "Its size, reserved in NATS, unless `worker.checkpointSeconds` is 0. About 100 bytes for each name in watched directories; what does not fit is not kept.",
    ),
  },
};
