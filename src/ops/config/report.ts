import { type Origin, showValue } from "../config-error.ts";
import type { LoadedConfig } from "./config.ts";
import { variableOf } from "./env.ts";
import type { JsonSchema } from "./formats.ts";
import {
  CONNECTION_OPTIONS,
  isOption,
  type Leaf,
  leavesOf,
  OPTIONS,
  type Option,
  WATCH_OPTIONS,
} from "./schema.ts";

export interface ConfigLine {
  readonly key: string;
  /** As it may be shown. */
  readonly value: unknown;
  readonly origin: Origin;
}

/** Every value with its origin, secrets and user info in URLs redacted: `config print`. */
export function configLines({ config, origins }: LoadedConfig): ConfigLine[] {
  const lines: ConfigLine[] = [];
  const walk = (value: unknown, key: string): void => {
    if (typeof value === "object" && value !== null && !isList(value)) {
      for (const [name, inner] of Object.entries(value)) walk(inner, key === "" ? name : `${key}.${name}`);
    } else if (value !== undefined) {
      const shown = showValue(key, value);
      const origin = origins.get(key) ?? { source: "default" };
      lines.push({ key, value: shown === JSON.stringify(value) ? value : unquoted(shown), origin });
    }
  };
  const { watches, ...rest } = config;
  walk(rest, "");
  watches.forEach((watch, index) => {
    walk(watch, `watches[${index}]`);
  });
  return lines;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function unquoted(shown: string): string {
  return shown.startsWith('"') && shown.endsWith('"') ? shown.slice(1, -1) : shown;
}

export function describeOrigin(origin: Origin): string {
  if (origin.source === "file") return "file";
  return origin.detail ?? origin.source;
}

/** JSON Schema (draft 2020-12) of the configuration file. */
export function configJsonSchema(): JsonSchema {
  const object = objectSchema(OPTIONS);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "smb2nats configuration",
    ...object,
    properties: {
      ...(object["properties"] as object),
      connections: {
        type: "object",
        description: "The shares to watch, by name.",
        propertyNames: { pattern: "^[a-z0-9][a-z0-9_-]{0,62}$" },
        additionalProperties: objectSchema(CONNECTION_OPTIONS),
      },
      watches: {
        type: "array",
        description: "Directories watched as long as a worker runs.",
        items: objectSchema(WATCH_OPTIONS),
      },
    },
  };
}

function objectSchema(tree: object): JsonSchema {
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  for (const [name, node] of Object.entries(tree) as [string, unknown][]) {
    if (!isOption(node)) {
      properties[name] = objectSchema(node as object);
      continue;
    }
    const known = node.required !== true && node.default !== undefined;
    properties[name] = {
      description: node.doc,
      ...node.format.schema,
      ...(known ? { default: node.default } : {}),
    };
    if (node.required === true) required.push(name);
  }
  return {
    type: "object",
    properties,
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

/** The text of `docs/configuration.md`; a unit test keeps the file equal to it. */
export function configurationDocument(): string {
  const sections = new Map<string, Leaf[]>();
  for (const leaf of leavesOf(OPTIONS)) {
    const section = leaf.key.slice(0, leaf.key.indexOf("."));
    sections.set(section, [...(sections.get(section) ?? []), leaf]);
  }
  return [
    INTRODUCTION,
    "## `connections.<name>`",
    CONNECTIONS_TEXT,
    table(leavesOf(CONNECTION_OPTIONS), ({ key }) => key),
    "## `watches[]`",
    "Directories watched as long as a worker runs, whoever is interested. `SMB2NATS_WATCHES` takes the list as YAML or JSON text. What an entry says about notifications, `stat`, `settleMs`, `ready` and `rescanMinutes` holds for everybody interested in the same directory; where it lies inside a wider recursive watch, that one's options hold.",
    table(leavesOf(WATCH_OPTIONS), ({ key }) => key),
    ...[...sections].flatMap(([name, leaves]) => [
      `## \`${name}\``,
      table(leaves, ({ key }) => key.slice(name.length + 1), variableOf),
    ]),
    "",
  ].join("\n\n");
}

const INTRODUCTION = `# Configuration

<!-- Generated from src/ops/config: \`npx vitest run --project unit test/unit/ops/config/report.test.ts -u\` -->

One file, YAML (one document, UTF-8; anchors and merge keys are read) or JSON, named by \`--config\` or \`SMB2NATS_CONFIG\`. Every single value can also come from the environment, which wins over the file. Lists are written \`a,b\` there. Secrets are never values: they stand in files of their own, and the configuration names those. The file and the secret files are watched; connections and secrets take effect without a restart.

\`smb2nats config check\` reports every mistake at once, \`smb2nats config print\` shows each value and where it came from, \`smb2nats config schema\` prints the JSON Schema for editors.

\`\`\`yaml
connections:
  nas1:
    server: nas.example.org
    share: media
    username: watcher
    domain: CORP
    passwordFile: /run/secrets/nas1
watches:
  - { connection: nas1, path: /incoming, recursive: true }
nats:
  servers: [nats://nats-1.example.org, nats://nats-2.example.org]
\`\`\``;

const CONNECTIONS_TEXT = `The shares to watch. A name has at most 63 of \`a-z 0-9 _ -\` and begins with a letter or digit. The variable of a value is \`SMB2NATS_CONNECTIONS_<NAME>_<KEY>\`, such as \`SMB2NATS_CONNECTIONS_NAS1_PASSWORD_FILE\` (\`-\` becomes \`_\`); \`SMB2NATS_CONNECTIONS\` takes the whole section as YAML or JSON text.`;

function table(
  leaves: readonly Leaf[],
  name: (leaf: Leaf) => string,
  variable?: (leaf: Leaf) => string,
): string {
  const header = ["Key", "Value", "Default", ...(variable === undefined ? [] : ["Variable"]), "Meaning"];
  const rows = leaves.map((leaf) => [
    `\`${name(leaf)}\``,
    leaf.option.format.says,
    defaultText(leaf.option),
    ...(variable === undefined ? [] : [`\`${variable(leaf)}\``]),
    leaf.option.doc,
  ]);
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function defaultText(option: Option<unknown>): string {
  if (option.required === true) return "**required**";
  if (option.default === undefined) return "";
  if (isList(option.default))
    return option.default.length === 0 ? "none" : `\`${option.default.join(", ")}\``;
  return `\`${String(option.default)}\``;
}
