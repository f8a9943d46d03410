import { baseName, type CanonicalPath, foldCase } from "../../base/path.ts";

/**
 * Names under which programs write what they rename when it is whole. Compared without case: those who write them do not
 * agree either.
 */
const TEMPORARY: readonly RegExp[] = [
  /\.(?:tmp|temp|part|partial|crdownload|download|filepart|!ut|aria2|swp|swx)$/,
  // Microsoft Office: the owner's file `~$x.docx`, and `~WRD0001.tmp` and the like.
  /^~\$/,
  // LibreOffice: `.~lock.x.odt#`.
  /^\.~lock\..*#$/,
];

/**
 * rsync's `.name.AbC123`. Six random characters of upper case, lower case and digits: of those in lower case alone, one
 * in two hundred, most are somebody's `.env.sample`.
 */
const RSYNC = /^\..+\.(?=[A-Za-z0-9]*[A-Z0-9])[A-Za-z0-9]{6}$/;

/** Which files may become ready. */
export class Candidates {
  readonly #names: readonly string[];
  readonly #paths: readonly (readonly string[])[];
  readonly #fold: (text: string) => string;

  constructor(ignore: readonly string[], caseSensitive: boolean) {
    this.#fold = caseSensitive ? (text) => text : foldCase;
    const globs = ignore.map((glob) => this.#fold(glob));
    this.#names = globs.filter((glob) => !glob.includes("/"));
    this.#paths = globs.filter((glob) => glob.includes("/")).map(segments);
  }

  has(path: CanonicalPath): boolean {
    const name = baseName(path);
    if (isTemporary(name)) return false;
    const folded = this.#fold(name);
    if (this.#names.some((glob) => matches(glob, folded))) return false;
    if (this.#paths.length === 0) return true;
    const parts = segments(this.#fold(path));
    return !this.#paths.some((glob) => matchesPath(glob, parts));
  }
}

export function isTemporary(name: string): boolean {
  const lower = name.toLowerCase();
  return RSYNC.test(name) || TEMPORARY.some((pattern) => pattern.test(lower));
}

function segments(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

/** `*` and `?` within one name. In steps of length of glob times length of name, whatever they are. */
export function matches(glob: string, name: string): boolean {
  return walk(glob, name, "*", (one, other) => one === "?" || one === other);
}

function matchesPath(glob: readonly string[], parts: readonly string[]): boolean {
  return walk(glob, parts, "**", matches);
}

/** The usual walk with one step back: what a later `any` took, an earlier one need not take. */
function walk<T>(
  glob: ArrayLike<T>,
  items: ArrayLike<T>,
  any: T,
  fits: (one: T, item: T) => boolean,
): boolean {
  let [at, item] = [0, 0];
  let [back, taken] = [-1, 0];
  while (item < items.length) {
    const one = glob[at];
    if (one !== undefined && one !== any && fits(one, items[item] as T)) {
      at++;
      item++;
    } else if (one === any) {
      back = at++;
      taken = item;
    } else if (back >= 0) {
      at = back + 1;
      item = ++taken;
    } else return false;
  }
  while (glob[at] === any) at++;
  return at === glob.length;
}
