import type { Listing } from "./port.ts";

/**
 * Cuts pages to what the NATS server lets through: it takes no message over `max_payload`. Where not even one entry
 * fits, the page stays as it is, and sending it fails. Sizes are of JSON in UTF-8, bytes.
 */

/** The page with as many entries as fit, and where the next one begins. */
export function fitListing(listing: Listing, maxBytes: number): Listing {
  const { entries } = listing;
  const frame = bytesOf({ ...listing, entries: [], next: "" });
  // The last name of a page stands in it twice: in its entry and as `next`.
  const page = fitting(entries, maxBytes - frame, ({ name }) => bytesOf(name));
  const last = page.at(-1);
  return last === undefined || page === entries ? listing : { ...listing, entries: page, next: last.name };
}

/** As many of these as fit into an answer beside `frame`. */
export function fitItems<T>(items: readonly T[], frame: object, maxBytes: number): readonly T[] {
  return fitting(items, maxBytes - bytesOf(frame), () => 0);
}

/** `closing` is what the last item costs beside itself. */
function fitting<T>(items: readonly T[], maxBytes: number, closing: (last: T) => number): readonly T[] {
  let bytes = 0;
  for (const [index, item] of items.entries()) {
    bytes += bytesOf(item) + 1;
    if (bytes + closing(item) > maxBytes) return index === 0 ? items : items.slice(0, index);
  }
  return items;
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
