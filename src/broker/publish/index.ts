/** The face of `publish`: one publish in flight per subject, what waits, within a bound. */

export { jetStreamStore, NatsEventPublisher } from "./publisher.ts";
