// What one watched directory looks like: where it is, how it fares, its entries, and beside them what happens.
import { Crumbs } from "./crumbs.js";
import { element } from "./elements.js";
import { Files } from "./files.js";
import { Log } from "./log.js";
import { nameOf } from "./paths.js";

const SORTED = {
  name: ["by name, A to Z", "by name, Z to A"],
  size: ["by size, smallest first", "by size, largest first"],
  modified: ["by time, oldest first", "by time, newest first"],
};

export class Panel {
  log = new Log();
  files;
  #crumbs;
  #title = element("h2", { class: "aside" });
  #state = element("span", { class: "state", "data-state": "connecting" });
  #close = element("button", { type: "button" }, "Close");
  #clear = element("button", { type: "button" }, "Clear log");
  #retry = element("button", { type: "button", class: "retry", hidden: "" }, "Try again");
  /** Told aloud: only what whoever is here has just asked for. */
  #said = element("p", { class: "aside", role: "status" });
  #recursive;
  /** What `setState` was told last, and whether the gateway is away to tell better. */
  #known = { state: "arming", text: "arming" };
  #cutOff = false;

  /** @param {{recursive: boolean, onClose(): void, onRetry(): void, onGo(path: string): void, onOpen(entry: object): void, onParent(): void}} options */
  constructor({ recursive, onClose, onRetry, onGo, onOpen, onParent }) {
    this.#recursive = recursive;
    this.#crumbs = new Crumbs(onGo);
    this.files = new Files({
      onOpen,
      onParent,
      onSort: ({ by, descending }) => this.say(`Sorted ${SORTED[by][Number(descending)]}`),
    });
    this.#close.addEventListener("click", onClose);
    this.#retry.addEventListener("click", onRetry);
    this.#clear.addEventListener("click", () => this.log.clear());
    const tools = element("div", { class: "tools" }, this.#clear, this.#close);
    const below = recursive ? [element("span", { class: "faint" }, "and below")] : [];
    this.root = element(
      "section",
      { class: "panel" },
      element("header", {}, this.#title, this.#crumbs.root, ...below, this.#state, this.#retry, tools),
      element(
        "div",
        { class: "panes" },
        element("div", { class: "files-pane" }, this.files.root),
        this.log.root,
      ),
      this.#said,
    );
    this.setState("arming", "arming");
  }

  /** @param {{connection: string, path: string, at: string}} where `at`: what is shown of the watched `path` */
  setPath({ connection, path, at }) {
    this.root.dataset.connection = connection;
    this.root.dataset.path = path;
    this.root.dataset.at = at;
    this.root.setAttribute("aria-label", `${connection} ${path}`);
    this.#title.textContent = `${connection} ${path}${this.#recursive ? " and below" : ""}`;
    // A name that begins with what is to be seen: people say it to their machine (WCAG 2.5.3).
    this.#close.setAttribute("aria-label", `Close ${path}`);
    this.#clear.setAttribute("aria-label", `Clear log of ${path}`);
    this.#crumbs.show(connection, at, this.#recursive ? path : "/");
    this.log.setPath(path);
    this.files.setLabel(`Entries of ${at}`);
  }

  /** Another directory is there to be seen. */
  sayOpened(at) {
    const { count } = this.files;
    this.say(`${nameOf(at) || "/"}, ${count.toLocaleString()} ${count === 1 ? "entry" : "entries"}`);
  }

  say(text) {
    this.#said.textContent = text;
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

  tick() {
    this.log.tick();
  }

  #showState() {
    const ended = this.#known.state === "ended";
    const { state, text } =
      this.#cutOff && !ended ? { state: "unknown", text: "not connected" } : this.#known;
    this.#state.dataset.state = state;
    this.#state.replaceChildren(element("span", { class: "dot", "aria-hidden": "true" }), text);
    this.#retry.hidden = state !== "ended" || this.#cutOff;
    this.root.dataset.old = String(state !== "live");
  }
}
