import { type CanonicalPath, isWithin } from "../../base/path.ts";
import type { ActiveInterest } from "../deliver/index.ts";
import type { Interest } from "../interest.ts";
import type { ResolvedOptions } from "../options.ts";
import type { DirectorySource } from "../source.ts";
import { type CoverInput, type CoverUnit, effectiveCover, planCover, treeFor } from "./cover-policy.ts";

/** Which kind of handle answers for which directory, as things stand. */
export class CoverPlan {
  readonly #source: DirectorySource;
  readonly #options: ResolvedOptions;
  /** Keys of recursive interests that would need more than `maxHandles`. */
  readonly #fallen = new Set<string>();
  #rootDenied = false;

  /** Two paths with one key are one directory. */
  readonly key: (path: CanonicalPath) => string;

  constructor(source: DirectorySource, options: ResolvedOptions, key: (path: CanonicalPath) => string) {
    this.#source = source;
    this.#options = options;
    this.key = key;
  }

  isWithin(ancestor: CanonicalPath, path: CanonicalPath): boolean {
    return isWithin(this.key(ancestor), this.key(path));
  }

  /** Directories are listed from time to time, by themselves: nothing can be held. */
  get polls(): boolean {
    return this.#rootDenied;
  }

  /**
   * The account may not watch the root. Handles on the directories themselves would be in other people's way, which is
   * not for us to choose. Returns whether that changes anything.
   */
  forgoRoot(): boolean {
    if (this.#options.cover !== "auto" || this.cover !== "tree") return false;
    this.#rootDenied = true;
    return true;
  }

  get cover(): "directory" | "tree" {
    return effectiveCover(this.#options.cover, this.#recursionStops);
  }

  /** Where the recursive handle sits that answers for `path`, if one does. */
  treeFor(path: CanonicalPath): CanonicalPath | undefined {
    return treeFor(path, this.#input);
  }

  /** The handle that one interest calls for by itself. */
  unitFor(interest: Interest): CoverUnit {
    const [unit] = planCover({ ...this.#input, interests: [interest] });
    return unit ?? { path: interest.path, recursive: false, expand: interest.recursive };
  }

  /** Too many directories for handles of their own. */
  fall({ interest }: ActiveInterest): void {
    this.#fallen.add(this.key(interest.path));
  }

  /** Returns whether it had fallen. */
  rise({ interest }: ActiveInterest): boolean {
    return this.#fallen.delete(this.key(interest.path));
  }

  get #input(): Omit<CoverInput, "interests"> {
    const key = (path: CanonicalPath): string => this.key(path);
    return { cover: this.#options.cover, recursionStops: this.#recursionStops, fallen: this.#fallen, key };
  }

  // Asked only for `auto`: what the server is like is known once it has been met.
  get #recursionStops(): boolean {
    if (this.#options.cover !== "auto") return false;
    return this.#rootDenied || this.#source.traits.recursionStops === true;
  }
}
