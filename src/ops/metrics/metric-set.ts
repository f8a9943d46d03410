import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Values of each label; `"any"` where they are known only at run time (connection names, status codes). */
export type LabelValues<L extends string> = Readonly<Record<L, readonly string[] | "any">>;

/** Network answers: 0.25 ms to 10 s. */
const FAST: readonly number[] = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];
/** Scans and catching up: 10 ms to 10 min. */
const SLOW: readonly number[] = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

export interface MetricDefinition {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
}

/**
 * Defines metrics under our prefix. Label sets whose values are all known start at 0, so that a rate
 * over the first failure is not blind to it.
 */
export class MetricSet {
  readonly registry: Registry = new Registry();
  readonly #definitions: MetricDefinition[] = [];

  /** In order of definition. */
  get definitions(): readonly MetricDefinition[] {
    return this.#definitions;
  }

  /** `name` without prefix; it ends in `_total`. */
  counter<L extends string = never>(name: string, help: string, labels: LabelValues<L>): Counter<L> {
    const counter = new Counter<L>(this.#common("counter", name, help, labels));
    for (const set of knownSets(labels)) counter.inc(set, 0);
    return counter;
  }

  /** `name` ends in its base unit, where it has one. */
  gauge<L extends string = never>(name: string, help: string, labels: LabelValues<L>): Gauge<L> {
    const gauge = new Gauge<L>(this.#common("gauge", name, help, labels));
    for (const set of knownSets(labels)) gauge.set(set, 0);
    return gauge;
  }

  /** `name` ends in `_seconds`. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels: LabelValues<L>,
    range: "fast" | "slow" = "fast",
  ): Histogram<L> {
    const buckets = [...(range === "fast" ? FAST : SLOW)];
    const histogram = new Histogram<L>({ ...this.#common("histogram", name, help, labels), buckets });
    for (const set of knownSets(labels)) histogram.zero(set);
    return histogram;
  }

  #common<L extends string>(
    type: MetricDefinition["type"],
    name: string,
    help: string,
    labels: LabelValues<L>,
  ): { name: string; help: string; labelNames: L[]; registers: Registry[] } {
    const labelNames = Object.keys(labels) as L[];
    const full = `smb2nats_${name}`;
    this.#definitions.push({ name: full, type, help, labels: labelNames });
    return { name: full, help, labelNames, registers: [this.registry] };
  }
}

/** Every combination of label values; none when a label's values are not known beforehand. */
function knownSets<L extends string>(labels: LabelValues<L>): Record<L, string>[] {
  let sets: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries<readonly string[] | "any">(labels)) {
    if (values === "any") return [];
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [label]: value })));
  }
  return sets;
}

/**
 * Keeps a label within bounds where the other side chooses its values (status names, close codes):
 * beyond `limit` distinct ones, new ones are `other`.
 */
export class BoundedLabel {
  readonly #seen = new Set<string>();
  readonly #limit: number;

  constructor(limit = 100) {
    this.#limit = limit;
  }

  of(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size >= this.#limit) return "other";
    this.#seen.add(value);
    return value;
  }
}
