/** The face of `rescan`: list, compare, report; and what names are. */

export type { RescanReasons } from "./difference-reporter.ts";
export { ageMs } from "./habits.ts";
export { unknownNames } from "./identification.ts";
export { LinkLoops } from "./link-loops.ts";
export { ListedNames } from "./listed-names.ts";
export { LookupQueue } from "./lookup-queue.ts";
export { NameLookup } from "./name-lookup.ts";
export { Rescanner } from "./rescanner.ts";
export { isStandIn, Spellings } from "./spellings.ts";
