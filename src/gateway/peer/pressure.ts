import type { Clock } from "../../base/clock.ts";

const SLOT_MS = 250;
/** Frames of changes that one process writes to sockets within a slot while nothing else suffers. */
const FRAMES_PER_SLOT = 2_000;

/** How much the gateway tells at present, over all sockets: where that is much, changes are gathered for longer. */
export class Pressure {
  readonly #clock: Clock;
  #slot = 0;
  #sent = 0;
  #before = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A frame of changes has gone out. */
  sent(): void {
    this.#turn();
    this.#sent++;
  }

  get loaded(): boolean {
    this.#turn();
    return this.#sent >= FRAMES_PER_SLOT || this.#before >= FRAMES_PER_SLOT;
  }

  #turn(): void {
    const slot = Math.floor(this.#clock.monotonic() / SLOT_MS);
    if (slot === this.#slot) return;
    this.#before = slot === this.#slot + 1 ? this.#sent : 0;
    this.#slot = slot;
    this.#sent = 0;
  }
}
