import { seeded } from "../../test/support/random.ts";

/** Everything random in a run, from one seed. */
export class Chance {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  /** Uniform in [0, 1). */
  readonly uniform = (): number => this.#random();

  happens(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  pick<T>(from: readonly T[]): T {
    const index = Math.floor(this.#random() * from.length);
    if (from.length === 0) throw new Error("nothing to pick from");
    return from[index] as T;
  }

  /** Picks by weight. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries(weights) as [T, number][];
    let left = this.#random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    return (entries.at(-1) as [T, number])[0];
  }
}
