import { BlockList, isIP } from "node:net";
import { GatewayOptionsError } from "../errors.ts";

/** Whose connections are counted together, found behind the proxies that are believed. */
export class AddressBook {
  readonly #trusted = new BlockList();

  /** @throws GatewayOptionsError for what is neither an address nor a CIDR range. */
  constructor(trustedProxies: readonly string[]) {
    for (const range of trustedProxies) {
      const [address = "", prefix] = range.split("/");
      const family = familyOf(address);
      const bits = prefix === undefined ? (family === "ipv4" ? 32 : 128) : Number(prefix);
      if (family === undefined || !Number.isInteger(bits) || bits < 0) {
        throw new GatewayOptionsError(`trusted proxy ${JSON.stringify(range)} is not an address range`);
      }
      try {
        this.#trusted.addSubnet(address, bits, family);
      } catch {
        throw new GatewayOptionsError(`trusted proxy ${JSON.stringify(range)} is not an address range`);
      }
    }
  }

  /**
   * The nearest address that is not a trusted proxy: `X-Forwarded-For` is read from the right, because
   * everything left of what our own proxies wrote is the client's invention.
   */
  clientOf(remote: string | undefined, forwardedFor: string | undefined): string {
    let client = plain(remote ?? "");
    const hops = (forwardedFor ?? "").split(",").map((hop) => plain(hop.trim()));
    for (let hop = hops.pop(); hop !== undefined && this.#isTrusted(client); hop = hops.pop()) {
      if (isIP(hop) === 0) break;
      client = hop;
    }
    return client;
  }

  #isTrusted(address: string): boolean {
    const family = familyOf(address);
    return family !== undefined && this.#trusted.check(address, family);
  }
}

/** One IPv4 address, or the /64 that one IPv6 host has to itself. */
export function addressGroup(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":")}::/64`;
}

export function isLoopback(host: string): boolean {
  const name = plain(host.toLowerCase().replace(/^\[(.*)\]$/, "$1"));
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : undefined;
}

/** Without zone and without the IPv6 clothes of an IPv4 address. */
function plain(address: string): string {
  return address.replace(/%.*$/, "").replace(/^::ffff:(?=\d+\.)/i, "");
}
