// Which entry the keyboard is at. It stays with the entry where others come and go. Knows no page.

export class Cursor {
  #name;
  #index = 0;

  get name() {
    return this.#name;
  }

  /** In `rows`, -1 where there are none. */
  get index() {
    return this.#name === undefined ? -1 : this.#index;
  }

  /** @param {{name: string}[]} rows */
  to(index, rows) {
    this.#index = Math.max(0, Math.min(index, rows.length - 1));
    this.#name = rows[this.#index]?.name;
  }

  /** @param {"up" | "down" | "pageUp" | "pageDown" | "first" | "last"} where @param {number} page rows of a page */
  move(where, rows, page) {
    const steps = { up: -1, down: 1, pageUp: -page, pageDown: page, first: -rows.length, last: rows.length };
    // The first step lands on the first row, and does not pass it.
    const from = this.#name === undefined && steps[where] > 0 ? this.#index - 1 : this.#index;
    this.to(from + steps[where], rows);
  }

  /** The name is another now. */
  rename(from, to) {
    if (this.#name === from) this.#name = to;
  }

  /** After `listing` has changed: at the same entry, or where it was. */
  follow(listing) {
    if (this.#name === undefined) return;
    const index = listing.indexOf(this.#name);
    this.to(index === -1 ? this.#index : index, listing.rows);
  }

  clear() {
    this.#name = undefined;
    this.#index = 0;
  }
}
