import {
  addressRange,
  boolean,
  connectionName,
  dialect,
  type Format,
  filePath,
  host,
  hostAndPort,
  httpUrl,
  integer,
  listenPort,
  listOf,
  natsUrl,
  oneOf,
  optional,
  origin,
  plainText,
  port,
  shareName,
  sharePath,
} from "./config-formats.ts";
import type {
  Config,
  ConnectionConfig,
  GatewayConfig,
  NatsConfig,
  NotifyFilter,
  PinnedWatch,
  WorkerConfig,
} from "./config-types.ts";

/** One value an operator can set. Units are in the key's name. */
export interface Option<T> {
  readonly doc: string;
  readonly format: Format<T>;
  readonly default: T;
  /** Must be set: the default is a placeholder. */
  readonly required?: true;
  /** Set where the name is not `SMB2NATS_` and the path in upper snake case. */
  readonly env?: string;
  /** The file behind this path holds a secret and is watched for changes. */
  readonly secretFile?: true;
}

/** Same shape as the configuration it describes, with an option at each leaf: the compiler holds them together. */
export type OptionTree<C> = {
  readonly [K in keyof C]: [C[K]] extends [string | number | boolean | readonly unknown[] | undefined]
    ? Option<C[K]>
    : OptionTree<C[K]>;
};

function option<T>(
  format: Format<T>,
  value: NoInfer<T>,
  doc: string,
  more: Partial<Pick<Option<T>, "required" | "env" | "secretFile">> = {},
): Option<T> {
  return { doc, format, default: value, ...more };
}

const file = (doc: string): Option<string | undefined> => option(optional(filePath), undefined, doc);
const secretFile = (doc: string, env?: string): Option<string | undefined> =>
  option(optional(filePath), undefined, doc, { secretFile: true, ...(env === undefined ? {} : { env }) });
const word = (doc: string, env?: string): Option<string | undefined> =>
  option(optional(plainText), undefined, doc, env === undefined ? {} : { env });

