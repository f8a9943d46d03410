import { setTimeout as delay } from "node:timers/promises";
import { isWithin } from "../../../src/base/path.ts";
import type { Consumer } from "../consumer.ts";
import type { ShareClient } from "./share-client.ts";
import { type ShareTruth, type Stage, shareTruth } from "./stage.ts";

/** How old a wrong picture may get, s: what docs/watching.md says, for the periods of the run. */
export interface Bounds {
  /** Of names that come and go. */
  readonly names: number;
  /** Of what files hold, and of what only a comparison of everything finds. */
  readonly contents: number;
}

/** The bounds with every option at its default. */
export const DOCUMENTED: Bounds = { names: 120, contents: 600 };

/** Each directory is asked within two periods, each compared within two; and all that takes its time. */
export function boundsOf(periods: {
  readonly healthSeconds: number;
  readonly rescanMinutes: number;
}): Bounds {
  const WORK = 10;
  return {
    names: Math.min(DOCUMENTED.names, 2 * periods.healthSeconds + WORK),
    contents: Math.min(DOCUMENTED.contents, 2 * 60 * periods.rescanMinutes + WORK),
  };
}

export interface Wrong {
  readonly consumer: string;
  readonly what: string;
  readonly path: string;
  readonly bound: keyof Bounds;
}

export interface Verdict {
  /** How long it took until all was right, s, by what was wrong. */
  readonly seconds: Bounds;
  /** What of it was wrong last. */
  readonly last: Readonly<Partial<Record<keyof Bounds, string>>>;
  /** What was wrong for longer than it may. */
  readonly overdue: readonly Wrong[];
}

export interface ConvergeOptions {
  readonly bounds: Bounds;
  /** Between two looks. */
  readonly everyMs: number;
  /** So often the watch has compared everything until now. */
  readonly comparisons: () => number;
}

/** On a machine with too much to do, short periods become longer ones. */
const COMPARED = 2;

/**
 * Waits until every consumer has it right, or anything has been wrong for longer than it may: than `bounds`, where the
 * watch has compared everything twice meanwhile, and never for longer than is documented.
 */
export async function converge(
  judge: ShareClient,
  stage: Stage,
  consumers: readonly Consumer[],
  { bounds, everyMs, comparisons }: ConvergeOptions,
): Promise<Verdict> {
  const began = performance.now();
  const seconds = { names: 0, contents: 0 };
  const last: Partial<Record<keyof Bounds, string>> = {};
  let since = new Map<string, { readonly at: number; readonly compared: number }>();
  for (;;) {
    for (const mirror of consumers.flatMap(({ mirrors }) => mirrors)) mirror.retry();
    const truth = await shareTruth(judge, stage);
    const now = performance.now();
    stage.refused(truth?.refused ?? [], { anew: false });
    const wrong = consumers.flatMap((consumer) => judged(consumer, truth, stage));
    // A share may change by itself: what it hid for a while is shown. Then it is something else that is wrong.
    since = new Map(
      wrong.map(keyOf).map((key) => [key, since.get(key) ?? { at: now, compared: comparisons() }]),
    );
    for (const { bound, consumer, what } of wrong) {
      seconds[bound] = (now - began) / 1_000;
      last[bound] = `${consumer}: ${what}`;
    }
    const overdue = wrong.filter((one) => {
      const { at, compared } = since.get(keyOf(one)) ?? { at: now, compared: 0 };
      const seconds = (now - at) / 1_000;
      const due = seconds > bounds[one.bound] && comparisons() - compared >= COMPARED;
      return due || seconds > DOCUMENTED[one.bound];
    });
    if (wrong.length === 0) stage.refused(truth?.refused ?? [], { anew: true });
    if (wrong.length === 0 || overdue.length > 0) return { seconds, last, overdue };
    await delay(everyMs);
  }
}

const keyOf = ({ consumer, what }: Wrong): string => `${consumer} ${what}`;

function judged(consumer: Consumer, truth: ShareTruth | undefined, stage: Stage): Wrong[] {
  const { name: who, calm, handle } = consumer;
  const { path, recursive } = consumer.interest;
  const state = (what: string, bound: keyof Bounds = "names"): Wrong => ({
    consumer: who,
    what,
    path,
    bound,
  });
  if (truth === undefined) return handle.state === "gone" ? [] : [state(`is ${handle.state}, not gone`)];
  const entries = recursive
    ? truth.entries
    : new Map([...truth.entries].filter(([full]) => full.lastIndexOf("/") === path.length));
  const refused = recursive ? truth.refused : truth.refused.filter((one) => one === path);
  const wrong = consumer.wrong(entries).map((what): Wrong => {
    const at = pathOf(what);
    const contents = what.endsWith(CONTENTS) || stage.foundByComparing(at);
    return { consumer: who, what, path: at, bound: contents ? "contents" : "names" };
  });
  // What the account may not list cannot be known, only that it is so.
  const known = wrong.filter((one) => !refused.some((dir) => isWithin(dir, one.path) && dir !== one.path));
  const silent = refused.length > 0 && handle.state === "live";
  return [
    ...(calm || truth.refused.includes(path) ? [] : [state(`is ${handle.state}`)]),
    ...(silent ? [state(`says live, and ${refused[0]} is refused`, "contents")] : []),
    ...known,
  ];
}

const CONTENTS = ": a change of its content was not told";

function pathOf(disagreement: string): string {
  return disagreement.replace(/: [^:]*$/, "");
}
