import { type CanonicalPath, segmentsOf } from "../../base/path.ts";
import type { ActiveInterest } from "./active-interest.ts";

const NOBODY: readonly ActiveInterest[] = [];

/** Finds the interests that want to hear of a directory, without asking each. */
export class InterestIndex {
  /** Few directories have more than one. */
  readonly #exact = new Map<string, ActiveInterest | Set<ActiveInterest>>();
  /** With the key of its path when it came: another directory may have got it since. */
  readonly #all = new Map<ActiveInterest, string>();
  readonly #key: (path: CanonicalPath) => string;

  constructor(key: (path: CanonicalPath) => string) {
    this.#key = key;
  }

  [Symbol.iterator](): IterableIterator<ActiveInterest> {
    return this.#all.keys();
  }

  get size(): number {
    return this.#all.size;
  }

  add(active: ActiveInterest): void {
    const key = this.#key(active.interest.path);
    this.#all.set(active, key);
    const there = this.#exact.get(key);
    if (there === undefined) this.#exact.set(key, active);
    else if (there instanceof Set) there.add(active);
    else if (there !== active) this.#exact.set(key, new Set([there, active]));
  }

  delete(active: ActiveInterest): void {
    const key = this.#all.get(active);
    if (key === undefined) return;
    this.#all.delete(active);
    const there = this.#exact.get(key);
    if (there instanceof Set) there.delete(active);
    if (there === active || (there instanceof Set && there.size === 0)) this.#exact.delete(key);
  }

  at(path: CanonicalPath): readonly ActiveInterest[] {
    return this.#of(this.#key(path));
  }

  /** All whose scope holds the directory `path`, topmost first. */
  covering(path: CanonicalPath): ActiveInterest[] {
    const found: ActiveInterest[] = [];
    const segments = segmentsOf(this.#key(path));
    for (let depth = 0; depth <= segments.length; depth++) {
      for (const active of this.#of(`/${segments.slice(0, depth).join("/")}`))
        if (depth === segments.length || active.interest.recursive) found.push(active);
    }
    return found;
  }

  #of(key: string): readonly ActiveInterest[] {
    const there = this.#exact.get(key);
    if (there === undefined) return NOBODY;
    return there instanceof Set ? [...there] : [there];
  }
}
