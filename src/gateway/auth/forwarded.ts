import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";

/**
 * What proxies say of a request that they pass on: the `X-Forwarded-…` headers that nearly all of them write, or
 * `Forwarded` (RFC 7239). Whether any of it is believed is for the address book to say.
 */
export interface Forwarded {
  /** Hops from the client's end to ours, as written. */
  readonly hops: readonly string[];
  /** Names that the request was made to. */
  readonly hosts: readonly string[];
  /** `https` where a proxy says that the client's own line is encrypted. */
  readonly https: boolean;
}

export const NOTHING_FORWARDED: Forwarded = { hops: [], hosts: [], https: false };

/**
 * `X-Forwarded-For` wins where both are there: a proxy that writes it may pass on a `Forwarded` of the client's invention.
 */
export function readForwarded(headers: IncomingHttpHeaders): Forwarded {
  const elements = elementsOf(headers["forwarded"] ?? "").map(pairsOf);
  const written = (header: string, name: string): string[] => {
    const own = itemsOf(headers[header]);
    return own.length > 0 ? own : elements.flatMap((pairs) => pairs.get(name) ?? []);
  };
  const protocols = written("x-forwarded-proto", "proto");
  return {
    hops: written("x-forwarded-for", "for"),
    hosts: written("x-forwarded-host", "host").map((host) => host.toLowerCase()),
    https: protocols.some((protocol) => /^(https|wss)$/i.test(protocol)),
  };
}

/**
 * The address of a hop, without the port that Azure's gateway, IIS and HAProxy's `Forwarded` write beside it:
 * `1.2.3.4`, `1.2.3.4:1001`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:1001`. `undefined` where it names none
 * (`unknown`, `_hidden`, a host name, half an address).
 */
export function hopAddress(hop: string): string | undefined {
  const [, inBrackets, beforePort] = /^(?:\[([^\]]*)\](?::[^:]*)?|([^:]*)(?::[^:]*)?)$/.exec(hop) ?? [];
  const address = plainAddress(inBrackets ?? beforePort ?? hop);
  return isIP(address) === 0 ? undefined : address;
}

/** Without zone and without the IPv6 clothes of an IPv4 address. */
export function plainAddress(address: string): string {
  return address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
}

function itemsOf(header: string | readonly string[] | undefined): string[] {
  return (header ?? "")
    .toString()
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** Of some ten proxies. Looking for the end of a quoted text costs the square of what there is. */
const LONGEST_FORWARDED = 2_048;

/** As RFC 7239 has them: commas inside quotes separate nothing. */
function elementsOf(header: string): readonly string[] {
  if (header.length > LONGEST_FORWARDED) return [];
  return header.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [];
}

/** `for=192.0.2.60;proto=http;host="a:1"` */
function pairsOf(element: string): ReadonlyMap<string, string> {
  const pairs = new Map<string, string>();
  for (const [, name = "", quoted, bare = ""] of element.matchAll(
    /([!#$%&'*+.^_`|~\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))/g,
  )) {
    pairs.set(name.toLowerCase(), quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1"));
  }
  return pairs;
}
