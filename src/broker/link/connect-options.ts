import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import {
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { describeError } from "../../base/errors.ts";
import { BrokerError } from "../errors.ts";

export interface ConnectOptions {
  /** `nats://host:4222`, `tls://host:4222`; one `tls://` insists on TLS for all. */
  readonly servers: readonly string[];
  /** Shown by the server's monitoring. */
  readonly name: string;
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  /** At most one way to log in. Files are read anew at each connect, so secrets can be rotated. */
  readonly auth?: ConnectAuth;
  /** Default `_INBOX`. Give each user its own and allow only that, else users can read each other's replies. */
  readonly inboxPrefix?: string;
  /** JetStream domain that has the streams, where it is not the server's own: at a leaf node. */
  readonly domain?: string;
  /** See `Subjects`. Default `smb`. */
  readonly subjectPrefix?: string;
  /** Silence after which the server is asked, ms; it is given up after two unanswered. Default 3,000. */
  readonly pingIntervalMs?: number;
  /** One dial and login, ms. Default 5,000. */
  readonly dialTimeoutMs?: number;
  /** Requests to JetStream, ms. Default 2,000. */
  readonly requestTimeoutMs?: number;
  /** How long to try for the first connection, ms. Absent: until aborted. */
  readonly firstConnectMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export type ConnectAuth =
  | {
      readonly type: "user";
      readonly user: string;
      readonly password?: string;
      readonly passwordFile?: string;
    }
  | { readonly type: "token"; readonly token?: string; readonly tokenFile?: string }
  | { readonly type: "nkey"; readonly seedFile: string }
  | { readonly type: "creds"; readonly credsFile: string };

const RECONNECT_WAIT_MS = 500;

/** @throws BrokerError `BROKER_BAD_OPTIONS` */
export function natsOptions(options: ConnectOptions): NodeConnectionOptions {
  if (options.servers.length === 0) throw new BrokerError("BROKER_BAD_OPTIONS", "no NATS server is given");
  const odd = options.servers.find((server) => /^wss?:/i.test(server));
  if (odd !== undefined)
    throw new BrokerError("BROKER_BAD_OPTIONS", `${odd}: NATS over WebSocket is not spoken`);
  const { caFile, certFile, keyFile } = options.tls ?? {};
  for (const file of [caFile, certFile, keyFile]) if (file !== undefined) readSecret(file);
  const authenticator = options.auth === undefined ? undefined : authenticatorOf(options.auth);
  return {
    servers: [...options.servers],
    name: options.name,
    timeout: options.dialTimeoutMs ?? 5_000,
    // The client's default gives up for good after ten tries.
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    // Spreads the return of a fleet over the time a server needs to come up.
    reconnectJitter: RECONNECT_WAIT_MS,
    reconnectJitterTLS: 2 * RECONNECT_WAIT_MS,
    // The default finds a half-open connection after more than four minutes.
    pingInterval: options.pingIntervalMs ?? 3_000,
    maxPingOut: 2,
    // Secrets get rotated: a login refused twice must not end a daemon.
    ignoreAuthErrorAbort: true,
    // One stack trace per publish would halve the publish rate.
    noAsyncTraces: true,
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    ...tlsOf(options),
    ...(authenticator === undefined ? {} : { authenticator }),
  };
}

/** To the client `tls://` is a mere spelling: only options of TLS keep it from going on in plain text. */
function tlsOf({ tls, servers }: ConnectOptions): Pick<NodeConnectionOptions, "tls"> {
  if (tls === undefined && !servers.some((server) => server.startsWith("tls://"))) return {};
  const { caFile, certFile, keyFile } = tls ?? {};
  const settings = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    checkServerIdentity: identityCheck(servers),
  };
  return { tls: settings };
}

/**
 * The client names no host where a server is given by address, and Node then looks for "localhost" in the certificate.
 * In its place any of the configured addresses will do.
 */
function identityCheck(
  servers: readonly string[],
): (host: string, certificate: PeerCertificate) => Error | undefined {
  const hosts = servers.map(hostOf).filter((host) => isIP(host) !== 0 || host === "localhost");
  return (host, certificate) => {
    if (host !== "localhost" || hosts.length === 0) return checkServerIdentity(host, certificate);
    const verdicts = hosts.map((address) => checkServerIdentity(address, certificate));
    return verdicts.includes(undefined) ? undefined : verdicts[0];
  };
}

function hostOf(server: string): string {
  const url = server.includes("://") ? server : `nats://${server}`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, "") : "";
}

type Authenticator = Exclude<NodeConnectionOptions["authenticator"], readonly unknown[] | undefined>;

function authenticatorOf(auth: ConnectAuth): Authenticator {
  switch (auth.type) {
    case "user": {
      const password = secret("password", auth.password, auth.passwordFile);
      return usernamePasswordAuthenticator(auth.user, password);
    }
    case "token":
      return tokenAuthenticator(secret("token", auth.token, auth.tokenFile));
    case "nkey":
      return nkeyAuthenticator(fileBytes(auth.seedFile));
    case "creds":
      // The client's parser wants the line break that ends the file; editors and secret stores may drop it.
      return credsAuthenticator(fileBytes(auth.credsFile, "\n"));
  }
}

/** A file is checked now, so that a typo is an error at start, and read again at each login. */
function secret(what: string, value: string | undefined, file: string | undefined): () => string {
  if ((value === undefined) === (file === undefined)) {
    throw new BrokerError("BROKER_BAD_OPTIONS", `give either the ${what} or its file`);
  }
  if (file === undefined) return () => value ?? "";
  readSecret(file);
  return () => readSecret(file).toString("utf8").trim();
}

function fileBytes(file: string, end = ""): () => Uint8Array {
  readSecret(file);
  return () => Buffer.from(readSecret(file).toString("utf8").trim() + end, "utf8");
}

function readSecret(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new BrokerError("BROKER_BAD_OPTIONS", `cannot read ${file}: ${describeError(error)}`, error);
  }
}
