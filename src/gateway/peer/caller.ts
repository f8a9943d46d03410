import { randomBytes } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Identity } from "../auth/index.ts";
import type { ClientInfo } from "../clients.ts";
import type { WhoamiFrame } from "./protocol.ts";

/** What the handshake showed of a client. For the client itself and for operators: never part of a fact or a label. */
export interface Caller {
  /** Of this socket; opaque. */
  readonly id: string;
  /** Where it comes from, behind the proxies that are believed. */
  readonly address: string;
  readonly origin?: string;
  readonly host?: string;
  readonly userAgent?: string;
  /** Unix ms. */
  readonly since: number;
}

const LONGEST_HEADER = 256;

export function callerOf(address: string, headers: IncomingHttpHeaders, since: number): Caller {
  const { origin, host } = headers;
  const userAgent = headers["user-agent"];
  return {
    // An operator gives it to a command: base64url begins with a dash now and then, as an option does.
    id: randomBytes(9).toString("hex"),
    address,
    since,
    ...(origin === undefined ? {} : { origin: origin.slice(0, LONGEST_HEADER) }),
    ...(host === undefined ? {} : { host: host.slice(0, LONGEST_HEADER) }),
    ...(userAgent === undefined ? {} : { userAgent: userAgent.slice(0, LONGEST_HEADER) }),
  };
}

/** How the gateway sees whoever asks: where proxies and tokens are set up wrongly, this is where it shows. */
export function whoamiFrame(
  { id: client, address, origin, host }: Caller,
  { rights, subject, expiresAt }: Identity,
): WhoamiFrame {
  return {
    type: "whoami",
    client,
    address,
    ...(origin === undefined ? {} : { origin }),
    ...(host === undefined ? {} : { host }),
    ...(subject === undefined ? {} : { subject }),
    ...(expiresAt === undefined ? {} : { expires: new Date(expiresAt).toISOString() }),
    grants: rights.grants,
  };
}

/** As operators see it. `identity` is absent while its token is waited for. */
export function clientInfo(
  { id: client, address, origin, since, userAgent }: Caller,
  identity: Identity | undefined,
  more: Pick<ClientInfo, "connections" | "subscriptions" | "unsentBytes">,
): ClientInfo {
  return {
    client,
    address,
    ...(identity?.subject === undefined ? {} : { subject: identity.subject }),
    ...(origin === undefined ? {} : { origin }),
    ...(userAgent === undefined ? {} : { userAgent }),
    since: new Date(since).toISOString(),
    ...more,
  };
}
