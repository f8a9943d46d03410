/** The face of `options`: the configuration's keys, by section. */

export { CONNECTION_OPTIONS, WATCH_OPTIONS } from "./connection.ts";
export { gateway } from "./gateway.ts";
export { nats } from "./nats.ts";
export { worker } from "./worker.ts";