const nats: OptionTree<NatsConfig> = {
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

const notifyFilters: Format<NotifyFilter> = oneOf(
  "names",
  "file-names",
  "directory-names",
  "attributes",
  "size",
  "last-write",
  "last-access",
  "creation",
  "ea",
  "security",
  "stream-names",
  "stream-size",
  "stream-write",
);

const SETTLE_MS = integer(0, 3_600_000);
const RESCAN_MINUTES = integer(0, 10_080);

/** Options of one entry of `connections`. */
export const CONNECTION_OPTIONS: OptionTree<ConnectionConfig> = {
  server: option(hostAndPort, "", "File server: name or address, with or without :port.", { required: true }),
  port: option(port, 445, "TCP port; one in `server` wins."),
  share: option(shareName, "", "Name of the share.", { required: true }),
  root: option(sharePath, "/", "Directory below the share that `/` means."),
  username: word("Account. Default: `account.username`. NTLM needs one."),
  domain: word("Domain or realm of the account. Default: `account.domain`."),
  passwordFile: secretFile("File with the password. Default: `account.passwordFile`."),
  keytabFile: file("Kerberos: file of long-term keys."),
  spnHost: word(
    "Kerberos: host of the service principal `cifs/<host>`, where it is not `server` (an alias, an address).",
  ),
  ccache: word("Kerberos: credential cache, such as `FILE:/run/krb5cc`. Default: the system's."),
  signing: option(oneOf("required", "if-offered"), "required", "Whether to refuse servers that cannot sign."),
  encryption: option(
    oneOf("off", "auto", "required"),
    "auto",
    "`auto` encrypts what the server wants encrypted; `required` refuses servers that cannot.",
  ),
  minDialect: option(dialect, "2.1", "Oldest SMB dialect accepted."),
  auth: option(
    oneOf("ntlm", "kerberos", "negotiate"),
    "ntlm",
    "How to log in. `negotiate` takes Kerberos, and NTLM only with `ntlmFallback`.",
  ),
  ntlmFallback: option(
    boolean,
    false,
    "With `auth: negotiate`: log in by NTLMv2 where Kerberos has no ticket for the server.",
  ),
  cover: option(
    oneOf("auto", "directory", "tree"),
    "auto",
    "One handle per directory, one for the whole tree, or what suits the server.",
  ),
  caseSensitive: option(boolean, false, "Whether the server keeps `A` and `a` apart."),
  notify: option(
    listOf(notifyFilters),
    ["names", "attributes", "size", "last-write", "creation"],
    "Which changes the server is asked to tell.",
  ),
  stat: option(boolean, false, "Add type, size, time and file id to each change."),
  settleMs: option(SETTLE_MS, 0, "Hold a file back until it has been quiet that long; 0 is off."),
  rescanMinutes: option(
    RESCAN_MINUTES,
    0,
    "List and compare that often, for changes the server does not tell; 0 is never.",
  ),
  pollSeconds: option(integer(1, 86_400), 30, "How often to list where the server cannot notify."),
  maxEntries: option(
    integer(1_000),
    200_000,
    "Names remembered per watch; beyond it a rescan is told as a resync.",
  ),
  maxHandles: option(integer(1, 100_000), 5_000, "Directory handles of this connection."),
};

/** Options of one entry of `watches`. */
export const WATCH_OPTIONS: OptionTree<PinnedWatch> = {
  connection: option(connectionName, "", "Name of the connection.", { required: true }),
  path: option(sharePath, "/", "Directory below the connection's root."),
  recursive: option(boolean, false, "Whether the directories below belong to it."),
  notify: option(
    optional(listOf(notifyFilters)),
    undefined,
    "As for connections. Default: the connection's.",
  ),
  stat: option(optional(boolean), undefined, "As for connections. Default: the connection's."),
  settleMs: option(optional(SETTLE_MS), undefined, "As for connections. Default: the connection's."),
  rescanMinutes: option(
    optional(RESCAN_MINUTES),
    undefined,
    "As for connections. Default: the connection's.",
  ),
};

const worker: OptionTree<WorkerConfig> = {
  leaseTtlMs: option(integer(3_000, 600_000), 15_000, "How long a silent process keeps its watches."),
  capacity: option(integer(1), 20_000, "Watches this worker takes at most."),
  maxInFlight: option(
    integer(1, 4_096),
    256,
    "Publishes awaiting their acknowledgement, over all directories.",
  ),
  outbox: {
    maxMessages: option(
      integer(100),
      20_000,
      "Events kept while NATS is away; what does not fit is announced as a resync.",
    ),
    maxBytes: option(integer(65_536), 67_108_864, "The same, in bytes."),
  },
  drainSeconds: option(integer(0, 3_600), 25, "Longest hand-over of watches at shutdown."),
  checkpointSeconds: option(
    integer(0, 3_600),
    30,
    "How long after a change the picture of its directory is saved for whoever takes over. 0: never; a take-over asks everyone to list.",
  ),
};

const gateway: OptionTree<GatewayConfig> = {
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
  trustedProxies: option(listOf(addressRange), [], "Proxies whose X-Forwarded-For is believed."),
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

/** Every value an operator can set, but for the entries of `connections` and `watches`. */
export const OPTIONS: OptionTree<Omit<Config, "connections" | "watches">> = {
  account: {
    username: word(
      "Account for shares named on the command line, and for connections without one.",
      "SMB2NATS_USERNAME",
    ),
    domain: word("Its domain or realm.", "SMB2NATS_DOMAIN"),
    passwordFile: secretFile("File with its password.", "SMB2NATS_PASSWORD_FILE"),
  },
  nats,
  worker,
  gateway,
  http: {
    host: option(
      host,
      "127.0.0.1",
      "Address of the operators' endpoints: /metrics, /healthz, /readyz, /version.",
    ),
    port: option(listenPort, 9_464, "Their port; 0 takes a free one."),
  },
  log: {
    level: option(
      oneOf("trace", "debug", "info", "warn", "error", "fatal"),
      "info",
      "Least severe line written.",
    ),
    format: option(oneOf("auto", "json", "pretty"), "auto", "`auto` is `pretty` on a terminal, else `json`."),
  },
};

/** An option and where it stands. */
export interface Leaf {
  /** Dotted, relative to its tree: `gateway.auth.mode`. */
  readonly key: string;
  readonly option: Option<unknown>;
}

/** All options of a tree, in order of declaration. */
export function leavesOf(tree: OptionTree<never> | object, prefix = ""): Leaf[] {
  return Object.entries(tree).flatMap(([name, node]: [string, unknown]) => {
    const key = `${prefix}${name}`;
    return isOption(node) ? [{ key, option: node }] : leavesOf(node as object, `${key}.`);
  });
}

export function isOption(node: unknown): node is Option<unknown> {
  return typeof node === "object" && node !== null && "format" in node && "doc" in node;
}

/** `gateway.auth.jwksUrl` -> `SMB2NATS_GATEWAY_AUTH_JWKS_URL`. */
export function envName(key: string): string {
  const snake = key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(/[.-]/g, "_");
  return `SMB2NATS_${snake.toUpperCase()}`;
}
