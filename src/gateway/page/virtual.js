// Which of very many rows are worth an element, and where they stand. Pure.

/** What scrolls may not be taller than browsers can tell positions apart in. Beyond it a pixel scrolls more than one. */
export const TALLEST = 8_000_000;
/** Rows made beyond what is seen, so that a short scroll finds them there. */
const SPARE = 6;

/**
 * @typedef {{count: number, rowHeight: number, viewport: number, scrollTop: number}} Scroll
 * `viewport`: how much of the rows can be seen, px.
 */

/**
 * @param {Scroll} scroll
 * @returns {{first: number, last: number, offset: number, height: number}} rows `first` to before `last`, the first one
 * `offset` px below the top of all, which are `height` px tall
 */
export function windowOf({ count, rowHeight, viewport, scrollTop }) {
  const { height, factor } = scaleOf({ count, rowHeight, viewport });
  const within = Math.max(0, Math.min(scrollTop, height - viewport));
  const top = within * factor;
  const first = Math.max(0, Math.floor(top / rowHeight) - SPARE);
  const last = Math.min(count, Math.ceil((top + viewport) / rowHeight) + SPARE);
  return { first, last: Math.max(first, last), offset: within - top + first * rowHeight, height };
}

/** The first row in sight. @param {Scroll} scroll */
export function topRow(scroll) {
  return Math.floor((scroll.scrollTop * scaleOf(scroll).factor) / scroll.rowHeight);
}

/** Where to scroll so that a row is seen: not at all where it is already. @param {Scroll} scroll */
export function reveal(index, { count, rowHeight, viewport, scrollTop }) {
  const { factor } = scaleOf({ count, rowHeight, viewport });
  const top = scrollTop * factor;
  const above = index * rowHeight;
  const below = above + rowHeight - viewport;
  if (above < top) return above / factor;
  return below > top ? below / factor : scrollTop;
}

/** Where to scroll once a row has moved, so that it stays where it is seen. @param {Scroll} scroll of before it moved */
export function keepPlace(from, to, { rowHeight, viewport, scrollTop, count }, newCount) {
  const before = scaleOf({ count, rowHeight, viewport }).factor;
  const after = scaleOf({ count: newCount, rowHeight, viewport }).factor;
  return (scrollTop * before + (to - from) * rowHeight) / after;
}

function scaleOf({ count, rowHeight, viewport }) {
  const full = count * rowHeight;
  if (full <= TALLEST) return { height: full, factor: 1 };
  return { height: TALLEST, factor: (full - viewport) / (TALLEST - viewport) };
}
