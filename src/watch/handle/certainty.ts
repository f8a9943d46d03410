import type { Clock } from "../../base/clock.ts";
import { type Doubt, joinDoubts } from "../doubt.ts";
import { QuietPeriod } from "../quiet-period.ts";

/** Until when nothing can have been missed of a directory, and the doubt that has arisen since, if one has. */
export class Certainty {
  readonly #clock: Clock;
  #quiet: QuietPeriod | undefined;
  #since = 0;
  #doubt: Doubt | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Monotonic ms of the last moment at which nothing could have been missed. */
  get since(): number {
    return this.#since;
  }

  get doubtful(): boolean {
    return this.#doubt !== undefined;
  }

  /** Nothing has been missed up to `at`, or there is a doubt that says so. */
  confirm(at: number): void {
    this.#since = at;
  }

  /** The server has said something. */
  heard(): void {
    this.#quiet ??= new QuietPeriod(this.#clock);
    this.#quiet.heard();
  }

  doubt(doubt: Doubt): void {
    this.#doubt = joinDoubts(this.#doubt, doubt);
  }

  /** Lists and compares again and again until none found itself in doubt when it ended; at first only after a pause where `pause`. */
  async restore(
    compare: (doubt: Doubt | undefined) => Promise<void>,
    { pause, signal }: { readonly pause: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    for (let again = pause, tookMs = 0; ; again = true) {
      if (again) {
        this.#quiet ??= new QuietPeriod(this.#clock);
        await this.#quiet.wait(tookMs, signal);
      }
      const doubt = this.#doubt;
      this.#doubt = undefined;
      const begunAt = this.#clock.monotonic();
      try {
        await compare(doubt);
      } catch (error) {
        if (doubt !== undefined) this.#doubt = joinDoubts(doubt, this.#doubt ?? doubt);
        throw error;
      }
      if (this.#doubt === undefined) {
        this.#since = Math.max(this.#since, begunAt);
        return;
      }
      tookMs = this.#clock.monotonic() - begunAt;
    }
  }
}
