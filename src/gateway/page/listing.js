// The entries of one directory, sorted, kept so change by change. Knows no page.
import { BY_NAME, comparator } from "./order.js";

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
   * Something may have happened to these names. What has not changed is not compared with each other again.
   * @param {Iterable<string>} names
   * @param {(name: string) => object | undefined} get what each is now, if it is there
   */
  update(names, get) {
    const changed = new Set();
    const fresh = [];
    for (const name of names) {
      const found = get(name);
      // A server that does not tell case apart answers to other spellings, too.
      const now = found?.name === name ? found : undefined;
      if (now === this.#byName.get(name)) continue;
      changed.add(name);
      if (now === undefined) this.#byName.delete(name);
      else {
        this.#byName.set(name, now);
        fresh.push(now);
      }
    }
    if (changed.size === 0) return;
    const kept = this.#rows.filter(({ name }) => !changed.has(name));
    const rows = [];
    let from = 0;
    for (const entry of fresh.sort(this.#compare)) {
      const place = this.#place(kept, entry, from);
      for (; from < place; from++) rows.push(kept[from]);
      rows.push(entry);
    }
    for (; from < kept.length; from++) rows.push(kept[from]);
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

  /** Where an entry is, or would be. */
  #place(rows, entry, from = 0) {
    let low = from;
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
