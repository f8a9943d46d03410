import type { Grant } from "./grants.ts";

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

/** Where the keys that sign tokens come from. */
export type JwtKeys =
  | { readonly jwksUrl: string }
  /** PEM (`BEGIN PUBLIC KEY` or `BEGIN CERTIFICATE`), or one JWK, or a JWK set, as JSON. */
  | { readonly publicKey: string }
  /** At least 32 bytes, shared with the issuer. */
  | { readonly secret: string | Uint8Array };

interface FirstFrame {
  /** Whether a socket may be opened without a token, which an `auth` frame brings then. Default true. */
  readonly firstFrame?: boolean;
}

export interface JwtOptions extends FirstFrame {
  readonly mode: "jwt";
  readonly keys: JwtKeys;
  /** Required `iss`. */
  readonly issuer?: string;
  /** Required `aud`. */
  readonly audience?: string;
  /** Accepted `alg`. Default: those that fit the kind of key; never both symmetric and asymmetric. */
  readonly algorithms?: readonly JwtAlgorithm[];
  /** Seconds by which clocks may differ. Default 5. */
  readonly clockToleranceSeconds?: number;
  /** How often the keys behind `jwksUrl` are looked at again, ms. Default 300,000. */
  readonly refreshMs?: number;
  /** Least time between two fetches that unknown keys cause, ms. Default 30,000. */
  readonly cooldownMs?: number;
}

export interface StaticToken {
  readonly token: string;
  /** For facts and logs; never sent. */
  readonly name?: string;
  readonly grants: readonly Grant[];
}

export interface StaticOptions extends FirstFrame {
  readonly mode: "tokens";
  readonly tokens: readonly StaticToken[];
}

/** The application that a token is of says what its holder may see. */
export interface AskOptions extends FirstFrame {
  readonly mode: "ask";
  /** http or https; the token goes there. */
  readonly url: string;
  /** Default GET. */
  readonly method?: "GET" | "POST";
  /** Header that carries the token. Default `authorization`, as `Bearer <token>`; any other holds the token alone. */
  readonly header?: string;
  /** For an answer, ms. Default 5,000. */
  readonly timeoutMs?: number;
  /** PEM of the authorities that may sign the application's certificate. Default: the system's. */
  readonly ca?: string;
  /** How long what is known holds while the application is away, ms. Default 300,000. */
  readonly keepMs?: number;
  /** JSON pointers (RFC 6901). */
  readonly grants: {
    /** From the answer to its list. */
    readonly list: string;
    /** From an item to the connection's name. */
    readonly connection: string;
    /** From an item to the path of the grant. Absent: everything of the connection. */
    readonly path?: string | undefined;
  };
}

/** What a trusted proxy says of whom it lets through. */
export interface HeadersOptions {
  readonly mode: "headers";
  /** Header with the user's name; for the log. */
  readonly user?: string;
  /** Header with the grants, as JSON. */
  readonly grants?: string;
  /** How long a socket may live before its client must come through the proxy anew, ms. Default 3,600,000. */
  readonly sessionMs?: number;
  /** Instead of both: a signed header, with the claim `smb`. */
  readonly assertion?: { readonly header: string; readonly jwt: JwtOptions };
}

export type AuthOptions =
  | JwtOptions
  | StaticOptions
  | AskOptions
  | HeadersOptions
  /** Everyone may see everything. Only on a loopback address, unless `allowAnonymous`. */
  | { readonly mode: "none"; readonly allowAnonymous?: boolean };

/** Another application's WebSocket, whose frames go to the same clients. */
export interface UpstreamOptions {
  /** ws or wss; the client's token goes there, the way the client brought it. */
  readonly url: string;
  /** Types of frames that are passed on; ours never are. Empty: all others. */
  readonly types: readonly string[];
  /** For its handshake, ms. */
  readonly timeoutMs: number;
  /** PEM of the authorities that may sign its certificate. Default: the system's. */
  readonly ca?: string;
}

/** A connection that browsers may name. */
export interface ServedConnection {
  readonly name: string;
  readonly caseSensitive: boolean;
}

