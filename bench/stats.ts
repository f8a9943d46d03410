import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Order statistics of one series. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export interface Row {
  /** What was measured. */
  readonly name: string;
  readonly value: number | string;
  readonly unit: string;
  /** How, or beside what. */
  readonly note?: string;
}

export interface Section {
  readonly title: string;
  /** One line on the method. */
  readonly method: string;
  readonly rows: readonly Row[];
}

export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** Bytes of heap and buffers after garbage collection: unlike resident memory, the same whatever ran before. */
export function settledMemory(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
