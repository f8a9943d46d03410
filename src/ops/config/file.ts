import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { describeError } from "../../base/errors.ts";
import type { Problem } from "./error.ts";

/** A configuration is a few kilobytes; a device or a core dump is not one. */
const MAX_FILE_CHARS = 4_194_304;

/**
 * Parses YAML, or JSON, which is a subset of it. Duplicate keys and bad syntax are problems with line
 * and column; they never quote the text around them, which may hold a secret.
 */
export function parseYaml(text: string, what: string, problems: Problem[]): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  for (const error of document.errors) {
    const at = lines.linePos(error.pos[0]);
    problems.push({ key: what, reason: `line ${at.line}, column ${at.col}: ${error.message}` });
  }
  if (document.errors.length > 0) return undefined;
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    problems.push({ key: what, reason: describeError(error) });
    return undefined;
  }
}

/** Reads and parses the file; an empty one is an empty configuration. */
export function readConfigFile(path: string, problems: Problem[]): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    problems.push({ key: path, reason: `cannot be read: ${describeError(error)}` });
    return {};
  }
  if (text.length > MAX_FILE_CHARS) {
    problems.push({ key: path, reason: `is larger than ${MAX_FILE_CHARS} characters` });
    return {};
  }
  const parsed = parseYaml(text, path, problems);
  if (parsed === undefined || parsed === null) return {};
  if (isMap(parsed)) return parsed;
  problems.push({ key: path, reason: "is not a map of sections" });
  return {};
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
