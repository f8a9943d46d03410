/** MS-DTYP 2.3.3: 100 ns since 1601-01-01 UTC. */

const TICKS_PER_MS = 10_000n;
const EPOCH_DIFFERENCE = 116_444_736_000_000_000n;

/** Unix milliseconds, rounded down. 0 ("not known") becomes 0. */
export function filetimeToUnixMs(filetime: bigint): number {
  if (filetime === 0n) return 0;
  // Divided before the epochs are subtracted: BigInt division rounds towards zero, and only this side of it is never negative.
  return Number(filetime / TICKS_PER_MS - EPOCH_DIFFERENCE / TICKS_PER_MS);
}

export function unixMsToFiletime(ms: number): bigint {
  return BigInt(Math.floor(ms)) * TICKS_PER_MS + EPOCH_DIFFERENCE;
}
