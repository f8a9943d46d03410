import type { Clock } from "../../base/clock.ts";

/** Interests of one connection on their way to a worker at once. */
const PLACES = 128;
/** A place is given up after this long, ms: a directory that hangs must not keep others from theirs for long. */
const HOLD_MS = 10_000;
/** Begun in one turn of the event loop, and where the loop is late. */
const BATCH = 32;
const BATCH_WHEN_LATE = 2;
const LATE_MS = 50;

interface Ticket {
  readonly begin: () => void;
  readonly leave: () => void;
  /** Of the end of its time; absent before it has a place, and after. */
  cancel: (() => void) | undefined;
  /** It is not wanted any more. */
  left: boolean;
}

/**
 * Lets the interests of one connection in by so many at a time, fewer where the event loop is late. Ten thousand directories asked for at once
 * would otherwise be written, claimed, looked at and compared at once, here and in the workers: each answer would come
 * after the time that it may take, and a lease would wait behind all of it.
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #waiting = new Set<Ticket>();
  #inside = 0;
  #budget = BATCH;
  #closed = false;
  #pumping: NodeJS.Immediate | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Calls `begin` when it is its turn, which is at once where there is room. The returned function says that it is
   * through, or gives up waiting; it may be called twice. `beforehand` is what has to be over before it stands in line, where
   * it has to; it must not reject.
   */
  enter(begin: () => void, beforehand?: () => Promise<unknown>): () => void {
    const ticket: Ticket = { begin, leave: () => this.#leave(ticket), cancel: undefined, left: false };
    if (this.#waiting.size === 0 && this.#roomy) this.#start(ticket);
    else if (beforehand === undefined) this.#stand(ticket);
    else void beforehand().then(() => this.#stand(ticket));
    return ticket.leave;
  }

  close(): void {
    if (this.#pumping !== undefined) clearImmediate(this.#pumping);
    this.#waiting.clear();
    this.#closed = true;
  }

  get #roomy(): boolean {
    return this.#inside < PLACES && this.#budget > 0;
  }

  #stand(ticket: Ticket): void {
    if (ticket.left || this.#closed) return;
    this.#waiting.add(ticket);
    this.#pumpSoon();
  }

  #leave(ticket: Ticket): void {
    ticket.left = true;
    if (this.#waiting.delete(ticket) || ticket.cancel === undefined) return;
    ticket.cancel();
    ticket.cancel = undefined;
    this.#inside--;
    if (this.#waiting.size > 0) this.#pumpSoon();
  }

  #start(ticket: Ticket): void {
    this.#inside++;
    this.#budget--;
    ticket.cancel = this.#clock.after(HOLD_MS, ticket.leave, { unref: true });
    ticket.begin();
    this.#pumpSoon();
  }

  /** The next turn of the loop; how long this one takes tells what the next may bear. */
  #pumpSoon(): void {
    if (this.#pumping !== undefined) return;
    const from = this.#clock.monotonic();
    this.#pumping = setImmediate(() => {
      this.#pumping = undefined;
      this.#budget = this.#clock.monotonic() - from > LATE_MS ? BATCH_WHEN_LATE : BATCH;
      for (const ticket of this.#waiting) {
        if (!this.#roomy) break;
        this.#waiting.delete(ticket);
        this.#start(ticket);
      }
    });
  }
}
