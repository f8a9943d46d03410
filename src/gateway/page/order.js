// In which order entries are shown. Knows no page: pure.

/** Digits by their value: `9.txt` before `10.txt`. */
const names = new Intl.Collator(undefined, { numeric: true });

/** What one gets by asking for a column first: the largest and the newest are what one looks for. */
export const FIRST_ASKED = {
  name: { by: "name", descending: false },
  size: { by: "size", descending: true },
  modified: { by: "modified", descending: true },
};

export const BY_NAME = FIRST_ASKED.name;

/** By the same column again: the other way round. */
export function asked(column, { by, descending }) {
  return column === by ? { by, descending: !descending } : FIRST_ASKED[column];
}

/**
 * A total order: folders first, what is not known last, and no two names are equal, whatever the language says of them.
 * @param {{by: "name" | "size" | "modified", descending: boolean}} order
 */
export function comparator({ by, descending }) {
  const turn = descending ? -1 : 1;
  return (a, b) => {
    const folders = Number(b.type === "directory") - Number(a.type === "directory");
    if (folders !== 0) return folders;
    if (by === "name") return turn * compareNames(a.name, b.name);
    return compareFacts(factOf(a, by), factOf(b, by), turn) || compareNames(a.name, b.name);
  };
}

/** A folder has no size that anybody looks for. Times are RFC 3339 in UTC: their texts compare as they do. */
function factOf(entry, by) {
  return by === "size" && entry.type === "directory" ? undefined : entry[by];
}

function compareFacts(a, b, turn) {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return turn * (a < b ? -1 : 1);
}

function compareNames(a, b) {
  return names.compare(a, b) || (a === b ? 0 : a < b ? -1 : 1);
}
