/** The face of `picture`: what consumers have been told, compared, kept and brought up to date. */

export {
  adoptCheckpoint,
  type CheckpointDirectory,
  CheckpointError,
  decodeCheckpoint,
  encodeCheckpoint,
  takeCheckpoint,
} from "./checkpoint.ts";
export { diffSteps, isReplaced, moveSteps, type Steps } from "./diff.ts";
export { type EntryFacts, EntryFlag, factsOf, markOf, REPARSE_POINT, UNKNOWN } from "./entry-mark.ts";
export {
  type FrozenDirectories,
  type FrozenPicture,
  freezePicture,
  type NoPicture,
} from "./frozen.ts";
export { Picture, type PictureNode, reconcile } from "./picture.ts";
export type { RowCursor } from "./rows.ts";
export { Snapshot } from "./snapshot.ts";
export { ToldPicture } from "./told-picture.ts";
export { TouchLog } from "./touch-log.ts";
