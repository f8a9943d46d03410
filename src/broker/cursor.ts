import type { Cursor } from "./port.ts";

export interface Position {
  /** Which incarnation of the stream: see `streamNonce`. */
  readonly nonce: string;
  readonly sequence: number;
}

export function formatCursor(position: Position): Cursor {
  return `${position.nonce}:${position.sequence}`;
}

/** `undefined` for anything that is not a cursor. */
export function parseCursor(cursor: Cursor): Position | undefined {
  const match = /^([a-z2-7]{1,32}):(\d{1,16})$/.exec(cursor);
  const sequence = Number(match?.[2]);
  if (match?.[1] === undefined || !Number.isSafeInteger(sequence)) return undefined;
  return { nonce: match[1], sequence };
}
