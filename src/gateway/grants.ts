import { type CanonicalPath, canonicalPath, foldCase, pathKey, segmentsOf } from "../base/path.ts";

/**
 * One right: the directories of a connection that may be watched and listed. In `connection` and in a
 * segment of `path`, `*` stands for any run of characters; a segment `**` for any number of segments, none
 * included. `/Media/**` is `/Media` and all below, `/Media` is that one directory.
 */
export interface Grant {
  readonly connection: string;
  readonly path: string;
}

/** Longest list believed: a longer one is a mistake or an attack. */
export const MAX_GRANTS = 1_000;
const MAX_SEGMENTS = 256;

interface Pattern {
  readonly connection: string;
  /** As given, and as a case-insensitive connection compares. */
  readonly exact: readonly string[];
  readonly folded: readonly string[];
}

/**
 * What a client may see. There are only grants, no denials, so whatever matches nothing is denied: an
 * alias of a name (another Unicode form, a trailing dot, a percent-encoding) is a different name here.
 */
export class Rights {
  /** Why nothing at all is granted, in words for whoever that is about; `undefined` where something is. */
  readonly nothing: string | undefined;
  /** As they were given. */
  readonly grants: readonly Grant[];
  readonly #patterns: readonly Pattern[];

  /** @throws BadPathError, RangeError for grants that cannot be meant. */
  constructor(grants: readonly Grant[], nothing?: string) {
    this.nothing = grants.length === 0 ? (nothing ?? "you have no grants") : undefined;
    if (grants.length > MAX_GRANTS) throw new RangeError(`more than ${MAX_GRANTS} grants`);
    this.grants = grants;
    this.#patterns = grants.map(({ connection, path }) => {
      const exact = segmentsOf(canonicalPath(path));
      if (exact.length > MAX_SEGMENTS) throw new RangeError(`a grant of more than ${MAX_SEGMENTS} segments`);
      return { connection, exact, folded: exact.map(foldCase) };
    });
  }

  /** Everything, for a gateway without authentication. */
  static all(): Rights {
    return new Rights([{ connection: "*", path: "/**" }]);
  }

  /** Nothing, and `why`. */
  static none(why: string): Rights {
    return new Rights([], why);
  }

  /** Whether anything of the connection is granted. */
  knows(connection: string): boolean {
    return this.#patterns.some((pattern) => matchSegment(pattern.connection, connection));
  }

  /** Whether the directory may be seen; with `recursive`, whether all that can ever lie below it may. */
  allows(
    connection: string,
    path: CanonicalPath,
    options: { readonly recursive: boolean; readonly caseSensitive: boolean },
  ): boolean {
    const segments = segmentsOf(pathKey(path, options.caseSensitive));
    return this.#patterns.some(
      (pattern) =>
        matchSegment(pattern.connection, connection) &&
        matchPath(options.caseSensitive ? pattern.exact : pattern.folded, segments, options.recursive),
    );
  }
}

/** Runs all readings of the pattern side by side, so its cost is a product and never a power. */
function matchPath(pattern: readonly string[], path: readonly string[], recursive: boolean): boolean {
  let states = closure(pattern, new Set([0]));
  for (const segment of path) {
    const next = new Set<number>();
    for (const state of states) {
      const part = pattern[state];
      if (part === undefined) continue;
      if (part === "**") next.add(state);
      else if (matchSegment(part, segment)) next.add(state + 1);
    }
    if (next.size === 0) return false;
    states = closure(pattern, next);
  }
  if (!recursive) return states.has(pattern.length);
  return pattern.at(-1) === "**" && states.has(pattern.length - 1);
}

/** `**` may also stand for nothing. */
function closure(pattern: readonly string[], states: Set<number>): Set<number> {
  for (const state of states) if (pattern[state] === "**") states.add(state + 1);
  return states;
}

/** Glob of `*` only, in time linear in the text for each star. */
function matchSegment(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let mark = 0;
  while (t < text.length) {
    if (pattern[p] === "*") {
      star = p++;
      mark = t;
    } else if (p < pattern.length && pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
