/** MS-DTYP 2.3.3: 100 ns since 1601-01-01 UTC. */

const EPOCH_DIFFERENCE = 116_444_736_000_000_000n;

/** Unix milliseconds, rounded down. 0 ("not known") becomes 0. */
export function filetimeToUnixMs(filetime: bigint): number {
  return filetime === 0n ? 0 : Number((filetime - EPOCH_DIFFERENCE) / 10_000n);
}

export function unixMsToFiletime(ms: number): bigint {
  return BigInt(Math.trunc(ms)) * 10_000n + EPOCH_DIFFERENCE;
}
