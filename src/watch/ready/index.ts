/** The face of `ready`: which files are complete. */

export { Prober } from "./prober.ts";
export { ReadyTracker, type ReadyTrackerContext } from "./ready-tracker.ts";
export {
  isSame,
  type ReadyRecord,
  ReadyReplay,
  readRecord,
  type ToldFile,
  toldOf,
} from "./record.ts";
export { WaitingRoom } from "./waiting-room.ts";
