// One entry in sight. Elements are used again for the next one that comes into sight.
import { element, nameElement, svgElement } from "./elements.js";
import { exactSize, exactTime, kindOf, sizeText, timeText } from "./format.js";

const SPOKEN = { folder: "folder", unknown: "not looked at yet" };

export class FileRow {
  #use = svgElement("use");
  #icon = svgElement("svg", { class: "icon", "aria-hidden": "true" }, this.#use);
  #kind = element("span", { class: "aside" });
  #name = element("span", { class: "file-name" });
  #size = element("span", { role: "gridcell", class: "file-size" });
  #time = element("span", { role: "gridcell", class: "file-time" });
  #index;
  #selected;
  #lit;
  /** When the animation began. */
  #litAt = 0;
  entry;

  constructor(id) {
    this.root = element(
      "div",
      { role: "row", class: "file-row", id },
      element("span", { role: "gridcell", class: "file-cell" }, this.#icon, this.#name, this.#kind),
      this.#size,
      this.#time,
    );
  }

  /** @param {{mark: {action: string, since: number} | undefined, now: number}} lit what has just happened to it */
  show(entry, index, { mark, now }) {
    if (index !== this.#index) this.root.setAttribute("aria-rowindex", String(index + 2));
    this.#index = index;
    if (entry !== this.entry) this.#fill(entry);
    if (mark === this.#lit) return;
    this.#lit = mark;
    if (mark === undefined) {
      delete this.root.dataset.lit;
      return;
    }
    if (this.root.dataset.lit === undefined) this.#litAt = now;
    this.root.dataset.lit = mark.action;
    // It may come into sight in the middle of it, or change once more.
    this.root.style.animationDelay = `${Math.round(mark.since - this.#litAt)}ms`;
  }

  select(selected) {
    if (selected === this.#selected) return;
    this.#selected = selected;
    this.root.setAttribute("aria-selected", String(selected));
  }

  /** What is too long, or too short, to show at a glance is there to be pointed at. */
  explain() {
    const { size, modified } = this.entry;
    this.#name.title = this.#name.textContent;
    this.#size.title = this.#size.textContent === "" ? "" : exactSize(size);
    this.#time.title = exactTime(modified);
  }

  #fill(entry) {
    const { name, size, modified } = entry;
    if (this.entry?.name !== name) this.#name.replaceChildren(nameElement(name));
    this.entry = entry;
    const kind = kindOf(entry);
    if (kind !== this.root.dataset.kind) {
      this.root.dataset.kind = kind;
      this.#use.setAttribute("href", `#icon-${kind}`);
      this.#kind.textContent = SPOKEN[kind] ?? "";
    }
    this.#size.textContent = kind === "folder" ? "" : sizeText(size);
    this.#time.textContent = timeText(modified);
  }
}
