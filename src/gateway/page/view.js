// What one watched directory looks like. Names come from a file server: they are only ever text.
import { ago } from "./ago.js";

const MAX_ROWS = 500;
const PLOT_SECONDS = 60;
const SVG = "http://www.w3.org/2000/svg";

/** Characters that show nothing, or make others show elsewhere than they are. */
const INVISIBLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: showing them is what this is for
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/u;

/** @param {string} tag @param {Record<string, string>} [attributes] @param {...(Node | string)} children */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A name as it is, with what cannot be seen spelled out. */
export function nameElement(name) {
  const made = element("bdi");
  let plain = "";
  for (const character of name) {
    if (!INVISIBLE.test(character)) {
      plain += character;
      continue;
    }
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    made.append(plain, element("span", { class: "odd" }, `U+${code}`));
    plain = "";
  }
  made.append(plain);
  return made;
}

/** How many there were, and since when it is quiet. */
function countText(count, last) {
  if (count === 0) return "no changes yet";
  return `${count.toLocaleString()} change${count === 1 ? "" : "s"}, last ${ago(Date.now() - last)}`;
}

/** One directory: its state, its rate, its latest changes. */
export class Panel {
  #rows = element("ol");
  #state = element("span", { class: "state", "data-state": "connecting" });
  #total = element("span", { class: "total" });
  #rate = element("span", { class: "now" });
  #close;
  #retry = element("button", { type: "button", class: "retry", hidden: "" }, "Try again");
  /** What `setState` was told last, and whether the gateway is away to tell better. */
  #known = { state: "arming", text: "arming" };
  #cutOff = false;
  #last = 0;
  #area = document.createElementNS(SVG, "path");
  #perSecond = new Array(PLOT_SECONDS).fill(0);
  #count = 0;
  /** Rows not drawn yet: a burst is drawn once a frame, not once a change. */
  #waiting = [];
  #drawing = false;

  constructor({ connection, path, recursive, onClose, onRetry }) {
    // A name that begins with what is to be seen: people say it to their machine (WCAG 2.5.3).
    this.#close = element("button", { type: "button", "aria-label": `Close ${path}` }, "Close");
    this.#close.addEventListener("click", onClose);
    this.#retry.addEventListener("click", onRetry);
    const clear = element("button", { type: "button" }, "Clear");
    clear.addEventListener("click", () => {
      this.#waiting.length = 0;
      this.#rows.replaceChildren();
    });
    clear.setAttribute("aria-label", `Clear what is shown of ${path}`);
    const plot = document.createElementNS(SVG, "svg");
    plot.setAttribute("class", "plot");
    plot.setAttribute("viewBox", `0 0 ${PLOT_SECONDS} 1`);
    plot.setAttribute("preserveAspectRatio", "none");
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", "Changes per second, last minute");
    plot.append(this.#area);
    const title = element(
      "h2",
      {},
      element("span", { class: "faint" }, `${connection} `),
      nameElement(path),
      ...(recursive ? [element("span", { class: "faint" }, " and below")] : []),
    );
    const buttons = element("div", { class: "tools" }, clear, this.#close);
    const head = element("header", {}, title, this.#state, this.#retry, buttons);
    const legend = element("p", { class: "legend faint" }, this.#total, this.#rate);
    this.root = element(
      "section",
      {
        class: "panel",
        "data-connection": connection,
        "data-path": path,
        "aria-label": `${connection} ${path}`,
      },
      head,
      element("div", { class: "rate" }, legend, plot),
      // A list stays one inside what scrolls and is announced as a log; told aloud only by those who ask for it.
      element(
        "div",
        { class: "rows", role: "log", "aria-live": "off", "aria-label": `Changes in ${path}`, tabindex: "0" },
        this.#rows,
      ),
    );
    this.setState("arming", "arming");
    this.tick();
  }

  focus() {
    this.#close.focus();
  }

  setState(state, text) {
    this.#known = { state, text };
    this.#showState();
  }

  /** What was known last may no longer be so, and must not look as if it were. */
  setCutOff(cutOff) {
    this.#cutOff = cutOff;
    this.#showState();
  }

  #showState() {
    const ended = this.#known.state === "ended";
    const { state, text } =
      this.#cutOff && !ended ? { state: "unknown", text: "not connected" } : this.#known;
    this.#state.dataset.state = state;
    this.#state.replaceChildren(element("span", { class: "dot", "aria-hidden": "true" }), text);
    this.#retry.hidden = state !== "ended" || this.#cutOff;
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
