/** The face of `mirror`: a picture kept from a snapshot and what is told after it. */

export { LiveMirror } from "./mirror.ts";
export { type Looks, lookAtUnknown, shownDirectories, shownEntry } from "./shown.ts";
export type { MirrorEntry } from "./tree.ts";
export type {
  Mirror,
  MirrorChange,
  MirrorPosition,
  MirrorReason,
  MirrorState,
  MirrorView,
  TakenSnapshot,
} from "./types.ts";
