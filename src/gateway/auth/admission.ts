import type { IncomingHttpHeaders } from "node:http";
import type { RefusalFact } from "../facts.ts";
import type { GatewayLimits } from "../options.ts";
import { type AddressBook, addressGroup, isLoopback } from "./address.ts";
import { type Forwarded, NOTHING_FORWARDED, readForwarded } from "./forwarded.ts";

/** The subprotocol of section 5; the token may travel beside it as `bearer.<token>`. */
export const SUBPROTOCOL = "smb2nats.v1";
const BEARER_PROTOCOL = "bearer.";
export const SOCKET_PATHS: ReadonlySet<string> = new Set(["/ws", "/api/ws"]);

/** A request to upgrade, as it came. */
export interface Handshake {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
}

export type Admission =
  | {
      readonly ok: true;
      readonly token: string | undefined;
      /** It came as `?token=`. */
      readonly tokenInUrl?: true;
      /** Where it comes from, and what that counts as. */
      readonly client: string;
      readonly address: string;
      /** What a trusted proxy wrote in place of the client's address. */
      readonly unreadable?: string;
    }
  | { readonly ok: false; readonly status: number; readonly fact: RefusalFact };

export interface AdmissionOptions {
  readonly limits: GatewayLimits;
  readonly addresses: AddressBook;
  readonly allowedOrigins: readonly string[];
  /** Without authentication the Host must be a loopback name: a page that rebinds its own name to us must not get in. */
  readonly loopbackHostOnly: () => boolean;
}

