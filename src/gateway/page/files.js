// The entries of a directory as a grid of which only what is seen has elements. Focus stays on the grid itself: rows
// come and go under it, and `aria-activedescendant` says which one is meant.
import { Cursor } from "./cursor.js";
import { isUnknown } from "./directory.js";
import { element } from "./elements.js";
import { FileHead } from "./file-head.js";
import { meaningOf, TypeAhead } from "./keys.js";
import { Listing } from "./listing.js";
import { Lit } from "./lit.js";
import { asked } from "./order.js";
import { RowPool } from "./row-pool.js";
import { keepPlace, reveal, topRow, windowOf } from "./virtual.js";

/** More names than this, not drawn yet, are read all anew. */
const MANY = 5_000;
/** Rows looked at for one that stays. */
const LOOKED_AT = 50;
let grids = 0;

export class Files {
  #id = `files-${++grids}`;
  #listing = new Listing();
  #cursor = new Cursor();
  #lit = new Lit();
  #typing = new TypeAhead();
  #onOpen;
  #onParent;
  #onSort;
  #note = element("p", { class: "files-note" });
  #body = element("div", { role: "rowgroup", class: "files-window" });
  #tall = element("div", { class: "files-tall", role: "presentation" }, this.#body);
  #head = new FileHead((column) => this.#sortBy(column));
  #rows = new RowPool(this.#body, this.#id);
  #counted = -1;
  #rowHeight = 28;
  #viewport = 0;
  #measured = false;
  #drawing = false;
  #expiry;
  /** What the owner of the entries has told since the last frame. */
  #touched = new Set();
  #source = { entries: () => [], get: () => undefined, look: () => undefined };
  #all = false;
  #loaded = false;
  #text;
  /** The keyboard goes to this name as soon as it is there. */
  #wanted;

