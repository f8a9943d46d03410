import { statSync } from "node:fs";
import { join } from "node:path";
import { isTemporary } from "../../../src/watch/ready/candidates.ts";
import type { Hold } from "./writers.ts";

/** A file as a consumer was told of it. */
export interface Told {
  /** Of the share, with slashes, without one at the start. */
  readonly path: string;
  readonly size: number;
  readonly modified: string;
  readonly fileId: string | undefined;
  readonly closed: boolean;
  /** ms of the wall clock. */
  readonly at: number;
}

interface Life {
  readonly holds: Hold[];
  /** It went some time between these. */
  ended: { readonly from: number; readonly to: number } | undefined;
}

/** An answer of the server may be so long on its way while a writer opens the file again. */
const ON_ITS_WAY_MS = 1_000;

/** What was done to each name beside what was told of it. */
export class Judge {
  readonly #folder: string;
  readonly #lives = new Map<string, Life>();
  readonly #told = new Map<string, Told[]>();
  /** Without their endings. */
  readonly #unknown: string[] = [];
  #last = Date.now();

  /** @param folder - the share's, on this machine */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get count(): number {
    let sum = 0;
    for (const each of this.#told.values()) sum += each.length;
    return sum;
  }

  /** When something was told last. */
  get toldAt(): number {
    return this.#last;
  }

  held(path: string, hold: Hold): void {
    this.#life(path).holds.push(hold);
  }

  gone(path: string, ended: { readonly from: number; readonly to: number }): void {
    this.#life(path).ended = ended;
  }

  /**
   * Its writer failed half-way: nobody knows what is in it, and when it was closed. Nothing that is told of it is wrong.
   * @param base - its path without an ending
   */
  giveUp(base: string): void {
    this.#unknown.push(base);
  }

  tell(told: Told): void {
    this.#last = told.at;
    const before = this.#told.get(told.path);
    if (before === undefined) this.#told.set(told.path, [told]);
    else before.push(told);
  }

  /** What is there, and has not been told as it is. */
  forgotten(): string[] {
    const wrong: string[] = [];
    for (const [path, { holds, ended }] of this.#lives) {
      const size = holds.at(-1)?.size ?? 0;
      if (
        ended !== undefined ||
        size === 0 ||
        this.#isUnknown(path) ||
        isTemporary(path.slice(path.lastIndexOf("/") + 1))
      )
        continue;
      const last = this.#told.get(path)?.at(-1);
      const found = statSync(join(this.#folder, path), { throwIfNoEntry: false });
      if (found === undefined) wrong.push(`${path}: is not there, and nobody has removed it`);
      else if (found.size !== size) wrong.push(`${path}: has ${found.size} bytes, its writer says ${size}`);
      else if (last === undefined) wrong.push(`${path}: never told`);
      else if (last.size !== size || Math.abs(Date.parse(last.modified) - found.mtimeMs) >= 2)
        wrong.push(
          `${path}: told last with ${last.size} bytes of ${last.modified}, has ${size} of ${found.mtime.toISOString()}`,
        );
    }
    return wrong;
  }

  /** What was told, and should not have been: twice, too early, too late, or wrong. */
  untrue(): string[] {
    const wrong: string[] = [];
    for (const [path, all] of this.#told) {
      if (this.#isUnknown(path)) continue;
      const life = this.#lives.get(path);
      const keys = all.map(({ fileId, size, modified }) => `${fileId} ${size} ${modified}`);
      if (new Set(keys).size < keys.length) wrong.push(`${path}: told more than once: ${keys.join(", ")}`);
      if (life === undefined) wrong.push(`${path}: told, and nobody wrote it`);
      else for (const told of all) wrong.push(...untrueOf(told, life).map((what) => `${path}: ${what}`));
    }
    return wrong;
  }

  /** From each last closing to the news, the longest first; of those that were told when it was over. */
  delays(): { readonly path: string; readonly ms: number }[] {
    return [...this.#told]
      .flatMap(([path, all]) => {
        const closedAt = this.#lives.get(path)?.holds.at(-1)?.closedAt;
        const at = all.at(-1)?.at;
        return closedAt === undefined || at === undefined || at < closedAt
          ? []
          : [{ path, ms: at - closedAt }];
      })
      .sort((a, b) => b.ms - a.ms);
  }

  /** What is known of a path, for people. */
  history(path: string): string {
    return JSON.stringify({ ...this.#lives.get(path), told: this.#told.get(path) ?? [] });
  }

  #isUnknown(path: string): boolean {
    return this.#unknown.some((base) => path.startsWith(`${base}.`) || path.startsWith(`${base}-first.`));
  }

  #life(path: string): Life {
    const known = this.#lives.get(path);
    if (known !== undefined) return known;
    const life: Life = { holds: [], ended: undefined };
    this.#lives.set(path, life);
    return life;
  }
}

/** Exported for its test. */
export function untrueOf({ path, size, closed, at }: Told, { holds, ended }: Life): string[] {
  const wrong: string[] = [];
  if (isTemporary(path.slice(path.lastIndexOf("/") + 1))) wrong.push("a temporary name was told");
  if (!closed) wrong.push("the server could say, and was not asked");
  if (
    holds.some(
      ({ triedAt, openedAt }) => triedAt !== undefined && at >= triedAt && at <= openedAt + ON_ITS_WAY_MS,
    )
  )
    return wrong;
  const open = holds.find(({ openedAt, closingAt }) => at > openedAt + ON_ITS_WAY_MS && at < closingAt);
  if (open !== undefined) wrong.push(`told at ${at} while its writer had it open since ${open.openedAt}`);
  const over = holds.filter(({ closedAt }) => closedAt <= at - ON_ITS_WAY_MS).at(-1);
  const possible = [...(over === undefined ? [] : [over]), ...holds.filter((hold) => isNews(hold, at))];
  if (size === 0) wrong.push("told empty");
  else if (!possible.some((hold) => hold.size === size))
    wrong.push(`told at ${at} with ${size} bytes, not ${possible.map((hold) => hold.size).join(" or ")}`);
  if (ended !== undefined && at > ended.to + ON_ITS_WAY_MS) wrong.push("told after it was gone");
  return wrong;
}

function isNews({ closingAt, closedAt }: Hold, at: number): boolean {
  return closedAt > at - ON_ITS_WAY_MS && closingAt <= at;
}
