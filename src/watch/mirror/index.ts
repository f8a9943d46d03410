/** The face of `mirror`: a picture kept from a snapshot and what is told after it. */

export { advance, judge, type MirrorBase } from "./continuity.ts";
export { LiveMirror } from "./mirror.ts";
export { type Looks, lookAtUnknown, shownDirectories, shownEntry } from "./shown.ts";
export type { MirrorEntry, MirroredDirectory } from "./tree.ts";
export type {
  Mirror,
  MirrorChange,
  MirrorPosition,
  MirrorReason,
  MirrorState,
  MirrorView,
  TakenSnapshot,
} from "./types.ts";
