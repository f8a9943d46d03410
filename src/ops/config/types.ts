/** The configuration as the rest of the program sees it: complete, checked, frozen. Files, not secrets. */
export interface Config {
  readonly account: AccountConfig;
  readonly nats: NatsConfig;
  /** By name. */
  readonly connections: Readonly<Record<string, ConnectionConfig>>;
  readonly watches: readonly PinnedWatch[];
  readonly events: EventsConfig;
  readonly worker: WorkerConfig;
  readonly gateway: GatewayConfig;
  readonly http: ListenConfig;
  readonly log: LogConfig;
}

/** For shares named on the command line, and for connections that name no account of their own. */
export interface AccountConfig {
  readonly username: string | undefined;
  readonly domain: string | undefined;
  readonly passwordFile: string | undefined;
}

export interface NatsConfig {
  readonly servers: readonly string[];
  readonly tls: TlsFiles;
  readonly credsFile: string | undefined;
  readonly nkeySeedFile: string | undefined;
  readonly tokenFile: string | undefined;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly inboxPrefix: string | undefined;
  readonly connectTimeoutMs: number;
  readonly replicas: number;
  /** Use the stream and buckets that exist; never create or change them. */
  readonly existingOnly: boolean;
  readonly domain: string | undefined;
  readonly subjectPrefix: string;
  readonly stream: BucketConfig & { readonly maxAgeHours: number };
  readonly watches: BucketConfig;
  readonly checkpoints: BucketConfig;
}

export interface TlsFiles {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

export interface EventsConfig {
  readonly mode: "binary" | "structured";
}

export interface BucketConfig {
  /** Absent: named after the subject prefix. */
  readonly name: string | undefined;
  readonly maxBytes: number;
}

export type Dialect = "2.0.2" | "2.1" | "3.0" | "3.0.2" | "3.1.1";
export type NotifyFilter =
  | "names"
  | "file-names"
  | "directory-names"
  | "attributes"
  | "size"
  | "last-write"
  | "last-access"
  | "creation"
  | "ea"
  | "security"
  | "stream-names"
  | "stream-size"
  | "stream-write";

/** `undefined` stands for the default of each: see `ReadyOptions` of the watch engine. */
export type ReadySetting =
  | "off"
  | {
      readonly quietMs?: number;
      readonly closed?: boolean;
      readonly ignore?: readonly string[];
      readonly maxWaitMs?: number;
      readonly emptyAfterMs?: number;
      readonly only?: boolean;
    };

export interface ConnectionConfig {
  /** Host only; a port in the file's `server` has moved to `port`. */
  readonly server: string;
  readonly port: number;
  readonly share: string;
  /** Canonical. */
  readonly root: string;
  readonly username: string | undefined;
  readonly domain: string | undefined;
  readonly passwordFile: string | undefined;
  readonly keytabFile: string | undefined;
  readonly spnHost: string | undefined;
  readonly ccache: string | undefined;
  readonly signing: "required" | "if-offered";
  readonly encryption: "off" | "auto" | "required";
  readonly minDialect: Dialect;
  readonly compound: "auto" | "off";
  readonly auth: "ntlm" | "kerberos" | "negotiate";
  readonly ntlmFallback: boolean;
  readonly cover: "auto" | "directory" | "tree";
  readonly caseSensitive: boolean;
  readonly notify: readonly NotifyFilter[];
  readonly stat: boolean;
  readonly settleMs: number;
  readonly ready: ReadySetting;
  readonly rescanMinutes: number;
  readonly pollSeconds: number;
  readonly maxEntries: number;
  readonly maxReady: number;
  readonly maxHandles: number;
}

export interface PinnedWatch {
  readonly connection: string;
  /** Canonical. */
  readonly path: string;
  readonly recursive: boolean;
  /** `undefined`, here and below: as its connection has it. */
  readonly notify: readonly NotifyFilter[] | undefined;
  readonly stat: boolean | undefined;
  readonly settleMs: number | undefined;
  readonly ready: ReadySetting | undefined;
  readonly rescanMinutes: number | undefined;
}

export interface WorkerConfig {
  readonly leaseTtlMs: number;
  /** Watches. */
  readonly capacity: number;
  readonly maxInFlight: number;
  readonly outbox: { readonly maxMessages: number; readonly maxBytes: number };
  readonly drainSeconds: number;
  readonly checkpointSeconds: number;
}

export interface ListenConfig {
  readonly host: string;
  readonly port: number;
}

export interface UpstreamConfig {
  readonly url: string | undefined;
  readonly types: readonly string[];
  readonly timeoutMs: number;
  readonly caFile: string | undefined;
}

export interface GatewayConfig extends ListenConfig {
  readonly auth: GatewayAuthConfig;
  readonly allowedOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly upstream: UpstreamConfig;
  readonly lingerSeconds: number;
  readonly limits: GatewayLimits;
  readonly drainSeconds: number;
}

export type JwtAlgorithm =
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ES256"
  | "ES384"
  | "ES512"
  | "EdDSA"
  | "Ed25519"
  | "HS256"
  | "HS384"
  | "HS512";

export interface AskConfig {
  readonly url: string | undefined;
  readonly method: "GET" | "POST";
  readonly header: string;
  readonly timeoutMs: number;
  readonly caFile: string | undefined;
  readonly keepSeconds: number;
  /** JSON pointers. */
  readonly list: string;
  readonly connection: string;
  readonly path: string | undefined;
}

export interface HeadersConfig {
  readonly user: string;
  readonly grants: string;
  readonly assertion: string | undefined;
  readonly sessionMinutes: number;
}

export interface GatewayAuthConfig {
  readonly mode: "none" | "jwt" | "tokens" | "ask" | "headers";
  readonly ask: AskConfig;
  readonly headers: HeadersConfig;
  readonly allowAnonymous: boolean;
  readonly firstFrame: boolean;
  readonly jwksUrl: string | undefined;
  readonly publicKeyFile: string | undefined;
  readonly secretFile: string | undefined;
  readonly tokensFile: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  /** Empty: those that fit the kind of key. */
  readonly algorithms: readonly JwtAlgorithm[];
}

export interface GatewayLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly subscriptionsPerSocket: number;
  readonly messageBytes: number;
  readonly messagesPerSecond: number;
  readonly bufferBytes: number;
  readonly mirroredEntries: number;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal";

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "auto" | "json" | "pretty";
}
