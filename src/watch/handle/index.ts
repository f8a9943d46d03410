/** The face of `handle`: one armed directory handle, and what makes changes of its records. */

export { ArmedHandle } from "./armed-handle.ts";
export { Beginnings } from "./beginnings.ts";
export { byDirectory, type LocatedChange, type Run } from "./coalesce.ts";
export type { HandleHost, HandleServices, HandleSpec, HandleView } from "./handle-port.ts";
export { RemovalHabit } from "./late-removals.ts";
export { LeasedHandle, type LeasedHandleHost } from "./leased-handle.ts";
export { takesSecondLook } from "./second-look.ts";
export { StrayRecords } from "./stray-records.ts";
export { Trust } from "./trust.ts";
export { Upkeep } from "./upkeep.ts";
