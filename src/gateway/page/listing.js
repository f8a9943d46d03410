// The entries of one directory, sorted, kept so change by change. Knows no page.
import { BY_NAME, comparator } from "./order.js";

/** More names at once than this part of all are sorted anew: cheaper than so many insertions. */
const MANY = 1 / 20;

export class Listing {
  #byName = new Map();
  #rows = [];
  #order = BY_NAME;
  #compare = comparator(BY_NAME);

  /** In order. Another array after each change of it. */
  get rows() {
    return this.#rows;
  }

  get order() {
    return this.#order;
  }

  get(name) {
    return this.#byName.get(name);
  }

  /**
   * Takes all entries anew.
   * @returns {Map<string, string>} what is another than before, by name: `added` or `modified`
   */
  load(entries) {
    const before = this.#byName;
    this.#byName = new Map(entries.map((entry) => [entry.name, entry]));
    this.#rows = [...this.#byName.values()].sort(this.#compare);
    const news = new Map();
    for (const entry of this.#rows) {
      const known = before.get(entry.name);
      if (known === undefined) news.set(entry.name, "added");
      else if (differ(known.size, entry.size) || differ(known.modified, entry.modified)) {
        news.set(entry.name, "modified");
      }
    }
    return news;
  }

  /**
   * Something may have happened to these names.
   * @param {Iterable<string>} names
   * @param {(name: string) => object | undefined} get what each is now, if it is there
   */
  update(names, get) {
    const touched = [...names];
    if (touched.length > 32 && touched.length > this.#rows.length * MANY) {
      for (const name of touched) this.#set(name, exactly(name, get(name)));
      this.#rows = [...this.#byName.values()].sort(this.#compare);
      return;
    }
    const rows = [...this.#rows];
    for (const name of touched) {
      const known = this.#byName.get(name);
      const now = exactly(name, get(name));
      if (known === now) continue;
      if (known !== undefined) rows.splice(this.#place(rows, known), 1);
      this.#set(name, now);
      if (now !== undefined) rows.splice(this.#place(rows, now), 0, now);
    }
    this.#rows = rows;
  }

  sort(order) {
    this.#order = order;
    this.#compare = comparator(order);
    this.#rows = [...this.#rows].sort(this.#compare);
  }

  /** Where a name stands, or -1. */
  indexOf(name) {
    const entry = this.#byName.get(name);
    return entry === undefined ? -1 : this.#place(this.#rows, entry);
  }

  #set(name, entry) {
    if (entry === undefined) this.#byName.delete(name);
    else this.#byName.set(name, entry);
  }

  /** Where an entry is, or would be. */
  #place(rows, entry) {
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(rows[middle], entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** What was not known and is now has not changed for that. */
function differ(before, now) {
  return before !== undefined && now !== undefined && before !== now;
}

/** A server that does not tell case apart answers to other spellings, too. */
function exactly(name, entry) {
  return entry?.name === name ? entry : undefined;
}