  /** @param {{onOpen: (entry: object) => void, onParent: () => void, onSort: (order: object) => void}} hooks */
  constructor({ onOpen, onParent, onSort }) {
    this.#onOpen = onOpen;
    this.#onParent = onParent;
    this.#onSort = onSort;
    this.root = element(
      "div",
      { class: "files", role: "grid", tabindex: "0", id: this.#id },
      element("div", { role: "rowgroup", class: "files-top" }, this.#head.root),
      this.#tall,
    );
    this.#head.show(this.#listing.order);
    this.root.addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.#body.addEventListener("click", (event) => this.#onClick(event));
    this.#body.addEventListener("pointerover", (event) => this.#rows.at(indexOf(event))?.explain());
    this.root.addEventListener("focus", () => this.#cursor.index === -1 && this.#moveTo(0));
    new ResizeObserver(() => {
      this.#measured = false;
      this.#drawSoon();
    }).observe(this.root);
  }

  get count() {
    return this.#listing.rows.length;
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  setLabel(label) {
    this.root.setAttribute("aria-label", label);
  }

  /** What stands in the place of rows where there are none; by default, that there are none. */
  setNote(text) {
    this.#text = text;
    this.#drawSoon();
  }

  /**
   * Another directory: nothing is known of it yet.
   * @param {import("./directory.js").Directory} source
   * @param {string} [wanted] a name for the keyboard to be at
   */
  open(source, wanted) {
    this.follow(source);
    this.#loaded = false;
    this.#listing.load([]);
    this.#lit.clear();
    this.#cursor.clear();
    this.#typing.clear();
    this.#wanted = wanted;
    this.root.scrollTop = 0;
    this.#drawSoon();
  }

  /** The same directory from somebody else. What is shown stays until it is read anew. */
  follow(source) {
    this.#source = source;
    this.#touched.clear();
    this.#all = false;
  }

  /** All entries are to be read anew. */
  reload() {
    this.#all = true;
    this.#drawSoon();
  }

  /** @param {{action: string, name: string, oldName?: string}[]} changes that the source has followed already */
  change(changes) {
    const now = performance.now();
    for (const { action, name, oldName } of changes) {
      this.#touched.add(name);
      if (oldName !== undefined) {
        this.#touched.add(oldName);
        this.#cursor.rename(oldName, name);
      }
      if (action !== "removed") this.#lit.mark(name, action, now);
    }
    if (this.#touched.size > MANY) this.#all = true;
    if (this.#all) this.#touched.clear();
    this.#drawSoon();
  }

  /** More is known of these. @param {string[]} names */
  refresh(names) {
    for (const name of names) this.#touched.add(name);
    this.#drawSoon();
  }

  #drawSoon() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#take();
      this.#draw();
    });
  }

  /** Takes over what was told since. Who looks at a row still sees it where it was. */
  #take() {
    if (!this.#all && this.#touched.size === 0) return;
    const before = this.#scroll();
    const [anchor, index] = this.#anchor(topRow(before));
    if (this.#all) this.#load();
    else this.#listing.update(this.#touched, (name) => this.#source.get(name));
    this.#all = false;
    this.#touched.clear();
    this.#cursor.follow(this.#listing);
    this.#goToWanted();
    const moved = anchor === undefined ? -1 : this.#listing.indexOf(anchor);
    if (this.root.scrollTop > 0 && moved !== -1 && moved !== index) {
      this.#setHeight();
      this.root.scrollTop = keepPlace(index, moved, before, this.count);
    }
  }

  #load() {
    const news = this.#listing.load(this.#source.entries());
    const now = performance.now();
    if (this.#loaded) for (const [name, action] of news) this.#lit.mark(name, action, now);
    this.#loaded = true;
  }

  /** A row in sight that stays where it is in the order, and its place. */
  #anchor(top) {
    const rows = this.#listing.rows.slice(top, top + LOOKED_AT);
    const at = rows.findIndex(({ name }) => !this.#touched.has(name));
    return [rows[at]?.name, top + at];
  }

  #goToWanted() {
    const index = this.#wanted === undefined ? -1 : this.#listing.indexOf(this.#wanted);
    if (index === -1) {
      if (this.#cursor.index === -1 && document.activeElement === this.root) {
        this.#cursor.to(0, this.#listing.rows);
      }
      return;
    }
    this.#wanted = undefined;
    this.#cursor.to(index, this.#listing.rows);
    this.#setHeight();
    this.root.scrollTop = reveal(index, this.#scroll());
  }

  #scroll() {
    return {
      count: this.#listing.rows.length,
      rowHeight: this.#rowHeight,
      viewport: this.#viewport,
      scrollTop: this.root.scrollTop,
    };
  }

  #setHeight() {
    this.#tall.style.height = `${windowOf(this.#scroll()).height}px`;
  }

  #draw() {
    if (!this.#measured) this.#viewport = Math.max(0, this.root.clientHeight - this.#head.root.offsetHeight);
    const { rows } = this.#listing;
    const { first, last, offset, height } = windowOf(this.#scroll());
    if (rows.length !== this.#counted) {
      this.#counted = rows.length;
      this.root.setAttribute("aria-rowcount", String(rows.length + 1));
      this.#tall.style.height = `${height}px`;
    }
    this.#body.style.transform = `translateY(${offset}px)`;
    const now = performance.now();
    const unknown = rows.slice(first, last).filter(isUnknown);
    if (unknown.length > 0) this.#source.look(unknown.map(({ name }) => name));
    this.#rows.place(first, last, (row, index) => {
      row.show(rows[index], index, { mark: this.#lit.of(rows[index].name, now), now });
      row.select(index === this.#cursor.index);
    });
    this.#showNote();
    this.#pointOut();
    this.#expireLater(now);
    if (!this.#measured) this.#measure();
  }

  #showNote() {
    const empty = this.#listing.rows.length === 0;
    this.#note.textContent = this.#text ?? (this.#loaded ? "The directory is empty" : "Reading…");
    if (empty === this.#note.isConnected) return;
    if (empty) this.root.after(this.#note);
    else this.#note.remove();
  }

  /** Where the rows are another height than thought, all stand elsewhere. */
  #measure() {
    const height = this.#body.firstElementChild?.getBoundingClientRect().height ?? 0;
    if (height === 0) return;
    this.#measured = true;
    if (Math.abs(height - this.#rowHeight) < 0.1) return;
    this.#rowHeight = height;
    this.#counted = -1;
    this.#drawSoon();
  }

  #pointOut() {
    const row = this.#rows.at(this.#cursor.index);
    if (row === undefined) this.root.removeAttribute("aria-activedescendant");
    else this.root.setAttribute("aria-activedescendant", row.root.id);
  }

  #expireLater(now) {
    clearTimeout(this.#expiry);
    const left = this.#lit.expire(now);
    if (left !== undefined) this.#expiry = setTimeout(() => this.#drawSoon(), left + 1);
  }

  #onKey(event) {
    // The buttons above have keys of their own.
    if (event.target !== this.root) return;
    const meaning = meaningOf(event);
    if (meaning === undefined) return;
    const now = performance.now();
    this.#take();
    const { rows } = this.#listing;
    if (meaning.do === "move") {
      const { viewport } = this.#scroll();
      this.#cursor.move(meaning.where, rows, Math.max(1, Math.floor(viewport / this.#rowHeight) - 1));
      this.#moveTo(this.#cursor.index);
    } else if (meaning.do === "open") {
      const entry = rows[this.#cursor.index];
      if (entry !== undefined) this.#onOpen(entry);
    } else if (meaning.do === "parent") this.#onParent();
    else if (meaning.text !== " " || this.#typing.goesOn(now)) {
      const found = this.#typing.find(meaning.text, rows, this.#cursor.index, now);
      if (found !== -1) this.#moveTo(found);
    } else return;
    event.preventDefault();
  }

  #moveTo(index) {
    const { rows } = this.#listing;
    if (rows.length === 0) return;
    this.#cursor.to(index, rows);
    this.#setHeight();
    this.root.scrollTop = reveal(this.#cursor.index, this.#scroll());
    this.#draw();
  }

  #onClick(event) {
    const index = indexOf(event);
    const entry = this.#listing.rows[index];
    // What was pressed may have gone since.
    if (entry === undefined || this.#rows.at(index)?.entry !== entry) return;
    this.#moveTo(index);
    this.focus();
    if (entry.type === "directory") this.#onOpen(entry);
  }

  #sortBy(column) {
    this.#take();
    this.#listing.sort(asked(column, this.#listing.order));
    this.#cursor.follow(this.#listing);
    this.root.scrollTop = 0;
    this.#head.show(this.#listing.order);
    this.#draw();
    this.#onSort(this.#listing.order);
  }
}

/** Of the row that is meant. The first one of all is that of the headings. */
function indexOf(event) {
  return Number(event.target.closest('[role="row"]')?.getAttribute("aria-rowindex")) - 2;
}
