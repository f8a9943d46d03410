import { parentOf } from "../../base/path.ts";
import type { SharedMirror } from "./shared-mirror.ts";

/** Mirrors by the directories above them: what happens to a directory on the way happens to what it leads to. */
export class Ways {
  readonly #byDirectory = new Map<string, Set<SharedMirror>>();

  /** @param key - of the mirrored directory, as paths are compared */
  add(key: string, mirror: SharedMirror): void {
    for (const above of directoriesAbove(key)) {
      const mirrors = this.#byDirectory.get(above) ?? new Set();
      this.#byDirectory.set(above, mirrors.add(mirror));
    }
  }

  delete(key: string, mirror: SharedMirror): void {
    for (const above of directoriesAbove(key)) {
      const mirrors = this.#byDirectory.get(above);
      mirrors?.delete(mirror);
      if (mirrors?.size === 0) this.#byDirectory.delete(above);
    }
  }

  /** Those to which the way leads through a directory. */
  through(key: string): Iterable<SharedMirror> {
    return this.#byDirectory.get(key) ?? [];
  }
}

function* directoriesAbove(key: string): IterableIterator<string> {
  for (let at = key; at !== "/"; ) {
    at = parentOf(at);
    yield at;
  }
}
