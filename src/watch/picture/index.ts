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
export { Picture, type PictureNode, reconcile, type TouchLog } from "./picture.ts";
export { EntryFlag, markOf, REPARSE_POINT, Snapshot, UNKNOWN } from "./snapshot.ts";
export { ToldPicture } from "./told-picture.ts";