/** Decides on a handshake before anything is upgraded, and counts those let in. */
export class Admissions {
  readonly #options: AdmissionOptions;
  readonly #perAddress = new Map<string, number>();
  #total = 0;
  #pending = 0;
  #draining = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  get total(): number {
    return this.#total;
  }

  /** Handshakes and sockets whose token is not checked yet. */
  get pending(): number {
    return this.#pending;
  }

  /** Nobody is let in any more. */
  drain(): void {
    this.#draining = true;
  }

  decide(handshake: Handshake): Admission {
    const { limits, addresses } = this.#options;
    const { headers, remoteAddress } = handshake;
    const proxied = addresses.isTrusted(remoteAddress);
    const believed = proxied ? readForwarded(headers) : NOTHING_FORWARDED;
    const { address: client, ...found } = addresses.clientOf(remoteAddress, believed.hops);
    // A proxy that says nothing makes all its clients one, as does one that says what cannot be read.
    const unreadable = proxied && believed.hops.length === 0 ? "" : found.unreadable;
    const refuse = (status: number, reason: RefusalFact["reason"]): Admission => ({
      ok: false,
      status,
      fact: { reason, ...claimsOf(headers, client) },
    });
    const url = parseTarget(handshake.url);
    if (url === undefined || !SOCKET_PATHS.has(url.pathname)) return refuse(404, "path");
    if (handshake.method !== "GET") return refuse(405, "method");
    if (this.#draining) return refuse(503, "draining");
    if (this.#options.loopbackHostOnly() && !isLoopback(hostName(headers.host))) return refuse(403, "host");
    if (!this.#originAllowed(headers, believed)) return refuse(403, "origin");
    if (this.#total >= limits.connections) return refuse(503, "connections");
    if (this.#pending >= limits.pendingHandshakes) return refuse(503, "pending");
    const address = addressGroup(client);
    if ((this.#perAddress.get(address) ?? 0) >= limits.connectionsPerAddress) return refuse(429, "address");
    const shown = tokenOf(headers);
    return {
      ok: true,
      token: shown ?? url.searchParams.get("token") ?? undefined,
      ...(shown === undefined && url.searchParams.has("token") ? { tokenInUrl: true } : {}),
      client,
      address,
      ...(unreadable === undefined ? {} : { unreadable }),
    };
  }

  /** What a handshake would meet that came as this plain request did, from a page of `?origin=`; tokens are not looked at. */
  foresee({ headers, url, remoteAddress }: Omit<Handshake, "method">): Admission {
    const target = parseTarget(url);
    const origin = headers.origin ?? target?.searchParams.get("origin") ?? undefined;
    const asked = { ...headers, ...(origin === undefined ? {} : { origin }) };
    return this.decide({ method: "GET", url: target?.pathname ?? "", headers: asked, remoteAddress });
  }

  /** Takes a seat. `authenticated` ends the waiting, `leave` gives the seat back; both may be called twice. */
  enter(address: string): { authenticated(): void; leave(): void } {
    this.#total++;
    this.#pending++;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    let waiting = true;
    let seated = true;
    const authenticated = (): void => {
      if (waiting) this.#pending--;
      waiting = false;
    };
    return {
      authenticated,
      leave: () => {
        authenticated();
        if (!seated) return;
        seated = false;
        this.#total--;
        const left = (this.#perAddress.get(address) ?? 1) - 1;
        if (left > 0) this.#perAddress.set(address, left);
        else this.#perAddress.delete(address);
      },
    };
  }

  /**
   * Browsers always send an Origin: without one it is another program, which could claim any. The gateway's own is the
   * name that the request was made to, which a proxy may have written elsewhere: no page can set those headers.
   */
  #originAllowed({ origin, host }: IncomingHttpHeaders, believed: Forwarded): boolean {
    if (origin === undefined) return true;
    const { allowedOrigins } = this.#options;
    if (allowedOrigins.includes("*") || allowedOrigins.includes(origin)) return true;
    if (!URL.canParse(origin)) return false;
    const page = new URL(origin);
    // Whoever can write into an unencrypted page is not the one who answers under its name.
    if (believed.https && page.protocol !== "https:") return false;
    const names = [host?.toLowerCase(), ...believed.hosts];
    return names.some((name) => name !== undefined && sameHost(page, name));
  }
}

/** A port that goes without saying is left out by browsers, and by some proxies not. */
function sameHost(page: URL, name: string): boolean {
  const url = `${page.protocol}//${name}`;
  return URL.canParse(url) && new URL(url).host === page.host;
}

const LONGEST_CLAIM = 200;

/** Of a handshake that something in between has made a plain request; `undefined` for any other. */
export function lostUpgrade(headers: IncomingHttpHeaders, address: string): RefusalFact | undefined {
  // Proxies take `Upgrade` away, and leave the rest.
  if (headers["sec-websocket-key"] === undefined) return undefined;
  return { reason: "no-upgrade", ...claimsOf(headers, address) };
}

/** What tells an operator why, cut to what a log line bears. */
function claimsOf(headers: IncomingHttpHeaders, address: string): Omit<RefusalFact, "reason"> {
  const claims: Record<string, string> = { address };
  const forwardedHost = headers["x-forwarded-host"];
  const all = { origin: headers.origin, host: headers.host, forwardedHost: forwardedHost?.toString() };
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) claims[name] = value.slice(0, LONGEST_CLAIM);
  }
  return claims;
}

/** The subprotocols a client offers, in its order. */
export function offeredProtocols(headers: IncomingHttpHeaders): string[] {
  return (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
}

/** The request's target without its query, which may hold a token. */
export function withoutQuery(url: string): string {
  return url.split("?", 1)[0] ?? "";
}

/** In a header. */
function tokenOf(headers: IncomingHttpHeaders): string | undefined {
  const bearer = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const offered = offeredProtocols(headers).find((name) => name.startsWith(BEARER_PROTOCOL));
  return offered?.slice(BEARER_PROTOCOL.length);
}

export function parseTarget(target: string): URL | undefined {
  // A target that is not a path (`*`, `http://…`, `//host`) names something that is not here.
  if (!target.startsWith("/") || target.startsWith("//")) return undefined;
  try {
    return new URL(target, "http://gateway.invalid");
  } catch {
    return undefined;
  }
}

function hostName(host: string | undefined): string {
  try {
    return new URL(`http://${host}`).hostname;
  } catch {
    return "";
  }
}
