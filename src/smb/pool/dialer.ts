import { AuthError } from "../../auth/errors.ts";
import { Backoff, type BackoffOptions, ignoreRejection, sleep, waitFor } from "../../base/async.ts";
import type { Clock } from "../../base/clock.ts";
import { NtStatus } from "../../codec/status.ts";
import { SmbCredentialsError, SmbSecurityError, SmbStatusError } from "../errors.ts";
import { poolFacts } from "../facts.ts";
import { classifyStatus, type StatusClass } from "../status-class.ts";

/** Where trying again soon cannot help, but somebody may repair it: configuration, policy, a missing share. */
const SLOW_MS = 60_000;
/** An account that is not let in now, whatever its password: tried after 2 minutes, then every 15, less a half at random. */
const CLOSED = { initialMs: 120_000, maxMs: 900_000, factor: 7.5 };
/** A connection that lived this long proves that the server is well again. */
const PROVEN_MS = 30_000;
/** Whoever asks anew is answered by an attempt no older than this: many who ask do not make many logins. */
const HURRY_MS = 1_000;

export interface DialerOptions {
  readonly label: string;
  readonly clock: Clock;
  readonly backoff?: BackoffOptions | undefined;
}

/**
 * Decides when a server may be dialled, for all connections of one pool together: one login at a time,
 * pauses that grow from 1 s to 60 s with jitter, and none at all after refused credentials, since a
 * thousand watches that each try would lock the account.
 */
export class Dialer {
  readonly #options: DialerOptions;
  readonly #backoff: Backoff;
  readonly #closed: Backoff;
  #turn: Promise<unknown> = Promise.resolve();
  #notBefore = Number.NEGATIVE_INFINITY;
  /** When the last attempt, or the last connection, was over. */
  #endedAt = Number.NEGATIVE_INFINITY;
  /** The present pause is not for those who ask to cut short. */
  #firm = false;
  #refusal: SmbCredentialsError | undefined;
  #lastError: Error | undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
    const { random } = options.backoff ?? {};
    this.#closed = new Backoff({ ...CLOSED, ...(random === undefined ? {} : { random }) });
  }

  /** Set after refused credentials, until `forgive`. */
  get refusal(): SmbCredentialsError | undefined {
    return this.#refusal;
  }

  /** Why the last attempt failed, or the last connection was lost; `undefined` while all is well. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Ms until the server may be dialled again; 0 when now. */
  get pause(): number {
    return Math.max(0, this.#notBefore - this.#options.clock.monotonic());
  }

  /**
   * Runs one attempt when those before it are through. Does not wait for the pause: the caller does, or gives up.
   * @param dispensable - failures that mean nothing for attempts to come
   */
  dial<T>(attempt: () => Promise<T>, dispensable: (error: unknown) => boolean = () => false): Promise<T> {
    const mine = this.#turn.then(() => this.#attempt(attempt, dispensable));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /**
   * Somebody wants to know how it is now: what is left of a pause beyond 1 s after the last attempt is cut off. Not after a
   * login that was refused, nor where only people can help: each try could count against the account.
   * @returns whether an attempt may follow soon that would not have been made yet
   */
  hurry(): boolean {
    if (this.#refusal !== undefined || this.#firm) return false;
    this.#notBefore = Math.min(this.#notBefore, this.#endedAt + HURRY_MS);
    return true;
  }

  /**
   * Waits until the next attempt may be made; `changed` gives what resolves when that may have become sooner.
   * @throws AbortedError
   */
  async rest(changed: () => Promise<unknown>, signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (let { pause } = this; pause > 0; pause = this.pause) {
      const over = new AbortController();
      const slept = sleep(pause, { signal: over.signal, clock });
      ignoreRejection(slept);
      try {
        await waitFor(Promise.race([slept, changed()]), { signal });
      } finally {
        over.abort();
      }
    }
  }

  /** A connection that was up is gone after `livedMs`: a server that hangs up at once must not be hammered. */
  lost(livedMs: number, error: Error | undefined): void {
    this.#lastError = error;
    if (livedMs >= PROVEN_MS) this.#backoff.reset();
    // Connections of one server are lost together: that is one failure, not many.
    if (this.pause > 0) return;
    this.#firm = false;
    this.#pause(0);
  }

  /** New credentials, or a new configuration: the next attempt may come at once. */
  forgive(): void {
    this.#refusal = undefined;
    this.#lastError = undefined;
    this.#backoff.reset();
    this.#closed.reset();
    this.#firm = false;
    this.#notBefore = Number.NEGATIVE_INFINITY;
  }

  async #attempt<T>(attempt: () => Promise<T>, dispensable: (error: unknown) => boolean): Promise<T> {
    if (this.#refusal !== undefined) throw this.#refusal;
    try {
      const result = await attempt();
      this.#lastError = undefined;
      this.#firm = false;
      this.#closed.reset();
      return result;
    } catch (cause) {
      if (dispensable(cause)) throw cause;
      this.#failed(cause instanceof Error ? cause : new Error(String(cause)));
      throw cause;
    }
  }

  #failed(error: Error): void {
    this.#lastError = error;
    this.#firm = isClosed(error) || needsPeople(error) || kindOf(error) === "auth-infrastructure";
    let retryMs: number | undefined;
    if (error instanceof SmbCredentialsError) this.#refusal = error;
    else if (isClosed(error)) retryMs = this.#pause(this.#closed.next());
    else retryMs = this.#pause(isSlow(error) ? SLOW_MS : 0);
    poolFacts.publish({ connection: this.#options.label, type: "dial-failed", retryMs, error });
  }

  #pause(atLeast: number): number {
    const ms = Math.max(this.#backoff.next(), atLeast);
    this.#endedAt = this.#options.clock.monotonic();
    this.#notBefore = this.#endedAt + ms;
    return ms;
  }
}

/** Says nothing about the password: another try locks no account. */
function isClosed(error: Error): boolean {
  if (error instanceof AuthError) return error.code === "AUTH_ACCOUNT_CLOSED";
  return kindOf(error) === "account";
}

function isSlow(error: Error): boolean {
  return needsPeople(error) || kindOf(error) === "auth-infrastructure" || isAbsentShare(error);
}

function needsPeople(error: Error): boolean {
  if (error instanceof SmbSecurityError) return true;
  // Kerberos that is not installed, a clock, a service principal.
  if (error instanceof AuthError) return !error.retryable;
  const kind = kindOf(error);
  return kind === "security" || (kind === "config" && !isAbsentShare(error));
}

/** A share that was removed is often back after a while, without anybody looking at us. */
function isAbsentShare(error: Error): boolean {
  return error instanceof SmbStatusError && error.status === NtStatus.BAD_NETWORK_NAME;
}

function kindOf(error: Error): StatusClass | undefined {
  return error instanceof SmbStatusError ? classifyStatus(error.status) : undefined;
}
