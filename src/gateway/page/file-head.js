// The headings above entries, by which they are sorted.
import { element } from "./elements.js";

const COLUMNS = [
  ["name", "Name"],
  ["size", "Size"],
  ["modified", "Changed"],
];

export class FileHead {
  #columns = new Map();

  /** @param {(column: string) => void} onAsked */
  constructor(onAsked) {
    this.root = element("div", { role: "row", class: "files-head", "aria-rowindex": "1" });
    for (const [column, label] of COLUMNS) {
      const button = element("button", { type: "button" }, label);
      button.addEventListener("click", () => onAsked(column));
      const head = element("div", { role: "columnheader", "data-column": column }, button);
      this.#columns.set(column, head);
      this.root.append(head);
    }
  }

  /** @param {{by: string, descending: boolean}} order */
  show({ by, descending }) {
    for (const [column, head] of this.#columns) {
      if (column === by) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  }
}
