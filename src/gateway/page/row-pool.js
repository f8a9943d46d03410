// The elements of the rows in sight, used again for others as these come into sight.
import { FileRow } from "./file-row.js";

export class RowPool {
  #body;
  #id;
  #made = 0;
  /** By their place. */
  #shown = new Map();
  #spare = [];

  /** @param {HTMLElement} body where they stand @param {string} id what theirs begin with */
  constructor(body, id) {
    this.#body = body;
    this.#id = id;
  }

  /** @returns {FileRow | undefined} of that place, if it is in sight */
  at(index) {
    return this.#shown.get(index);
  }

  /**
   * Rows `first` to before `last` have elements from now on, in order.
   * @param {(row: FileRow, index: number) => void} show
   */
  place(first, last, show) {
    const free = this.#release(first, last);
    let before = this.#body.firstElementChild;
    for (let index = first; index < last; index++) {
      let row = this.#shown.get(index);
      if (row === undefined) {
        // The one that stands here, if it is free: moving one is what costs.
        row = free.get(before) ?? free.values().next().value ?? this.#spare.pop();
        row ??= new FileRow(`${this.#id}-${++this.#made}`);
        free.delete(row.root);
        this.#shown.set(index, row);
      } else while (free.has(before)) before = before.nextElementSibling;
      show(row, index);
      if (row.root === before) before = before.nextElementSibling;
      else this.#body.insertBefore(row.root, before);
    }
    for (const [root, row] of free) {
      root.remove();
      this.#spare.push(row);
    }
  }

  /** Those that are not needed where they are, by their elements. */
  #release(first, last) {
    const stays = (index) => index >= first && index < last;
    // Where most go, all of them show another one without being moved.
    const few = 2 * [...this.#shown.keys()].filter(stays).length < this.#shown.size;
    const free = new Map();
    for (const [index, row] of this.#shown) {
      if (!few && stays(index)) continue;
      this.#shown.delete(index);
      free.set(row.root, row);
    }
    return free;
  }
}
