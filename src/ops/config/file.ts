import { readFileSync } from "node:fs";
import { LineCounter, parseDocument } from "yaml";
import { describeError } from "../../base/errors.ts";
import type { Problem } from "../config-error.ts";

/** A configuration is a few kilobytes; a device or a core dump is not one. */
const MAX_FILE_BYTES = 4_194_304;

/**
 * Parses YAML, or JSON, which is a subset of it; anchors and merge keys (`<<: *base`) as in Compose files. Duplicate
 * keys and bad syntax are problems with line and column; they never quote the text around them, which may hold a secret.
 */
export function parseYaml(text: string, what: string, problems: Problem[]): unknown {
  const lines = new LineCounter();
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true, merge: true };
  const document = parseDocument(text, options);
  for (const error of document.errors) {
    const at = lines.linePos(error.pos[0]);
    const reason =
      error.code === "MULTIPLE_DOCS" ? "a second document begins here (---), and one is read" : error.message;
    problems.push({ key: what, reason: `line ${at.line}, column ${at.col}: ${reason}` });
  }
  if (document.errors.length > 0) return undefined;
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    problems.push({ key: what, reason: describeError(error) });
    return undefined;
  }
}

/** Reads and parses the file; an empty one is an empty configuration. `undefined`: it cannot be read, see `problems`. */
export function readConfigFile(path: string, problems: Problem[]): Record<string, unknown> | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    problems.push({ key: path, reason: `cannot be read: ${describeError(error)}` });
    return undefined;
  }
  if (bytes.length > MAX_FILE_BYTES) {
    problems.push({ key: path, reason: `is larger than ${MAX_FILE_BYTES} bytes` });
    return undefined;
  }
  const text = decode(bytes);
  if (text === undefined) {
    problems.push({ key: path, reason: "is not UTF-8 text (UTF-16, perhaps: save it as UTF-8)" });
    return undefined;
  }
  const before = problems.length;
  const parsed = parseYaml(text, path, problems);
  if (problems.length > before) return undefined;
  if (parsed === undefined || parsed === null) return {};
  if (isMap(parsed)) return parsed;
  problems.push({ key: path, reason: "is not a map of sections" });
  return undefined;
}

/** NUL is in no configuration, and in every UTF-16 one. */
function decode(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
