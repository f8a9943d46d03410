import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { errorCode, Smb2NatsError } from "../../base/errors.ts";
import type { CanonicalPath } from "../../base/path.ts";
import { UsageError } from "../exit-codes.ts";

/** What a file was when it was dealt with. */
export interface DoneFacts {
  readonly path: CanonicalPath;
  readonly fileId?: string | undefined;
  readonly size: number;
  readonly modified: string;
}

/** What was done cannot be written down: the disk is full, say. */
export class DoneFileError extends Smb2NatsError {
  constructor(path: string, cause: unknown) {
    super("DONE_FILE", "refused", `--done: ${JSON.stringify(path)} cannot be written (${errorCode(cause)})`, {
      cause,
    });
  }
}

/** The newest, when the file is read: so much fits into memory, and a file of more lines is written anew. */
const MOST = 200_000;

/**
 * Which files were dealt with, one line of JSON each, kept over restarts: by file id, size and time, wherever the file is by
 * now; by path where there is no file id. A line is on the disk before `add` returns. One process at a time.
 */
export class DoneFile {
  readonly #path: string;
  readonly #known: Set<string>;
  #handle: number | undefined;

  /** @throws UsageError where it can be neither read nor written */
  constructor(path: string) {
    this.#path = path;
    const text = read(path);
    const lines = text.split("\n").filter((line) => line !== "");
    this.#known = new Set(lines.map(keyOfLine).filter((key) => key !== undefined));
    try {
      if (lines.length > MOST) this.#rewrite(lines.slice(-MOST / 2));
      this.#handle = openSync(path, "a", 0o600);
      // A line that a crash cut short ends here.
      if (text !== "" && !text.endsWith("\n")) writeSync(this.#handle, "\n");
    } catch (error) {
      throw new UsageError(`--done: ${JSON.stringify(path)} cannot be written (${errorCode(error)})`);
    }
  }

  has(facts: DoneFacts): boolean {
    return this.#known.has(keyOf(facts));
  }

  /** @throws DoneFileError where it cannot be kept: a restart would deal with the file once more */
  add({ path, fileId, size, modified }: DoneFacts): void {
    const key = keyOf({ path, fileId, size, modified });
    if (this.#handle === undefined || this.#known.has(key)) return;
    try {
      writeSync(this.#handle, `${JSON.stringify({ path, fileId, size, modified })}\n`);
      fsyncSync(this.#handle);
    } catch (error) {
      throw new DoneFileError(this.#path, error);
    }
    this.#known.add(key);
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  /** Beside it first: what is there stays whole, whatever happens. */
  #rewrite(lines: readonly string[]): void {
    const beside = `${this.#path}.new`;
    const handle = openSync(beside, "w", 0o600);
    writeSync(handle, lines.map((line) => `${line}\n`).join(""));
    fsyncSync(handle);
    closeSync(handle);
    renameSync(beside, this.#path);
    this.#known.clear();
    for (const line of lines) {
      const key = keyOfLine(line);
      if (key !== undefined) this.#known.add(key);
    }
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return "";
    throw new UsageError(`--done: ${JSON.stringify(path)} cannot be read (${errorCode(error)})`);
  }
}

function keyOf({ path, fileId, size, modified }: DoneFacts): string {
  return `${fileId === undefined ? path : `#${fileId}`} ${size} ${modified}`;
}

function keyOfLine(line: string): string | undefined {
  try {
    const { path, fileId, size, modified } = JSON.parse(line) as Record<string, unknown>;
    if (typeof path !== "string" || typeof size !== "number" || typeof modified !== "string")
      return undefined;
    return keyOf({ path, size, modified, ...(typeof fileId === "string" ? { fileId } : {}) });
  } catch {
    return undefined;
  }
}
