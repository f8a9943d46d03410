import { parseArgs } from "node:util";
import { nearest } from "../ops/nearest.ts";
import { type ExitCode, UsageError } from "./exit-codes.ts";
import type { Output, Terminal } from "./output.ts";

export interface OptionSpec {
  readonly type: "boolean" | "string";
  readonly doc: string;
  readonly short?: string;
  /** Placeholder of the value in help. */
  readonly value?: string;
}

/** Everything `--help` shows. Cheap to load: what a command needs to run is imported when it runs. */
export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  readonly operands: { readonly min: number; readonly max: number };
  /** What stands behind `--` is not for us. */
  readonly passesRest?: true;
  readonly notes?: string;
}

export interface Invocation {
  readonly operands: readonly string[];
  /** What stands behind `--`, where the command passes it on. */
  readonly rest: readonly string[];
  flag(name: string): boolean;
  text(name: string): string | undefined;
}

/** What a command runs in. */
export interface Context extends Terminal {
  readonly out: Output;
  readonly stdin: NodeJS.ReadStream;
  /** To be called once signals are handled by the command itself. */
  readonly onHandled?: () => void;
}

export interface Command {
  readonly spec: CommandSpec;
  run(invocation: Invocation, context: Context): Promise<ExitCode>;
}

export const CONFIG_OPTION: OptionSpec = {
  type: "string",
  value: "FILE",
  doc: "configuration file, YAML or JSON (or SMB2NATS_CONFIG)",
};
export const JSON_OPTION: OptionSpec = { type: "boolean", doc: "machine-readable: JSON on stdout" };
export const ACCOUNT_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  username: { type: "string", value: "NAME", doc: "account, also DOMAIN\\NAME (or SMB2NATS_USERNAME)" },
  domain: { type: "string", value: "NAME", doc: "its domain (or SMB2NATS_DOMAIN)" },
};

/** For commands that look at NATS. */
export const NATS_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  config: CONFIG_OPTION,
  server: {
    type: "string",
    value: "URL",
    doc: "NATS server, or several with commas, instead of the configured ones",
  },
  timeout: { type: "string", value: "SECONDS", doc: "longest wait for it; default 10" },
};
/** How a share named on the command line is spoken to and watched: options of a connection of the configuration. */
export const SHARE_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  signing: { type: "string", value: "POLICY", doc: "`required` (default), or `if-offered`" },
  encryption: { type: "string", value: "POLICY", doc: "`auto` (default), `off`, or `required`" },
  "min-dialect": { type: "string", value: "DIALECT", doc: "oldest SMB dialect accepted; default 2.1" },
  cover: {
    type: "string",
    value: "WAY",
    doc: "`auto` (default), a handle for each `directory`, or for the `tree`",
  },
  "case-sensitive": { type: "boolean", doc: "the server keeps `A` and `a` apart" },
  "max-handles": { type: "string", value: "COUNT", doc: "directory handles at most; default 5000" },
  "rescan-minutes": {
    type: "string",
    value: "MINUTES",
    doc: "list and compare that often; default 0, never",
  },
};

/** When `tail` and `watch` have had enough, and who deals with what they tell. */
export const CONSUMER_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  count: { type: "string", value: "N", doc: "end after that many batches of changes (a `resync` is one)" },
  wait: {
    type: "string",
    value: "SECONDS",
    doc: "end after that long; 124 where --count was not reached by then",
  },
  exec: {
    type: "string",
    value: "PROGRAM",
    doc: "run it for each batch, which it gets as a line of JSON on standard input; no shell, arguments behind --",
  },
  "exec-jobs": { type: "string", value: "N", doc: "that many at once; default 1, in order" },
  "exec-timeout": { type: "string", value: "SECONDS", doc: "end one that takes longer; default 60" },
};

const HELP: OptionSpec = { type: "boolean", short: "h", doc: "this text" };

/** The options of a command, help included. */
export function optionsOf(spec: CommandSpec): Readonly<Record<string, OptionSpec>> {
  return { ...spec.options, help: HELP };
}

/** @throws UsageError with a suggestion for what was probably meant. */
export function parseInvocation(spec: CommandSpec, args: readonly string[]): Invocation {
  const options = optionsOf(spec);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short }]) => [name, short ? { type, short } : { type }]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const operands: string[] = [];
  const rest: string[] = [];
  let ours = true;
  const values = new Map<string, string | true>();
  for (const token of tokens) {
    if (token.kind === "option-terminator") ours = spec.passesRest !== true;
    if (token.kind === "positional") (ours ? operands : rest).push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) throw new UsageError(unknownOption(token.rawName, Object.keys(options)));
    if (option.type === "boolean" && token.value !== undefined) {
      throw new UsageError(`${token.rawName} takes no value`);
    }
    // `--config --json`: an option is never meant as the value of another.
    if (
      option.type === "string" &&
      (token.value === undefined || (!token.inlineValue && token.value.startsWith("-")))
    ) {
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${option.value ?? "VALUE"}`);
    }
    values.set(token.name, token.value ?? true);
  }
  if (!values.has("help")) checkOperands(spec, operands);
  return {
    operands,
    rest,
    flag: (name) => values.has(name),
    text: (name) => {
      const value = values.get(name);
      return typeof value === "string" ? value : undefined;
    },
  };
}

/** Passwords on a command line end in shell histories and process lists. */
function unknownOption(rawName: string, known: readonly string[]): string {
  if (/^--?(p|pw|pass|passwd|password)$/.test(rawName)) {
    return `there is no ${rawName}: a password is read from the file SMB2NATS_PASSWORD_FILE names, or asked for on the terminal`;
  }
  const meant = nearest(rawName.replace(/^-+/, ""), known);
  return `unknown option ${rawName}${meant === undefined ? "" : `; did you mean --${meant}?`}`;
}

function checkOperands({ usage, operands: { min, max } }: CommandSpec, given: readonly string[]): void {
  if (given.length < min) throw new UsageError(`something is missing; usage: ${usage}`);
  const extra = given[max];
  if (extra !== undefined) throw new UsageError(`${JSON.stringify(extra)} is too much; usage: ${usage}`);
}
