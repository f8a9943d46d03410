/** The face of `deliver`: from a change to those who asked for it. */

export { ActiveInterest, type InterestHooks, type InterestStatus } from "./active-interest.ts";
export { Announcer } from "./announcer.ts";
export { deliveryStage } from "./delivery.ts";
export { InterestIndex } from "./interest-index.ts";
export type { ReadyStageOptions } from "./ready-stage.ts";
