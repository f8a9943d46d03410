/** The face of `feed`: subjects followed without a gap. */

export { NatsEventFeed } from "./feed.ts";
