import type { Clock } from "../../base/clock.ts";

/** Runs what is asked for at once, but not more often than every `everyMs`; what was asked for meanwhile is run once, then. */
export class Throttle {
  readonly #options: { readonly everyMs: number; readonly run: () => void; readonly clock: Clock };
  #lastAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(options: { readonly everyMs: number; readonly run: () => void; readonly clock: Clock }) {
    this.#options = options;
  }

  ask(): void {
    if (this.#cancel !== undefined) return;
    const { clock, everyMs, run } = this.#options;
    const wait = this.#lastAt + everyMs - clock.monotonic();
    const now = (): void => {
      this.#cancel = undefined;
      this.#lastAt = clock.monotonic();
      run();
    };
    if (wait <= 0) now();
    else this.#cancel = clock.after(wait, now, { unref: true });
  }

  close(): void {
    this.#cancel?.();
  }
}
