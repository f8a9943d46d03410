import type { Clock } from "../../base/clock.ts";

/** How long what has come in is served in one turn of the event loop, ms. */
const SLICE_MS = 15;
/** With so many waiting nobody is read any more, and with fewer than these the next ones are, so many in each turn. */
const ENOUGH = 64;
const FEW = 32;
const READ_ON = 16;

/** Whoever may speak. */
interface Source {
  pause(): void;
  resume(): void;
}

/**
 * Serves what thousands of sockets want in the order it came: for a slice of each turn of the event loop; then the others that want it
 * have their turn: timers, above all the renewal of the lease, and answers. Ten thousand requests that arrive at once would keep
 * it for seconds, and reading them alone for half a second: while many wait all sockets are left to the kernel's buffers.
 */
export class Intake {
  readonly #clock: Clock;
  #waiting: (() => void)[] = [];
  /** Being read, and not. */
  readonly #open = new Set<Source>();
  readonly #shut = new Set<Source>();
  /** When this turn began, as far as we are concerned; absent while there is nothing to do. */
  #since: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What waits to be served. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A new one, which is being read. Returns its end. */
  join(source: Source): () => void {
    this.#open.add(source);
    if (this.#waiting.length >= ENOUGH) this.#shutAll();
    return () => {
      this.#open.delete(source);
      this.#shut.delete(source);
    };
  }

  /** Serves now, or when its turn comes. `serve` must not throw. */
  take(serve: () => void): void {
    if (this.#since === undefined) this.#begin();
    if (this.#waiting.length === 0 && this.#hasTime) serve();
    else if (this.#waiting.push(serve) >= ENOUGH) this.#shutAll();
  }

  #shutAll(): void {
    for (const source of this.#open) {
      source.pause();
      this.#shut.add(source);
    }
    this.#open.clear();
  }

  get #hasTime(): boolean {
    return this.#clock.monotonic() - (this.#since ?? 0) < SLICE_MS;
  }

  #begin(): void {
    this.#since = this.#clock.monotonic();
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#since = undefined;
    if (this.#waiting.length === 0 && this.#shut.size === 0) return;
    this.#begin();
    let served = 0;
    while (served < this.#waiting.length && (served === 0 || this.#hasTime)) this.#waiting[served++]?.();
    this.#waiting = this.#waiting.slice(served);
    if (this.#waiting.length < FEW) this.#readOn();
  }

  #readOn(): void {
    let left = READ_ON;
    for (const source of this.#shut) {
      if (left-- === 0) return;
      this.#shut.delete(source);
      this.#open.add(source);
      source.resume();
    }
  }
}
