import { boolean, type Format, integer, listOf, text } from "./formats.ts";
import type { ReadySetting } from "./types.ts";

const glob: Format<string> = text({
  name: "glob",
  says: "a glob",
  check: (value) => (value.length > 1_024 ? "is longer than 1024 characters" : undefined),
});
const globs = listOf(glob);

/** Of each key its format. The bounds are those of `resolveReady`; a test holds them together. */
const KEYS: Readonly<Record<string, Format<unknown>>> = {
  quietMs: integer(100, 3_600_000),
  closed: boolean,
  ignore: {
    ...globs,
    schema: { ...globs.schema, maxItems: 100 },
    problem: (value) =>
      Array.isArray(value) && value.length > 100 ? "has more than 100 entries" : globs.problem(value),
  } as Format<unknown>,
  maxWaitMs: integer(1_000, 604_800_000),
  emptyAfterMs: integer(0, 86_400_000),
  only: boolean,
};

/** When files are told as ready: `off`, or a map. The environment holds `off`, or JSON. */
export const readySetting: Format<ReadySetting> = {
  name: "ready",
  says: `\`off\`, or a map of ${Object.keys(KEYS)
    .map((key) => `\`${key}\``)
    .join(", ")}`,
  // Helm reads an unquoted `off` as false.
  schema: {
    oneOf: [
      { enum: ["off", false] },
      {
        type: "object",
        properties: Object.fromEntries(Object.entries(KEYS).map(([key, { schema }]) => [key, schema])),
        additionalProperties: false,
      },
    ],
  },
  map: true,
  fromText: (value) => {
    try {
      return JSON.parse(value) as unknown;
    } catch {
      return value.trim();
    }
  },
  problem: (value) => {
    if (value === "off" || value === false) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return "is neither `off` nor a map";
    for (const [key, entry] of Object.entries(value as Record<string, unknown>)) {
      const format = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
      if (format === undefined) return `has ${JSON.stringify(key.slice(0, 40))}, which is not a known key`;
      // An empty key counts as absent, as elsewhere.
      const why = entry === null ? undefined : format.problem(entry);
      if (why !== undefined) return `has \`${key}\`, which ${why}`;
    }
    return undefined;
  },
  normalise: (value) => {
    if (typeof value !== "object") return "off";
    return Object.freeze(Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== null)));
  },
};
