/**
 * What a terminal, a pager or an editor may act upon instead of showing it: C0 and C1 controls (escape sequences, and
 * U+009B, which begins one without ESC), DEL, line and paragraph separators, and what has no shape of its own:
 * bidirectional controls, which reorder what stands around them, and joiners, which hide in a name.
 */
const ACTIVE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const ALL_ACTIVE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text from elsewhere, for people: on one line, and nothing in it acts. What must not be shown stands there as
 * `\u{1b}`. Names from file servers, text of errors and whatever a client sent go through here before they are printed.
 */
export function printable(text: string): string {
  return ACTIVE.test(text) ? text.replace(ALL_ACTIVE, escaped) : text;
}

function escaped(char: string): string {
  return `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}

/** As `printable`, for text of our own making: its lines and columns stay. */
export function printableLines(text: string): string {
  return ACTIVE.test(text)
    ? text.replace(ALL_ACTIVE, (char) => (/[\n\t]/.test(char) ? char : escaped(char)))
    : text;
}

/** `JSON.stringify` leaves everything beyond C0 as it is; here it is escaped as JSON can: the value is the same. */
export function jsonText(value: unknown, indent?: number): string {
  return escapeJson(JSON.stringify(value, undefined, indent));
}

/** The same for JSON text that somebody else made. Line breaks between values stay. */
export function escapeJson(json: string): string {
  return json.replace(/[\p{Cf}\p{Zl}\p{Zp}\u007f-\u009f]/gu, (char) =>
    Array.from({ length: char.length }, (_, i) => `\\u${hex4(char.charCodeAt(i))}`).join(""),
  );
}

function hex4(unit: number): string {
  return unit.toString(16).padStart(4, "0");
}
