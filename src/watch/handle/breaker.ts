import { AbortedError } from "../../base/errors.ts";

/**
 * A signal for as long as somebody may listen to it. Ten thousand handles mostly rest, and a resting AbortController with
 * its signal and their listener tables is about a KiB (Node 20, by heap snapshot).
 */
export class Breaker {
  #controller: AbortController | undefined;
  #users = 0;
  #broken = false;

  get broken(): boolean {
    return this.#broken;
  }

  /** Lends the signal until the work ends. @throws AbortedError where it has been broken before, and what `work` throws */
  async lend<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#broken) throw new AbortedError();
    this.#controller ??= new AbortController();
    this.#users++;
    try {
      return await work(this.#controller.signal);
    } finally {
      if (--this.#users === 0) this.#controller = undefined;
    }
  }

  /** Aborts what is under way; nothing is begun any more. */
  break(): void {
    this.#broken = true;
    this.#controller?.abort();
  }
}
