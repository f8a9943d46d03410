/** The face of `hub`: one ref per directory, however many look at it. */

export { Hub } from "./hub.ts";
export type { DirectoryEvent, SharedWatch, Subscriber } from "./shared-watch.ts";
