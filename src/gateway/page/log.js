// What has happened in a directory: its rate, and the latest changes.
import { ago } from "./ago.js";
import { element, nameElement, svgElement } from "./elements.js";

const MAX_ROWS = 500;
const PLOT_SECONDS = 60;

export class Log {
  #rows = element("ol");
  #scroller;
  #total = element("span", { class: "total" });
  #rate = element("span", { class: "now" });
  #last = 0;
  #area = svgElement("path");
  #perSecond = new Array(PLOT_SECONDS).fill(0);
  #count = 0;
  /** Rows not drawn yet: a burst is drawn once a frame, not once a change. */
  #waiting = [];
  #drawing = false;

  constructor() {
    const plot = svgElement(
      "svg",
      {
        class: "plot",
        viewBox: `0 0 ${PLOT_SECONDS} 1`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": "Changes per second, last minute",
      },
      this.#area,
    );
    const legend = element("p", { class: "legend faint" }, this.#total, this.#rate);
    // A list stays one inside what scrolls and is announced as a log; told aloud only by those who ask for it.
    this.#scroller = element(
      "div",
      { class: "rows", role: "log", "aria-live": "off", tabindex: "0" },
      this.#rows,
    );
    this.root = element(
      "div",
      { class: "log" },
      element("div", { class: "rate" }, legend, plot),
      this.#scroller,
    );
    this.tick();
  }

  setPath(path) {
    this.#scroller.setAttribute("aria-label", `Changes in ${path}`);
  }

  clear() {
    this.#waiting.length = 0;
    this.#rows.replaceChildren();
  }

  /** Of another directory from now on. */
  reset() {
    this.clear();
    this.#count = 0;
    this.#perSecond.fill(0);
    this.tick();
  }

  /** @param {{action: string, name?: string, from?: string, where?: string, note?: string, more?: string}} row */
  add(row) {
    if (row.name !== undefined || row.action === "changed") {
      this.#count++;
      this.#last = Date.now();
      this.#perSecond[PLOT_SECONDS - 1]++;
    }
    this.#waiting.push({ ...row, at: new Date() });
    if (this.#waiting.length > MAX_ROWS) this.#waiting.shift();
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => this.#draw());
  }

  /** A second is over. */
  tick() {
    this.#perSecond.shift();
    this.#perSecond.push(0);
    this.#total.textContent = countText(this.#count, this.#last);
    this.#plot();
  }

  #draw() {
    this.#drawing = false;
    this.#rows.prepend(...this.#waiting.splice(0).reverse().map(rowElement));
    while (this.#rows.childElementCount > MAX_ROWS) this.#rows.lastElementChild.remove();
    this.#total.textContent = countText(this.#count, this.#last);
  }

  /** A bar a second, the newest on the right. */
  #plot() {
    const peak = Math.max(...this.#perSecond);
    const top = Math.max(4, peak);
    const now = this.#perSecond.at(-2) ?? 0;
    this.#rate.textContent =
      peak === 0 ? "quiet this minute" : `${now.toLocaleString()}/s now, peak ${peak.toLocaleString()}/s`;
    const bars = this.#perSecond.map((count, second) =>
      count === 0 ? "" : `M${second + 0.1} 1V${1 - count / top}h.8V1Z`,
    );
    this.#area.setAttribute("d", bars.join(""));
  }
}

/** How many there were, and since when it is quiet. */
function countText(count, last) {
  if (count === 0) return "no changes yet";
  return `${count.toLocaleString()} change${count === 1 ? "" : "s"}, last ${ago(Date.now() - last)}`;
}

function rowElement({ action, at, from, name, note, more, where }) {
  const text = element("span", { class: "name" });
  if (where !== undefined) text.append(element("span", { class: "where" }, nameElement(`${where}/`)));
  if (from !== undefined) text.append(nameElement(from), " → ");
  if (name !== undefined) text.append(nameElement(name));
  if (note !== undefined) text.append(note);
  if (more !== undefined) text.append(" ", element("span", { class: "where" }, more));
  // What is too long to show at a glance is there to look at.
  text.title = text.textContent;
  const time = element("time", { datetime: at.toISOString() }, clockTime(at));
  return element(
    "li",
    { class: "row", "data-action": action },
    time,
    element("span", { class: "action" }, action),
    text,
  );
}

function clockTime(at) {
  const two = (value) => String(value).padStart(2, "0");
  const thousandths = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${thousandths}`;
}
