import { BlockList, isIP } from "node:net";
import { GatewayOptionsError } from "../errors.ts";
import { hopAddress, plainAddress } from "./forwarded.ts";

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

  /** Whether what this address says of others is believed. */
  isTrusted(address: string | undefined): boolean {
    const plain = plainAddress(address ?? "");
    const family = familyOf(plain);
    return family !== undefined && this.#trusted.check(plain, family);
  }

  /**
   * The nearest address that is not a trusted proxy: hops are read from the right, because everything left of what our
   * own proxies wrote is the client's invention. Where a trusted proxy wrote one that cannot be read, its own address
   * is all that is known, of all its clients.
   */
  clientOf(remote: string | undefined, forwarded: readonly string[]): Client {
    let address = plainAddress(remote ?? "");
    const hops = [...forwarded];
    while (this.isTrusted(address)) {
      const hop = hops.pop();
      if (hop === undefined) break;
      const next = hopAddress(hop);
      if (next === undefined) return { address, unreadable: hop };
      address = next;
    }
    return { address };
  }
}

export interface Client {
  readonly address: string;
  /** What a trusted proxy wrote in place of the next address. */
  readonly unreadable?: string;
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
  const name = plainAddress(host.toLowerCase().replace(/^\[(.*)\]$/, "$1"));
  return name === "localhost" || name === "::1" || (isIP(name) === 4 && name.startsWith("127."));
}

function familyOf(address: string): "ipv4" | "ipv6" | undefined {
  const version = isIP(address);
  return version === 4 ? "ipv4" : version === 6 ? "ipv6" : undefined;
}
