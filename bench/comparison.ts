import { type Row, rounded, type Section } from "./stats.ts";

/** What one number of a section was, round by round; `name` and `unit` together say which. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly before: readonly number[];
  readonly now: readonly number[];
}

/** What chance does less often than this is not called chance. */
const SELDOM = 0.05;

export interface Compared extends Measure {
  readonly medianBefore: number;
  readonly medianNow: number;
  /** Median of now by median of before; undefined where that would be a division by 0. */
  readonly ratio: number | undefined;
  /** True where every value of one is beyond every value of the other, and chance alone does that once in 20 or less. */
  readonly apart: boolean;
}

export interface Comparison {
  readonly title: string;
  readonly method: string;
  /** What was done differs: the numbers are of two methods, too. */
  readonly methodBefore?: string;
  readonly rows: readonly Compared[];
  /** Rows that one of the two does not have. */
  readonly onlyBefore: readonly string[];
  readonly onlyNow: readonly string[];
}

/**
 * Numbers of a row: `12` is one; `4.01 / 54.14` in `ms p50 / p99` are two, each with its part of the unit; and
 * `20000 / 18719` in `of 20000` is one, seen twice.
 */
export function measuresOf(row: Row): { name: string; unit: string; values: number[] }[] {
  if (typeof row.value === "number") return [{ name: row.name, unit: row.unit, values: [row.value] }];
  const values = row.value.split(" / ").map(Number);
  if (values.some(Number.isNaN)) return [];
  const parts = row.unit.split(" / ");
  if (parts.length !== values.length) return [{ name: row.name, unit: row.unit, values }];
  // `ms p50 / p99`: the unit stands once, before the first of the parts.
  const blank = parts[0]?.lastIndexOf(" ") ?? -1;
  const unit = parts[0]?.slice(0, Math.max(blank, 0)) ?? "";
  return values.map((value, index) => ({
    name: `${row.name}, ${index === 0 ? parts[0]?.slice(blank + 1) : parts[index]}`,
    unit,
    values: [value],
  }));
}

/**
 * One section, measured `before.length` times with the one and `now.length` times with the other.
 * @throws RangeError where one side has no round.
 */
export function compareSections(before: readonly Section[], now: readonly Section[]): Comparison {
  const [first, last] = [before.at(-1), now.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("nothing to compare: no round");
  const [was, is] = [collect(before), collect(now)];
  const both = [...is.values()].filter((each) => was.has(keyOf(each)));
  const rows = both.map((each) =>
    compared({ ...each, before: was.get(keyOf(each))?.values ?? [], now: each.values }),
  );
  const missing = (from: typeof is, there: typeof is): string[] =>
    [...from.values()].filter((each) => !there.has(keyOf(each))).map(({ name }) => name);
  return {
    title: last.title,
    method: last.method,
    ...(first.method === last.method ? {} : { methodBefore: first.method }),
    rows,
    onlyBefore: missing(was, is),
    onlyNow: missing(is, was),
  };
}

function compared({ name, unit, before, now }: Measure): Compared {
  const [medianBefore, medianNow] = [median(before), median(now)];
  const beyond = Math.min(...now) > Math.max(...before) || Math.max(...now) < Math.min(...before);
  const apart = beyond && chanceOfApart(before.length, now.length) <= SELDOM;
  const ratio = medianBefore === 0 ? undefined : rounded(medianNow / medianBefore);
  return { name, unit, before, now, medianBefore, medianNow, ratio, apart };
}

/**
 * How probable it is that `m` and `n` values of the same kind do not overlap: 2 of all the ways to deal them out
 * (the exact rank test at its end). 1 in 10 for 3 and 3, 1 in 35 for 4 and 4.
 */
export function chanceOfApart(m: number, n: number): number {
  let ways = 1;
  for (let k = 1; k <= n; k++) ways = (ways * (m + k)) / k;
  return Math.min(1, 2 / ways);
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
  return lower === upper ? upper : rounded((lower + upper) / 2, 4);
}

interface Collected {
  readonly name: string;
  readonly unit: string;
  readonly values: number[];
}

function keyOf({ name, unit }: { readonly name: string; readonly unit: string }): string {
  return `${name}\0${unit}`;
}

function collect(rounds: readonly Section[]): Map<string, Collected> {
  const found = new Map<string, Collected>();
  for (const { name, unit, values } of rounds.flatMap(({ rows }) => rows.flatMap(measuresOf))) {
    const known = found.get(keyOf({ name, unit }));
    if (known === undefined) found.set(keyOf({ name, unit }), { name, unit, values: [...values] });
    else known.values.push(...values);
  }
  return found;
}

/** As a table: medians, how far the rounds went, the ratio, and a mark where the rounds do not overlap. */
export function describeComparison(comparison: Comparison, before: string): string {
  const { title, method, methodBefore, rows, onlyBefore, onlyNow } = comparison;
  const lines = [`### ${title}`, "", method];
  if (methodBefore !== undefined) lines.push("", `${before} measured otherwise: ${methodBefore}`);
  lines.push("", `| what | ${before} | now | unit | now / ${before} | |`, "|---|---|---|---|---|---|");
  for (const { name, unit, medianBefore, medianNow, ratio, apart, before: was, now } of rows) {
    const cells = [
      spread(medianBefore, was),
      spread(medianNow, now),
      unit,
      ratio ?? "",
      apart ? "apart" : "",
    ];
    lines.push(`| ${name} | ${cells.join(" | ")} |`);
  }
  if (onlyBefore.length > 0) lines.push("", `Only with ${before}: ${onlyBefore.join("; ")}`);
  if (onlyNow.length > 0) lines.push("", `Only now: ${onlyNow.join("; ")}`);
  return lines.join("\n");
}

function spread(middle: number, values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? `${middle}` : `${middle} (${low} to ${high})`;
}
