import type { Clock } from "../../base/clock.ts";

/** FILETIME counts 100 ns. */
const PER_MS = 10_000;
/** A time this far after what was heard of belongs to another change: clocks of file systems move in ticks of some ms. */
const TICK_MS = 100;
/** A record may be this late. A time older than that was set by hand. */
export const LATE_MS = 60_000;
/** A clock that was set looks like a hidden change, until it is seen twice. */
export const CLOCK_STEP_MS = 1_000;
/** A server that has kept something from us is not believed for this long. */
export const DISTRUST_MS = 86_400_000;
/** The clock that times are made by is judged by this many of the last changes. */
const SAMPLES = 8;

/** Whether the times of a share's directories can be explained by what its server tells. One for all its handles. */
export class Trust {
  readonly #clock: Clock;
  /** How far file times were ahead of our monotonic clock when changes were heard of, FILETIME units. */
  readonly #ahead: bigint[] = [];
  #step: bigint | undefined;
  #brokenAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get broken(): boolean {
    return this.#brokenAt !== undefined && this.#clock.monotonic() - this.#brokenAt < DISTRUST_MS;
  }

  /** Names have come or gone that the server had not told. */
  broke(): void {
    this.#brokenAt = this.#clock.monotonic();
  }

  /** A directory was found as told, and `modified` can be the time of a change heard of at `heardAt` (monotonic ms). */
  learn(modified: bigint, heardAt: number): void {
    const ahead = offset(modified, heardAt);
    const known = this.#most;
    if (known !== undefined && ms(ahead - known) > CLOCK_STEP_MS) {
      const before = this.#step;
      this.#step = ahead;
      if (before === undefined || Math.abs(ms(ahead - before)) > CLOCK_STEP_MS) return;
    }
    if (this.#ahead.push(ahead) > SAMPLES) this.#ahead.shift();
  }

  /** Whether a change heard of at `heardAt`, `lateMs` late at most, can have left the time `modified`. */
  explains(modified: bigint, heardAt: number, lateMs: number = LATE_MS): boolean {
    const known = this.#most;
    if (known === undefined) return false;
    const after = ms(offset(modified, heardAt) - known);
    return after <= TICK_MS && after >= -lateMs;
  }

  get knowsClock(): boolean {
    return this.#ahead.length > 0;
  }

  get #most(): bigint | undefined {
    return this.#ahead.reduce<bigint | undefined>(
      (most, each) => (most === undefined || each > most ? each : most),
      undefined,
    );
  }
}

function offset(modified: bigint, heardAt: number): bigint {
  return modified - BigInt(Math.round(heardAt * PER_MS));
}

function ms(filetime: bigint): number {
  return Number(filetime) / PER_MS;
}
