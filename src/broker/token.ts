/** With the `u` flag a pair is one character, so only lone halves match. */
const LONE_SURROGATE = /[\ud800-\udfff]/u;

const PLAIN = new Uint8Array(256);
for (const byte of Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"))
  PLAIN[byte] = 1;

/**
 * One path segment as one token of subjects and KV keys (contract section 2): bytes of `A-Z a-z 0-9 _ -` stay,
 * every other byte of the name's UTF-8 becomes `=HH`. File servers allow lone UTF-16 surrogates in names; they are
 * encoded as WTF-8 does (three bytes each), so that two names never share a token.
 */
export function encodeToken(segment: string): string {
  if (/^[A-Za-z0-9_-]*$/.test(segment)) return segment;
  let token = "";
  for (const byte of wtf8(segment)) token += PLAIN[byte] === 1 ? String.fromCharCode(byte) : escapeByte(byte);
  return token;
}

/** The segment, or `undefined` when no segment encodes to this token. */
export function decodeToken(token: string): string | undefined {
  const bytes: number[] = [];
  for (let at = 0; at < token.length; at++) {
    if (token[at] !== "=") {
      bytes.push(token.charCodeAt(at));
      continue;
    }
    const hex = token.slice(at + 1, at + 3);
    if (!/^[0-9A-F]{2}$/.test(hex)) return undefined;
    bytes.push(Number.parseInt(hex, 16));
    at += 2;
  }
  const segment = fromWtf8(bytes);
  // Overlong forms, escapes of plain letters and split surrogate pairs have another, canonical spelling.
  return segment !== "" && encodeToken(segment) === token ? segment : undefined;
}

/** UTF-8, with lone surrogates as three bytes each instead of U+FFFD. */
export function wtf8(text: string): Uint8Array {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text, "utf8");
  const parts: Uint8Array[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    const lone = point >= 0xd800 && point <= 0xdfff;
    parts.push(
      lone
        ? Uint8Array.of(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f))
        : Buffer.from(character, "utf8"),
    );
  }
  return Buffer.concat(parts);
}

function fromWtf8(bytes: readonly number[]): string {
  let text = "";
  let run: number[] = [];
  const flush = (): void => {
    text += Buffer.from(run).toString("utf8");
    run = [];
  };
  for (let at = 0; at < bytes.length; at++) {
    const [first = 0, second = 0, third = 0] = bytes.slice(at, at + 3);
    if (first === 0xed && second >= 0xa0 && second <= 0xbf) {
      flush();
      text += String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
      at += 2;
    } else {
      run.push(first);
    }
  }
  flush();
  return text;
}

function escapeByte(byte: number): string {
  return `=${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** RFC 4648 base32 in lower case, without padding. */
export function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += ALPHABET[(value >> bits) & 31];
    }
  }
  return bits > 0 ? text + ALPHABET[(value << (5 - bits)) & 31] : text;
}
