// What has just changed, for a moment. Knows no page.

export const LIT_MS = 4_000;
/** Where everything changes, nothing stands out. */
const MOST = 1_000;

export class Lit {
  /** In the order of their ends. */
  #marks = new Map();

  /** @param {"added" | "modified" | "renamed" | "ready"} action */
  mark(name, action, now) {
    const before = this.#marks.get(name);
    this.#marks.delete(name);
    if (this.#marks.size >= MOST) this.#marks.delete(this.#marks.keys().next().value);
    // What came and was written at once has come, above all.
    const kept = before?.action === "added" && action === "modified" && now - before.since < LIT_MS;
    this.#marks.set(name, { action: kept ? "added" : action, since: now });
  }

  /** @returns {{action: string, since: number} | undefined} */
  of(name, now) {
    const mark = this.#marks.get(name);
    return mark !== undefined && now - mark.since < LIT_MS ? mark : undefined;
  }

  /** Forgets what is over. @returns {number | undefined} ms until the next is */
  expire(now) {
    for (const [name, { since }] of this.#marks) {
      if (now - since < LIT_MS) return LIT_MS - (now - since);
      this.#marks.delete(name);
    }
    return undefined;
  }

  clear() {
    this.#marks.clear();
  }
}
