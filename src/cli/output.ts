import { stripVTControlCharacters, styleText } from "node:util";
import { jsonText, printable, printableLines } from "../base/printable.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** The streams and settings of one run, so that tests can be the terminal. */
export interface Terminal {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): boolean;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/**
 * Data goes to stdout, talk to stderr; colour only where a person looks and has not said no. Nothing that passes acts
 * upon the terminal but our own styles; text from elsewhere goes through `printable` all the same, for a line break in
 * it is none of ours.
 */
export class Output {
  readonly #stdout: OutputStream;
  readonly #stderr: OutputStream;
  readonly #colourOut: boolean;
  readonly #colourErr: boolean;
  /** Aborts when the reader of stdout has gone (`smb2nats tail … | head`). */
  readonly gone: AbortSignal;

  constructor({ stdout, stderr, env }: Terminal) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    const refused = (env["NO_COLOR"] ?? "") !== "" || env["TERM"] === "dumb";
    this.#colourOut = stdout.isTTY === true && !refused;
    this.#colourErr = stderr.isTTY === true && !refused;
    const gone = new AbortController();
    this.gone = gone.signal;
    stdout.on("error", (error) => {
      if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") gone.abort(error);
      else throw error;
    });
    // Nobody is left to be told.
    stderr.on("error", () => undefined);
  }

  get interactive(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** One line of the answer. */
  data(line = ""): void {
    if (!this.gone.aborted) this.#stdout.write(`${keepStyles(line, this.#colourOut)}\n`);
  }

  /** One line of JSON. */
  json(value: unknown): void {
    if (!this.gone.aborted) this.#stdout.write(`${jsonText(value)}\n`);
  }

  /** One line to the person. */
  say(line: string): void {
    this.#stderr.write(`${printableLines(line)}\n`);
  }

  /** For text that goes to `data`. */
  style(style: Style, text: string): string {
    return this.#colourOut ? styleText(style, text, { validateStream: false }) : text;
  }

  error(line: string): void {
    const mark = this.#colourErr ? styleText("red", "error:", { validateStream: false }) : "error:";
    this.#stderr.write(`${mark} ${printable(line)}\n`);
  }

  /** Columns as wide as their widest cell; nothing trails. */
  table(rows: readonly (readonly string[])[]): void {
    const widths: number[] = [];
    const lines = rows.map((row) =>
      row.map((cell) => keepStyles(cell, this.#colourOut).replaceAll("\n", "\\u{a}")),
    );
    for (const row of lines) {
      row.forEach((cell, i) => {
        widths[i] = Math.max(widths[i] ?? 0, width(cell));
      });
    }
    for (const row of lines) {
      const padded = row.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - width(cell)));
      this.data(padded.join("  ").trimEnd());
    }
  }
}

/** Keeps the styles that `style` has put there; everything else that could act upon the terminal is shown instead. */
function keepStyles(text: string, styled: boolean): string {
  if (!styled) return printableLines(text);
  return text
    .split(STYLES)
    .map((part, i) => (i % 2 === 1 ? part : printableLines(part)))
    .join("");
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape sequences of util.styleText
const STYLES = /(\u001b\[(?:1|2|22|3[1-6]|39)m)/;

function width(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
