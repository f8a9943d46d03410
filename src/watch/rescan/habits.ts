/** Milliseconds between two FILETIMEs; `undefined` where the server's clock is not known. */
export function ageMs(now: bigint | undefined, then: bigint): number | undefined {
  return now === undefined ? undefined : Number((now - then) / 10_000n);
}

/** What a share has shown of itself: whether it is worth the requests to ask more than once. */
export class Habits {
  readonly #hiding = new AbortController();
  #showsNew = false;

  /** Names that were told, or listed before, and could be opened, or not, have been missing from listings. */
  get hides(): boolean {
    return this.#hiding.signal.aborted;
  }

  /** Aborted as soon as `hides`. */
  get hiding(): AbortSignal {
    return this.#hiding.signal;
  }

  /** What has just been made is listed at once. */
  get showsNew(): boolean {
    return this.#showsNew;
  }

  hid(): void {
    this.#hiding.abort();
    this.#showsNew = false;
  }

  /**
   * Directories teach nothing: Samba 4.22 and 4.25 hide new files only, 4.17 both.
   *
   * @param ageMs since its last change, by the server's clock; `undefined` where that is not known
   */
  listed(type: "file" | "directory", ageMs: number | undefined): void {
    if (type === "directory") return;
    if (!this.hides && ageMs !== undefined && ageMs < 2_000) this.#showsNew = true;
  }
}