export interface GatewayLimits {
  /** WebSocket connections. Default 10,000. */
  readonly connections: number;
  /** WebSocket connections of one IPv4 address or IPv6 /64. Default 100. */
  readonly connectionsPerAddress: number;
  /** Handshakes and first frames being waited for. Default 1,000. */
  readonly pendingHandshakes: number;
  /** Default 1,000. */
  readonly subscriptionsPerSocket: number;
  /** `list` requests of one socket under way. Default 4. */
  readonly listsPerSocket: number;
  /** Largest message a client may send, bytes; a larger one closes with 1009. Default 16,384. */
  readonly messageBytes: number;
  /** Messages a client may send, sustained. Default 50. */
  readonly messagesPerSecond: number;
  /** Messages a client may send at once. Default: all its subscriptions, and as many again. */
  readonly messageBurst: number;
  /** Unsent bytes from which on events are held back and merged. Default 262,144. */
  readonly softBufferBytes: number;
  /** Unsent bytes at which a reader is closed. Default 1,048,576. */
  readonly bufferBytes: number;
  /** How long a reader may stay above `softBufferBytes` before it is closed, ms. Default 30,000. */
  readonly slowReaderMs: number;
  /** Changes held back for one socket before they are replaced by a resync. Default 10,000. */
  readonly pendingChanges: number;
  /** Messages replayed for one `since` before it is answered with a resync. Default 10,000. */
  readonly replayMessages: number;
  /** Entries kept for those who want snapshots, of all directories together. Default 1,000,000. */
  readonly mirroredEntries: number;
}

export interface GatewayTimes {
  /** For the first `auth` frame. Default 5,000. */
  readonly authMs: number;
  /** For the worker to accept a watch. Default 30,000. */
  readonly subscribeMs: number;
  /** For a listing. Default 30,000. */
  readonly listMs: number;
  /** Between pings, each moved by up to a tenth. Default 30,000. */
  readonly pingMs: number;
  /** At most one `directory_changed` without `detail` per directory in this time, with it while much is told. Default 250. */
  readonly coalesceMs: number;
  /** With `detail`: how long further news of names that have just been told are gathered. Default 100. */
  readonly windowMs: number;
  /** For the head of an HTTP request. Default 10,000. */
  readonly headersMs: number;
  /** Over how long clients are sent away at close. Default 10,000. */
  readonly drainMs: number;
  /** For the close handshake, before the socket is cut. Default 2,000. */
  readonly closeMs: number;
}

export interface GatewayOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** 0 (default) takes a free one. */
  readonly port?: number;
  readonly auth: AuthOptions;
  readonly connections: readonly ServedConnection[];
  /** Origins of pages that may connect beside the gateway's own; `*` is any. */
  readonly allowedOrigins?: readonly string[];
  /** Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /** Absent: none. */
  readonly upstream?: UpstreamOptions | undefined;
  readonly limits?: Partial<GatewayLimits>;
  readonly times?: Partial<GatewayTimes>;
}

export function resolveLimits(given: Partial<GatewayLimits> = {}): GatewayLimits {
  const subscriptionsPerSocket = given.subscriptionsPerSocket ?? 1_000;
  const bufferBytes = given.bufferBytes ?? 1_048_576;
  return {
    connections: 10_000,
    connectionsPerAddress: 100,
    pendingHandshakes: 1_000,
    subscriptionsPerSocket,
    listsPerSocket: 4,
    messageBytes: 16_384,
    messagesPerSecond: 50,
    messageBurst: 2 * subscriptionsPerSocket,
    softBufferBytes: Math.floor(bufferBytes / 4),
    bufferBytes,
    slowReaderMs: 30_000,
    pendingChanges: 10_000,
    replayMessages: 10_000,
    mirroredEntries: 1_000_000,
    ...given,
  };
}

export function resolveTimes(given: Partial<GatewayTimes> = {}): GatewayTimes {
  return {
    authMs: 5_000,
    subscribeMs: 30_000,
    listMs: 30_000,
    pingMs: 30_000,
    coalesceMs: 250,
    windowMs: 100,
    headersMs: 10_000,
    drainMs: 10_000,
    closeMs: 2_000,
    ...given,
  };
}
