// What is open, as the address keeps it: `#watch=nas1:/Media&tree=nas1:/Incoming&at=/Incoming/today`. Pure.
import { canonical } from "./paths.js";

/** @param {{connection: string, path: string, recursive: boolean, at: string}[]} places */
export function hashOf(places) {
  const pairs = places.flatMap(({ connection, path, recursive, at }) => [
    [recursive ? "tree" : "watch", `${connection}:${path}`],
    ...(at === path ? [] : [["at", at]]),
  ]);
  return pairs.length > 0 ? `#${new URLSearchParams(pairs)}` : "#";
}

/** What cannot be read is left out. */
export function placesIn(hash) {
  const places = [];
  for (const [kind, value] of new URLSearchParams(hash.slice(1))) {
    const colon = value.indexOf(":");
    if ((kind === "watch" || kind === "tree") && colon > 0) {
      const path = canonical(value.slice(colon + 1));
      places.push({ connection: value.slice(0, colon), path, recursive: kind === "tree" });
    } else if (kind === "at" && places.at(-1)?.recursive === true) places.at(-1).at = canonical(value);
  }
  return places;
}
