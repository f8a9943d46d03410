/** The face of `ready`: which files are complete. */

export { Prober } from "./prober.ts";
export { ReadyTracker, type ReadyTrackerContext } from "./ready-tracker.ts";
export { isSame, NO_RECORD, type ReadyRecord, ReadyReplay, readRecord, toldOf } from "./record.ts";
