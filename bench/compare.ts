import { type Comparison, compareSections, describeComparison } from "./comparison.ts";
import { CompareError, checkOut, measure, type Place, remove, resolveCommit } from "./other-commit.ts";
import type { Section } from "./stats.ts";

export interface CompareOptions {
  /** This working tree, as it stands. */
  readonly root: string;
  /** The other one: a commit, a tag, a branch. */
  readonly ref: string;
  readonly sections: readonly string[];
  /** How often each section is measured with each of the two, at least 1. */
  readonly rounds: number;
  readonly quick: boolean;
  readonly signal: AbortSignal;
}

export interface CompareReport {
  /** Of the other commit, in full. */
  readonly before: string;
  readonly rounds: number;
  readonly sections: readonly (Comparison & { readonly section: string })[];
  /** Sections without a comparison, and why. */
  readonly left: readonly { readonly section: string; readonly why: string }[];
}

/**
 * Measures sections with another commit and with this tree, in turn, and prints each comparison when it is made. The two
 * change places from round to round, so that a machine that gets busier favours neither.
 * @throws CompareError where the other commit cannot be had; a section that fails is told of in `left`.
 */
export async function compare(options: CompareOptions): Promise<CompareReport> {
  const { root, ref, signal } = options;
  const commit = await resolveCommit(root, ref, signal);
  const now: Place = { name: "now", root };
  console.error(`bench: building ${commit.slice(0, 7)}`);
  const before = await checkOut(root, commit, signal);
  const sections: (Comparison & { section: string })[] = [];
  const left: { section: string; why: string }[] = [];
  try {
    for (const section of options.sections) {
      try {
        const comparison = await compareOne(section, before, now, options);
        sections.push({ section, ...comparison });
        console.log(`\n${describeComparison(comparison, before.name)}`);
      } catch (error) {
        if (signal.aborted || !(error instanceof CompareError)) throw error;
        left.push({ section, why: error.message });
        console.error(`bench: ${error.message}`);
      }
    }
  } finally {
    remove(before.root);
  }
  return { before: commit, rounds: options.rounds, sections, left };
}

async function compareOne(
  section: string,
  before: Place,
  now: Place,
  { rounds, quick, signal }: CompareOptions,
): Promise<Comparison> {
  const found = new Map<Place, Section[]>([
    [before, []],
    [now, []],
  ]);
  for (let round = 0; round < rounds; round++) {
    for (const place of round % 2 === 0 ? [before, now] : [now, before]) {
      console.error(`bench: ${section}, round ${round + 1} of ${rounds}, ${place.name}`);
      const result = await measure(place, section, quick ? ["--quick"] : [], signal);
      if (result === undefined) throw new CompareError(`${place.name} has no section ${section}`);
      found.get(place)?.push(result);
    }
  }
  return compareSections(found.get(before) ?? [], found.get(now) ?? []);
}
