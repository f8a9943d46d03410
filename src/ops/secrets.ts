import { readFile, stat } from "node:fs/promises";
import { inspect } from "node:util";
import { Smb2NatsError } from "../base/errors.ts";

export const REDACTED = "[redacted]";

/**
 * A value that must not reach a log, an error or a terminal. Every common way to print it says
 * `[redacted]`; `reveal()` is the one way to the text.
 */
export class Secret {
  static {
    Object.defineProperty(Secret.prototype, inspect.custom, { value: () => REDACTED });
  }

  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  equals(other: Secret): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.toPrimitive](): string {
    return REDACTED;
  }
}

/** A secret file cannot be read, or holds nothing usable. The text never quotes the content. */
export class SecretError extends Smb2NatsError {
  readonly path: string;
  constructor(path: string, reason: string, cause?: unknown) {
    super("SECRET_FILE", "misuse", `secret file ${path}: ${reason}`, { cause });
    this.path = path;
  }
}

export interface SecretFile {
  readonly secret: Secret;
  /** Clauses for people: others on this machine may read the file, or it ends in white space. */
  readonly warnings: readonly string[];
}

/** Nothing that is a password, token or seed is longer. */
const MAX_SECRET_BYTES = 65_536;

/**
 * Reads a secret from a file: UTF-8, one trailing newline (LF or CRLF) is not part of it.
 * @throws SecretError when the file cannot be read, is empty, too large, not UTF-8, or holds NUL.
 */
export async function readSecretFile(path: string): Promise<SecretFile> {
  let bytes: Buffer;
  let mode: number;
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new SecretError(path, "is not a regular file");
    if (info.size > MAX_SECRET_BYTES) throw new SecretError(path, `is larger than ${MAX_SECRET_BYTES} bytes`);
    mode = info.mode;
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof SecretError) throw error;
    throw new SecretError(path, "cannot be read", error);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SecretError(path, "is not UTF-8 text");
  }
  text = text.replace(/\r?\n$/, "");
  if (text === "") throw new SecretError(path, "is empty");
  if (text.includes("\0")) throw new SecretError(path, "holds a NUL character");
  const warnings: string[] = [];
  // Group access is how containers hand secrets over (fsGroup); the world is nobody's helper.
  if ((mode & 0o007) !== 0) {
    warnings.push(`is open to every user of this machine (mode ${(mode & 0o777).toString(8)})`);
  }
  if (isLinePadded(text)) {
    warnings.push(
      "begins or ends in white space, which belongs to a password: one line end aside, every character counts",
    );
  }
  return { secret: new Secret(text), warnings };
}

/** Keys and credentials of several lines are read by those who know where they end. */
function isLinePadded(text: string): boolean {
  const line = text.trim();
  return line !== text && !line.includes("\n");
}

/** Hides user and password of URLs, and `token=` parameters, wherever they stand in a text. */
export function redactUrls(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/@\s"']*@/gi, `$1${REDACTED}@`)
    .replaceAll(/([?&](?:access_)?token=)[^&\s"']*/gi, `$1${REDACTED}`);
}

/** The same for addresses of servers, where a login may stand without a scheme before it: `user:password@host`. */
export function redactLogins(text: string): string {
  return redactUrls(text).replaceAll(/[^\s"'/,]+@/g, `${REDACTED}@`);
}

/** Whether a configuration key names something that must not be printed. */
export function isSecretName(key: string): boolean {
  return /pass(word|wd|phrase)?$|secret$|token$|seed$|credential/i.test(key.split(".").at(-1) ?? "");
}
