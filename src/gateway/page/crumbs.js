// The way to a directory, each step of it to go back to.
import { element, nameElement } from "./elements.js";
import { isWithin, stepsTo } from "./paths.js";

export class Crumbs {
  #list = element("ol");
  #onGo;

  /** @param {(path: string) => void} onGo */
  constructor(onGo) {
    this.#onGo = onGo;
    this.root = element("nav", { class: "crumbs" }, this.#list);
  }

  /** @param {string} root above it nothing is shown, so nothing can be gone to */
  show(connection, path, root) {
    this.root.setAttribute("aria-label", `Path to ${connection} ${path}`);
    const steps = stepsTo(path).map((step) => {
      const label = step.path === "/" ? connection : nameElement(step.name);
      return element("li", {}, this.#step(label, step.path, { path, root }));
    });
    this.#list.replaceChildren(...steps);
  }

  #step(label, to, { path, root }) {
    if (to === path) return element("span", { "aria-current": "location" }, label);
    if (!isWithin(to, root)) return element("span", { class: "faint" }, label);
    const button = element("button", { type: "button" }, label);
    button.addEventListener("click", () => this.#onGo(to));
    return button;
  }
}
