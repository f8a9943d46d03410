import { setTimeout as delay } from "node:timers/promises";
import type { Chance } from "../chance.ts";
import type { Judge } from "./judge.ts";
import type { Piece, Writer } from "./writers.ts";

/** What people and machines do who put files on a share. */
export const PATTERNS = ["poured", "renamed", "scanned", "appended", "removed", "moved"] as const;
export type Pattern = (typeof PATTERNS)[number];

const TEMPORARY = [".part", ".tmp", ".crdownload", ".filepart"];

export interface PlanContext {
  readonly chance: Chance;
  readonly quietMs: number;
  readonly judge: Judge;
}

/** Everything random about one file is drawn before it is begun: what a seed means does not depend on the machine. */
export interface Plan {
  readonly pattern: Pattern;
  readonly writer: Writer;
  run(): Promise<void>;
}

/** Shorter and longer than the quiet time, half of the time each. */
function pauseOf({ chance, quietMs }: PlanContext): number {
  return chance.happens(0.5)
    ? chance.between(0, Math.floor(quietMs / 2))
    : chance.between(quietMs + 100, 4 * quietMs);
}

function piecesOf(context: PlanContext, least = 1): Piece[] {
  return Array.from({ length: context.chance.between(least, 3) }, () => ({
    bytes: context.chance.between(1, 16_000),
    pauseMs: pauseOf(context),
  }));
}

/** @param base - the file's path without an ending, as nobody else has it */
export function plan(base: string, pattern: Pattern, writer: Writer, context: PlanContext): Plan {
  const { chance, judge } = context;
  const first = piecesOf(context);
  const later = Array.from({ length: chance.between(1, 2) }, () => piecesOf(context));
  const pauses = later.map(() => pauseOf(context));
  const pause = pauseOf(context);
  const ending = chance.pick(TEMPORARY);
  const path = `${base}.bin`;
  const put = async (name: string, pieces: readonly Piece[], append = false): Promise<number> => {
    const hold = await writer.write(name, pieces, { append });
    judge.held(name, hold);
    return hold.size;
  };
  const addTo = async (size: number): Promise<void> => {
    let sum = size;
    for (const [index, pieces] of later.entries()) {
      await delay(pauses[index] ?? 0);
      // Who cannot add to it writes it anew, and longer.
      const anew = [{ bytes: sum, pauseMs: 0 }, ...pieces.map(({ pauseMs }) => ({ bytes: 1, pauseMs }))];
      sum = await put(path, writer.appends ? pieces : anew, writer.appends);
    }
  };
  const move = async (from: string, size: number): Promise<void> => {
    await delay(pause);
    const at = Date.now();
    await writer.rename(from, path);
    judge.gone(from, { from: at, to: Date.now() });
    judge.held(path, { openedAt: at, closingAt: at, closedAt: Date.now(), size });
  };
  const runs: Record<Pattern, () => Promise<void>> = {
    async poured() {
      await put(path, first);
    },
    async renamed() {
      await move(path + ending, await put(path + ending, first));
    },
    async scanned() {
      await put(path, []);
      await delay(pause);
      await put(path, first, writer.appends);
    },
    async appended() {
      await addTo(await put(path, first));
    },
    async removed() {
      await put(path, first);
      await delay(pause);
      const from = Date.now();
      await writer.remove(path);
      judge.gone(path, { from, to: Date.now() });
    },
    async moved() {
      const other = `${base}-first.bin`;
      await move(other, await put(other, first));
    },
  };
  return { pattern, writer, run: runs[pattern] };
}
