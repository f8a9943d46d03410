import type { Cursor } from "../../fleet/port.ts";
import type { MirrorBase } from "../../watch/mirror/index.ts";
import type { ToldEvent } from "./pending.ts";

/**
 * Where a picture stands that was made from a snapshot. The place in the stream is not enough: what was told before the
 * snapshot may be stored after it. So the cursors of such a subscription say both, and any gateway can go on from them.
 */
export interface Position {
  readonly cursor: Cursor;
  readonly base: MirrorBase;
  /** How deep the directory lies that the owner watches. */
  readonly servedDepth: number;
}

/** In no cursor of the stream, and in no epoch. */
const MARK = "~";

/** What follows the place in the stream. */
export function markOf({ epoch, told, stored }: MirrorBase, servedDepth: number): string {
  return [``, epoch, told, stored ? 1 : 0, servedDepth].join(MARK);
}

export function parsePosition(text: string): Position | undefined {
  const [cursor = "", epoch = "", told = "", stored, depth = "", ...more] = text.split(MARK);
  if (epoch === "" || !/^-?\d+$/.test(told) || !/^\d+$/.test(depth) || more.length > 0) return undefined;
  return {
    cursor,
    base: { epoch, told: Number(told), stored: stored === "1" },
    servedDepth: Number(depth),
  };
}

const marked = new WeakMap<ToldEvent, Map<string, ToldEvent>>();

/** The event with the cursor of a picture: the same for all whose pictures stand alike, so that its text is made once. */
export function withMark(event: ToldEvent, mark: string): ToldEvent {
  if (event.cursor === undefined) return event;
  let events = marked.get(event);
  if (events === undefined) {
    events = new Map();
    marked.set(event, events);
  }
  let own = events.get(mark);
  if (own === undefined) {
    own = { ...event, cursor: event.cursor + mark };
    events.set(mark, own);
  }
  return own;
}
