import { type CanonicalPath, foldCase, pathKey } from "../../base/path.ts";

/** How names of one share become keys. */
export class Naming {
  readonly #sensitive: boolean;
  /** There are names side by side that differ by case only. */
  pairs = false;

  constructor(sensitive: boolean) {
    this.#sensitive = sensitive;
  }

  fold(name: string): string {
    return this.#sensitive ? name : foldCase(name);
  }

  path(path: CanonicalPath): string {
    return pathKey(path, this.#sensitive);
  }
}
