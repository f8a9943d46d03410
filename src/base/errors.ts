import { jsonText } from "./printable.ts";

/**
 * What the caller may conclude from a failure. Text is for people; code branches on
 * `code` and `conclusion`, never on `message`.
 *
 * - `refused`:    the other side answered no.
 * - `silent`:     no answer before the deadline; it may or may not have happened.
 * - `never-sent`: nothing left this process; it did not happen.
 * - `hung-up`:    the connection ended while an answer was due; it may have happened.
 * - `malformed`:  what arrived breaks the protocol and was not believed.
 * - `misuse`:     the caller's input is wrong; repeating it cannot help.
 * - `aborted`:    the caller's own AbortSignal fired.
 */
export type Conclusion = "refused" | "silent" | "never-sent" | "hung-up" | "malformed" | "misuse" | "aborted";

/** Root of every error this package throws on purpose. */
export class Smb2NatsError extends Error {
  /** Stable identifier, upper snake case, unique per meaning. */
  readonly code: string;
  readonly conclusion: Conclusion;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;

  constructor(
    code: string,
    conclusion: Conclusion,
    message: string,
    options: { readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.conclusion = conclusion;
    this.retryable = options.retryable ?? false;
  }
}

/** The caller's AbortSignal fired. `cause` is the signal's reason. */
export class AbortedError extends Smb2NatsError {
  constructor(reason?: unknown) {
    super("ABORTED", "aborted", "the operation was aborted by its caller", { cause: reason });
  }
}

/** A deadline passed. `after` is in milliseconds. */
export class DeadlineError extends Smb2NatsError {
  readonly after: number;
  constructor(what: string, after: number) {
    super("DEADLINE", "silent", `${what}: no answer within ${after} ms`, { retryable: true });
    this.after = after;
  }
}

/** A bounded buffer is full. */
export class OverflowError extends Smb2NatsError {
  constructor(what: string, limit: number) {
    super("OVERFLOW", "never-sent", `${what}: more than ${limit} waiting`, { retryable: true });
  }
}

/** A path that the contract refuses (`contract` section 1). `reason` is one short clause. */
export class BadPathError extends Smb2NatsError {
  constructor(path: string, reason: string) {
    super("BAD_PATH", "misuse", `bad path ${jsonText(path.slice(0, 200))}: ${reason}`);
  }
}

/** Use of an object after its close. */
export class ClosedError extends Smb2NatsError {
  constructor(what: string) {
    super("CLOSED", "never-sent", `${what} is closed`);
  }
}

/** One line for people, causes included, without stacks. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
    const text = current instanceof Error ? current.message : String(current);
    if (text !== "" && !parts.some((part) => part.includes(text))) parts.push(text);
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(": ") || "unknown error";
}

/** The stable code of an error of ours, or the platform's, or `UNKNOWN`. */
export function errorCode(error: unknown): string {
  if (typeof error === "object" && error !== null && "code" in error) {
    const { code } = error;
    if (typeof code === "string") return code;
  }
  return "UNKNOWN";
}
