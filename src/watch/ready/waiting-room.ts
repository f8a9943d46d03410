/** Files that all watches of one share may wait for at the same time: what is remembered of each has to fit into memory. */
export class WaitingRoom {
  readonly #most: number;
  readonly #listeners = new Set<() => void>();
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get most(): number {
    return this.#most;
  }

  get free(): number {
    return this.#most - this.#taken;
  }

  /** So much that it is worth a listing to fill it. */
  get ample(): boolean {
    return this.free * 4 >= this.#most;
  }

  /** `false`: there is none. */
  take(): boolean {
    if (this.free <= 0) return false;
    this.#taken++;
    return true;
  }

  give(count: number): void {
    this.#taken -= count;
    if (!this.ample) return;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Called whenever room is given back while there is ample. Must not throw. Returns what ends it. */
  onAmple(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
