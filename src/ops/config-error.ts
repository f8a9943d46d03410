import { Smb2NatsError } from "../base/errors.ts";
import { isSecretName, REDACTED, redactLogins, redactUrls } from "./secrets.ts";

/** Where a value came from: `file` with its path, `env` with the variable, `argument` of the command line. */
export interface Origin {
  readonly source: "default" | "file" | "env" | "argument";
  readonly detail?: string;
}

export interface Problem {
  /** Dotted path of the value, the environment variable, or the file itself. */
  readonly key: string;
  /** As it may be shown: secrets are `[redacted]` already. */
  readonly value?: string;
  /** Reads on after key and value: `is not one of a, b`. */
  readonly reason: string;
  /** The key that was probably meant. */
  readonly nearest?: string;
  readonly origin?: Origin;
}

/** The configuration cannot be used. Carries every problem found, not only the first. */
export class ConfigError extends Smb2NatsError {
  readonly problems: readonly Problem[];
  constructor(problems: readonly Problem[]) {
    const lines = problems.map((problem) => `  ${describeProblem(problem)}`);
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    super("CONFIG", "misuse", `the configuration has ${count}:\n${lines.join("\n")}`);
    this.problems = problems;
  }
}

/** One line: key, value, reason, nearest key, origin. */
export function describeProblem(problem: Problem): string {
  const value = problem.value === undefined ? "" : ` ${problem.value}`;
  const hint = problem.nearest === undefined ? "" : `; did you mean \`${problem.nearest}\`?`;
  const from = problem.origin?.detail === undefined ? "" : ` (${problem.origin.detail})`;
  return `${problem.key}:${value} ${problem.reason}${hint}${from}`;
}

const LONGEST_SHOWN = 80;

/** A value as a problem or `config print` may show it. */
export function showValue(key: string, value: unknown): string {
  if (value === undefined) return "";
  if (isSecretName(key)) return REDACTED;
  const redact = /servers?$/i.test(key) ? redactLogins : redactUrls;
  const text = redact(JSON.stringify(value) ?? String(value));
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}
