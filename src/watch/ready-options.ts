import { Smb2NatsError } from "../base/errors.ts";

/** When a file counts as ready: see `docs/watching.md`. */
export interface ReadyOptions {
  /** Nothing was heard of the file for this long, ms, 100 to 3,600,000. Default 2,000. */
  readonly quietMs?: number;
  /** And nobody has it open for writing, where the server can say. Default true. */
  readonly closed?: boolean;
  /**
   * Files that never become ready, besides those with names known to be temporary: globs of a name, or, with a `/` in
   * them, of a path below the share's root; `*`, `?`, and `**` for any number of directories. At most 100. Default none.
   */
  readonly ignore?: readonly string[];
  /** Told at the latest so long after its first change, `closed: false`, ms, 1,000 to 604,800,000. Default: never. */
  readonly maxWaitMs?: number | undefined;
  /** An empty file is not ready before it has been that long, ms, 0 to 86,400,000: most are filled later. Default 60,000. */
  readonly emptyAfterMs?: number;
  /** The changes themselves are not told. Default false. */
  readonly only?: boolean;
}

export type ReadySetting = "off" | ReadyOptions;

export type ResolvedReady = Required<Omit<ReadyOptions, "maxWaitMs">> & {
  readonly maxWaitMs: number | undefined;
};

export const READY_DEFAULTS: ResolvedReady = {
  quietMs: 2_000,
  closed: true,
  ignore: [],
  maxWaitMs: undefined,
  emptyAfterMs: 60_000,
  only: false,
};

/** A `ready` option that cannot be meant. */
export class ReadyOptionsError extends Smb2NatsError {
  constructor(problem: string) {
    super("BAD_READY", "misuse", `ready: ${problem}`);
  }
}

const INTEGERS = {
  quietMs: [100, 3_600_000],
  maxWaitMs: [1_000, 604_800_000],
  emptyAfterMs: [0, 86_400_000],
} as const;
const FLAGS = ["closed", "only"] as const;
const MOST_GLOBS = 100;
const LONGEST_GLOB = 1_024;

/** With its defaults; `undefined` for `off`. @throws ReadyOptionsError */
export function resolveReady(setting: ReadySetting | undefined): ResolvedReady | undefined {
  if (setting === undefined || setting === "off") return undefined;
  if (typeof setting !== "object" || setting === null || Array.isArray(setting)) {
    throw new ReadyOptionsError("neither `off` nor options");
  }
  const given: Readonly<Record<string, unknown>> = { ...setting };
  const known = new Set<string>([...Object.keys(INTEGERS), ...FLAGS, "ignore"]);
  for (const [key, value] of Object.entries(given)) {
    if (!known.has(key))
      throw new ReadyOptionsError(`${JSON.stringify(key.slice(0, 40))} is not a known key`);
    if (value === undefined) delete (given as Record<string, unknown>)[key];
  }
  for (const [key, [min, max]] of Object.entries(INTEGERS)) {
    const value = given[key];
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw new ReadyOptionsError(`${key} is not an integer, ${min} to ${max}`);
    }
  }
  for (const key of FLAGS) {
    if (given[key] !== undefined && typeof given[key] !== "boolean") {
      throw new ReadyOptionsError(`${key} is neither true nor false`);
    }
  }
  checkGlobs(given["ignore"]);
  return { ...READY_DEFAULTS, ...given };
}

function checkGlobs(globs: unknown): void {
  if (globs === undefined) return;
  if (!Array.isArray(globs) || globs.length > MOST_GLOBS) {
    throw new ReadyOptionsError(`ignore is not a list of at most ${MOST_GLOBS} globs`);
  }
  for (const glob of globs as readonly unknown[]) {
    if (typeof glob !== "string" || glob === "" || glob.length > LONGEST_GLOB || /\p{Cc}/u.test(glob)) {
      throw new ReadyOptionsError(`ignore has something that is no glob of 1 to ${LONGEST_GLOB} characters`);
    }
  }
}
