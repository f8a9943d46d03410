// What a key means in a list of files. Pure, but for the moment of the last letter.

const MOVES = {
  ArrowUp: "up",
  ArrowDown: "down",
  PageUp: "pageUp",
  PageDown: "pageDown",
  Home: "first",
  End: "last",
};
/** Letters that follow each other sooner belong together. */
const TOGETHER_MS = 800;

/**
 * @param {{key: string, altKey?: boolean, ctrlKey?: boolean, metaKey?: boolean}} event
 * @returns {{do: "move", where: string} | {do: "open" | "parent"} | {do: "type", text: string} | undefined}
 * undefined: it is the browser's
 */
export function meaningOf({ key, altKey = false, ctrlKey = false, metaKey = false }) {
  if (altKey && !ctrlKey && !metaKey && key === "ArrowUp") return { do: "parent" };
  if (altKey || ctrlKey || metaKey) return undefined;
  if (key in MOVES) return { do: "move", where: MOVES[key] };
  if (key === "Enter") return { do: "open" };
  if (key === "Backspace") return { do: "parent" };
  // One character, of however many parts; keys with names have longer ones.
  return [...key].length === 1 ? { do: "type", text: key } : undefined;
}

/** Typing goes to a name that begins so. */
export class TypeAhead {
  #typed = "";
  #at = Number.NEGATIVE_INFINITY;

  /**
   * @param {{name: string}[]} rows @param {number} from where the cursor is, -1 for nowhere
   * @returns {number} the row to go to, -1 where none begins so
   */
  find(text, rows, from, now) {
    this.#typed = now - this.#at < TOGETHER_MS ? this.#typed + text : text;
    this.#at = now;
    // The same letter again and again goes through all that begin with it.
    const again = [...this.#typed].every((letter) => letter === text);
    const wanted = fold(again ? text : this.#typed);
    const start = again ? from + 1 : Math.max(0, from);
    for (let step = 0; step < rows.length; step++) {
      const index = (start + step) % rows.length;
      if (fold(rows[index].name).startsWith(wanted)) return index;
    }
    return -1;
  }

  /** Whether a space goes on with what is being typed. */
  goesOn(now) {
    return now - this.#at < TOGETHER_MS;
  }

  clear() {
    this.#at = Number.NEGATIVE_INFINITY;
  }
}

/** However it is written: some file systems take letters apart from their accents. */
function fold(text) {
  return text.normalize("NFC").toLocaleLowerCase();
}
