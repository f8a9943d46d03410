import { BrokerError } from "./errors.ts";

/**
 * Refuses servers on which two processes can win the same compare-and-swap, measured and published:
 * clustered buckets below 2.9.21 (nats-server #4320) and, to stay clear of the fixes after it, below 2.10.20;
 * any bucket on 2.10.19 (nats-server #5840).
 * @throws BrokerError `BROKER_UNSAFE_SERVER`
 */
export function checkServerVersion(version: string, replicas: number): void {
  const numbers = parseVersion(version);
  if (numbers === undefined) return; // a development build; nothing is known against it
  if (compare(numbers, [2, 9, 0]) < 0) {
    throw unsafe(version, "is older than 2.9; run 2.9 or newer");
  }
  if (compare(numbers, [2, 10, 19]) === 0) {
    throw unsafe(version, "accepts stale compare-and-swap writes; run 2.10.20 or newer");
  }
  if (replicas > 1 && compare(numbers, [2, 10, 20]) < 0) {
    throw unsafe(
      version,
      `loses compare-and-swap writes on buckets with ${replicas} replicas; run 2.10.20 or newer, or 1 replica`,
    );
  }
}

type Version = readonly [number, number, number];

function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d+)\.(\d+)\.(\d+)/.exec(text);
  if (match === null) return undefined;
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

function compare(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

function unsafe(version: string, reason: string): BrokerError {
  return new BrokerError("BROKER_UNSAFE_SERVER", `nats-server ${version} ${reason}`);
}
