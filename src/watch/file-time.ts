/** 100 ns since 1601 (MS-DTYP 2.3.3) to RFC 3339. Times no Date can hold become the nearest it can. */
export function fileTimeToIso(time: bigint): string {
  const ms = Number(time / 10_000n) - 11_644_473_600_000;
  return new Date(Math.min(Math.max(ms, -62_135_596_800_000), 253_402_300_799_999)).toISOString();
}
