/**
 * What the bench and a listener say to each other, a line each, on the listener's standard input and output. The same for all,
 * whatever they are written in.
 *
 * | asked | answered |
 * |---|---|
 * | `set KEY VALUE`: host, port, user, password, domain, share, and what only some know | |
 * | `watch PATH`: of the share, without a slash at the start; not yet armed | |
 * | `arm`: all of them | `armed N`, when as many are |
 * | `count` | `count NAMES OVERFLOWS COMPARED`: different names heard of, and how many of them by comparing listings |
 * | `clear PREFIX`: what was heard; from now on only names that begin so count | `cleared` |
 * | `tell` | `heard NS NAME` for each name, when it was first heard of (CLOCK_MONOTONIC), then `told N` |
 * | `list PATH` | `listed N NS`: entries, and how long it took |
 * | `end` | its own end |
 *
 * What goes wrong is `failed WHY`.
 */
export type Answer =
  | { readonly type: "armed"; readonly count: number }
  | {
      readonly type: "count";
      readonly names: number;
      readonly overflows: number;
      readonly compared: number;
    }
  | { readonly type: "cleared" }
  | { readonly type: "heard"; readonly at: number; readonly name: string }
  | { readonly type: "told"; readonly count: number }
  | { readonly type: "listed"; readonly count: number; readonly ms: number }
  | { readonly type: "failed"; readonly why: string };

/** @throws SyntaxError for a line that is no answer. */
export function parseAnswer(line: string): Answer {
  const [verb = "", ...words] = line.trimEnd().split(" ");
  const number = (index: number): number => {
    const word = words[index] ?? "";
    if (!/^\d+$/.test(word)) throw new SyntaxError(`no answer of a listener: ${JSON.stringify(line)}`);
    return Number(word);
  };
  switch (verb) {
    case "armed":
      return { type: "armed", count: number(0) };
    case "count":
      return { type: "count", names: number(0), overflows: number(1), compared: number(2) };
    case "cleared":
      return { type: "cleared" };
    case "heard":
      return { type: "heard", at: number(0) / 1e6, name: words.slice(1).join(" ") };
    case "told":
      return { type: "told", count: number(0) };
    case "listed":
      return { type: "listed", count: number(0), ms: number(1) / 1e6 };
    case "failed":
      return { type: "failed", why: words.join(" ") };
    default:
      throw new SyntaxError(`no answer of a listener: ${JSON.stringify(line)}`);
  }
}
