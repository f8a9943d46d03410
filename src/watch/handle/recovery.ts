import { Backoff, sleep } from "../../base/async.ts";
import type { Surroundings } from "../options.ts";
import type { DirectorySource, SourceError, SourceFailure } from "../source.ts";
import { asSourceError } from "./handle-status.ts";

/** A watch that was live this long starts its retries afresh. */
const HOLDS_MS = 10_000;

/** When a handle that lost its directory may ask again. */
export class Recovery {
  readonly #surroundings: Surroundings;
  /** What may come back any moment: quickly at first, then every half minute. */
  #absent: Backoff | undefined;
  /** What people have to change, and a login that must not be locked out. */
  #refused: Backoff | undefined;
  #short: Backoff | undefined;
  #failures = 0;
  #healedAt: number | undefined;
  #wake: (() => void) | undefined;

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Failures since the watch last held for a while. */
  get failures(): number {
    return this.#failures;
  }

  failed(): void {
    const healed = this.#healedAt;
    this.#healedAt = undefined;
    if (healed !== undefined && this.#surroundings.clock.monotonic() - healed >= HOLDS_MS) {
      this.#failures = 0;
      for (const backoff of [this.#absent, this.#refused, this.#short]) backoff?.reset();
    }
    this.#failures++;
  }

  /** Live again. Whether it holds shows at the next failure: a flapping server is asked less and less. */
  healed(): void {
    this.#healedAt ??= this.#surroundings.clock.monotonic();
  }

  /** Whether the whole connection is away, not a path of it: then the source knows when it is back. */
  isAtTheDoor(failure: SourceFailure): boolean {
    return failure === "unreachable" || failure === "credentials" || failure === "policy";
  }

  /**
   * The source owns reconnecting; a login it will not repeat is asked for again slowly.
   * @param refused told why it stays away, where waiting is no help @throws AbortedError
   */
  async reach(
    source: DirectorySource,
    refused: (why: SourceError) => void,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      // That it is away has been told.
      await source.reachable({ signal, onFailed: (why) => why.failure === "policy" && refused(why) });
    } catch (error) {
      if (signal.aborted) throw error;
      const refusal = asSourceError(error);
      refused(refusal);
      await this.pauseAfter(refusal.failure, signal);
    }
  }

  /** Waits as long as the failure asks for, or until `wake`. @throws AbortedError */
  async pauseAfter(failure: SourceFailure, signal: AbortSignal): Promise<void> {
    await this.pause(this.#backoffFor(failure).next(), signal);
  }

  /** @throws AbortedError */
  async pause(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    const { clock } = this.#surroundings;
    try {
      await sleep(ms, { signal: AbortSignal.any([signal, woken.signal]), clock });
    } catch (error) {
      if (signal.aborted) throw error;
    } finally {
      this.#wake = undefined;
    }
  }

  /** Ends a pause early: there is reason to believe that things changed. */
  wake(): void {
    this.#wake?.();
  }

  #backoffFor(failure: SourceFailure): Backoff {
    const { random } = this.#surroundings;
    switch (failure) {
      case "gone":
      case "not-a-directory":
        this.#absent ??= new Backoff({ initialMs: 250, maxMs: 30_000, random });
        return this.#absent;
      // No name that a server refuses becomes acceptable by itself.
      case "bad-path":
      case "denied":
      case "credentials":
        this.#refused ??= new Backoff({ initialMs: 120_000, maxMs: 900_000, random });
        return this.#refused;
      default:
        this.#short ??= new Backoff({ initialMs: 500, maxMs: 60_000, random });
        return this.#short;
    }
  }
}
