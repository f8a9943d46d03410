/** The face of `streams`: streams made, kept and recognised. */

export { inspectStorage, type StorageReport, type StreamReport } from "./inspect.ts";
export { NOT_READY, StreamKeeper } from "./stream-keeper.ts";
export { NoRoomError } from "./stream-room.ts";
export { type PreparedStreams, prepareStreams, streamNonce } from "./streams.ts";
