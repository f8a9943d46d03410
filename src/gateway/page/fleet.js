// The workers, as far as the token may know them.
import { ago } from "./ago.js";
import { element } from "./elements.js";

const ASK_MS = 5_000;
const STATE = {
  serving: () => "serving",
  draining: () => "leaving",
  silent: () => "silent",
};

/** Asks now and then while somebody looks, and shows the answer. */
export class Fleet {
  #list;
  #note;
  #ask;

  /** @param {{list: HTMLElement, note: HTMLElement, ask: () => Promise<object> | undefined}} options */
  constructor({ list, note, ask }) {
    this.#list = list;
    this.#note = note;
    this.#ask = ask;
    setInterval(() => document.visibilityState === "visible" && void this.refresh(), ASK_MS);
  }

  async refresh() {
    try {
      const answer = await this.#ask();
      if (answer !== undefined) this.#show(answer);
    } catch {
      // The page says elsewhere that the gateway is away.
    }
  }

  #show({ current, workers }) {
    this.#list.replaceChildren(...workers.map(workerElement));
    this.#note.textContent =
      workers.length === 0
        ? "No worker serves your connections: nothing is watched until one does."
        : current
          ? ""
          : "The gateway is cut off from the fleet. This is how it was.";
    this.#note.hidden = this.#note.textContent === "";
  }
}

function workerElement({ name, host, state, connections, unreachable = [], watches, heardMs, lagMs }) {
  const facts = [
    STATE[state](),
    ...(watches === undefined ? [connections.join(", ")] : [`${watches} watch${watches === 1 ? "" : "es"}`]),
    ...(heardMs === undefined ? [] : [`heard ${ago(heardMs)}`]),
    ...(lagMs > 0 ? [`${lagMs.toLocaleString()} ms behind`] : []),
  ];
  const made = element(
    "li",
    { class: "worker", "data-state": state, "data-unreachable": String(unreachable.length > 0) },
    element("span", { class: "dot", "aria-hidden": "true" }),
    element("b", { title: name }, host || "worker"),
    element("span", { class: "faint" }, [name.slice(0, 6), ...facts].join(" · ")),
  );
  if (unreachable.length > 0) {
    made.append(element("span", { class: "warning" }, `cannot reach ${unreachable.join(", ")}`));
  }
  return made;
}
