/** Edits (insert, delete, replace, swap neighbours) between two words, up to `limit`; more counts as `limit + 1`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let previous: number[] = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? limit + 1;
}

/** Letters only, so that `max_age`, `maxAge` and `MAX-AGE` are one word. */
function skeleton(word: string): string {
  return word.toLowerCase().replaceAll(/[^a-z0-9.]/g, "");
}

/**
 * The known word a mistyped one most likely meant, or `undefined` when none is near. A third of the
 * letters may be wrong; a word that begins another (`password`, `passwordFile`) counts as near.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const wanted = skeleton(word);
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  let best: { readonly word: string; readonly edits: number } | undefined;
  for (const candidate of known) {
    const bare = skeleton(candidate);
    const begins = wanted.length >= 4 && (bare.startsWith(wanted) || wanted.startsWith(bare));
    const edits = Math.min(distance(wanted, bare, limit), begins ? limit : limit + 1);
    if (edits <= limit && (best === undefined || edits < best.edits)) best = { word: candidate, edits };
  }
  return best?.word;
}
