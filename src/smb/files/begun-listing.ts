import type { DirEntry } from "./file-info.ts";

type Pages = AsyncGenerator<readonly DirEntry[], void>;

/** A listing whose first page is in: what can only go another way before that has been decided. */
export interface BegunListing {
  readonly pages: Pages;
  readonly first: IteratorResult<readonly DirEntry[], void>;
}

/** Asks for the first page. @throws what the listing throws */
export async function beginListing(pages: Pages): Promise<BegunListing> {
  return { pages, first: await pages.next() };
}

/** All pages; the listing ends with its reader. @throws what the listing throws */
export async function* goOnListing({ pages, first }: BegunListing): Pages {
  if (first.done === true) return;
  try {
    yield first.value;
    yield* pages;
  } finally {
    await pages.return();
  }
}
