/** The face of `hub`: one ref per directory, however many look at it. */

export type { DirectoryEvent, StateBody, Subscriber } from "./event.ts";
export { Hub } from "./hub.ts";
export type { MirrorReader, SharedMirror } from "./shared-mirror.ts";
export type { SharedWatch } from "./shared-watch.ts";
